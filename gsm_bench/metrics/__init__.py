"""Metrics over scores and labels, in numpy."""
