"""The stopping rule of a cascade: confidence of fused scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.settings import Rule, Space


def confidence(scores: NDArray[np.float64], space: Space, rule: Rule) -> NDArray[np.float64]:
    """Confidence float64 [n] in 0..1 of scores [n, C] in a space, by one of the rules."""
    if space == "probabilities":
        probabilities = scores / scores.sum(axis=1, keepdims=True)
    else:
        probabilities = np.exp(log_softmax(scores))
    if rule == "entropy":
        logs = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
        entropy = -(probabilities * logs).sum(axis=1)
        return np.asarray(np.clip(1 - entropy / math.log(max(2, scores.shape[1])), 0, 1))
    best = np.sort(probabilities, axis=1)[:, -2:] if scores.shape[1] > 1 else probabilities
    values = best[:, -1] - best[:, 0] if rule == "margin" and scores.shape[1] > 1 else best[:, -1]
    return np.asarray(np.clip(values, 0, 1))


def continues(level: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Bool [n]: the videos that continue to the next member, with a confidence of at most the threshold; none at 0."""
    return (level <= threshold) & (threshold > 0)
