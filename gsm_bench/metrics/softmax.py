"""Softmax in the log domain, and whether scores are probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""The value of a probability stored as 0 in a logarithm: the smallest normal float32."""
PROBABILITY_TOLERANCE = 5e-3
"""How far a probability stored in half precision may lie beyond 0 and 1, and a row of them may sum beside 1."""


def are_probabilities(scores: NDArray[np.floating]) -> bool:
    """Whether no score [..., C] is negative and every row sums to 1, as far as half precision holds it."""
    sums = scores.sum(axis=-1, dtype=np.float64)
    return bool(np.nanmin(scores) >= 0 and (np.abs(sums - 1) <= PROBABILITY_TOLERANCE).all())


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Log-probabilities [..., C] of logits [..., C], by the softmax over the last axis."""
    shifted: NDArray[np.floating] = logits - logits.max(axis=-1, keepdims=True)
    total: NDArray[np.floating] = np.exp(shifted).sum(axis=-1, keepdims=True)
    log_probabilities: NDArray[np.floating] = shifted - np.log(total)
    return log_probabilities


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row-wise probabilities over the last axis, float64 [..., C]."""
    powers: NDArray[np.float64] = np.exp(scores - scores.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def log_sum_exp(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials of scores [..., C] over the last axis: float64 [..., 1]."""
    highest = scores.max(axis=-1, keepdims=True)
    total: NDArray[np.float64] = highest + np.log(np.exp(scores - highest).sum(axis=-1, keepdims=True))
    return total


def safe_log(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms float64 of probabilities of any shape; 0 counts as `SMALLEST_PROBABILITY`."""
    logarithms: NDArray[np.float64] = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    return logarithms
