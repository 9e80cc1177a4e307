"""The run: a network over a split, in parts, into a score file. This room needs torch."""
