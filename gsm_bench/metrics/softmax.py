"""From scores to the logarithms of probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What a probability stored as 0 counts for in a logarithm: the smallest that its file could hold."""


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Row-wise log-probabilities over the last axis."""
    shifted: NDArray[np.floating] = logits - logits.max(axis=-1, keepdims=True)
    total: NDArray[np.floating] = np.exp(shifted).sum(axis=-1, keepdims=True)
    log_probabilities: NDArray[np.floating] = shifted - np.log(total)
    return log_probabilities


def log_sum_exp(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials over the last axis, which is kept: float64 [..., 1]."""
    highest = scores.max(axis=-1, keepdims=True)
    total: NDArray[np.float64] = highest + np.log(np.exp(scores - highest).sum(axis=-1, keepdims=True))
    return total


def safe_log(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of probabilities of any shape; 0 counts as `SMALLEST_PROBABILITY`."""
    logarithms: NDArray[np.float64] = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    return logarithms
