"""Frames in: sampling, reading, preprocessing. This room needs torch and Pillow."""

from gsm_bench.frames.transform import preprocess
from gsm_bench.sampling import sample_indices

__all__ = ["preprocess", "sample_indices"]
