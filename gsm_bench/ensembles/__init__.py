"""Score files put together, clip by clip."""
