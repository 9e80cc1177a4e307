"""Scoring: a network and a split in, a score file out, in chunks that survive a kill. This room needs torch."""
