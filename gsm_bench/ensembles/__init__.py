"""Several score files fused into one, video by video."""
