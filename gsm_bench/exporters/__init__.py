"""Score files written in the formats of other projects."""
