"""Score files in the forms that other projects read."""
