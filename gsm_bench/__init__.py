"""Ensemble evaluation and benchmark submission for video action recognition."""
