"""Does a table add up? Reads a table of ours or of somebody else, and checks it."""
