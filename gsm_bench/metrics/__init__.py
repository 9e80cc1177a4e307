"""Metrics over arrays of scores and labels, in numpy."""

from gsm_bench.metrics.topk import topk_accuracy

__all__ = ["topk_accuracy"]
