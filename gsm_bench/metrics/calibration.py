"""Whether confidence means what it says: calibration errors, proper scores, reliability, temperature.

C. Guo et al., On Calibration of Modern Neural Networks (2017): expected calibration error, temperature scaling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
STEPS = 60
COLDEST, HOTTEST = 1e-3, 1e3
PRECISE = 1e-10


@dataclass(frozen=True)
class Bin:
    """Clips of like confidence: how many, how sure on average, what share of them right."""

    low: float
    high: float
    clips: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """How well probabilities fit the labels of N clips.

    Attributes:
        ece: expected calibration error: mean distance of confidence and accuracy over bins of equal width.
        adaptive_ece: the same over bins of equal numbers of clips.
        nll: mean negative log-probability of the label, natural logarithm.
        brier: mean squared distance of the probabilities to the label's corner, 0 to 2.
        confidence: mean probability of the best class.
        accuracy: share of clips whose best class is right.
        bins: the bins of `ece` that hold clips.
    """

    ece: float
    adaptive_ece: float
    nll: float
    brier: float
    confidence: float
    accuracy: float
    clips: int
    bins: tuple[Bin, ...]


def calibration(log_probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS) -> Calibration:
    """Calibration of log-probabilities [N, C] against labels [N], 0..C-1."""
    probabilities = np.exp(log_probabilities.astype(np.float64))
    rows = np.arange(len(labels))
    best = probabilities.argmax(axis=1)
    confidence, right = probabilities[rows, best], (best == labels).astype(np.float64)
    brier = (probabilities**2).sum(axis=1) - 2 * probabilities[rows, labels] + 1
    even = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins (low, high]
    order = np.argsort(confidence, kind="stable")
    equal = np.empty(len(labels), np.int64)
    equal[order] = np.arange(len(labels)) * bins // max(1, len(labels))
    return Calibration(
        ece=_gap(even, confidence, right),
        adaptive_ece=_gap(equal, confidence, right),
        nll=float(-log_probabilities[rows, labels].mean()),
        brier=float(brier.mean()),
        confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        clips=len(labels),
        bins=tuple(_bins(even, confidence, right, bins)),
    )


def _gap(places: NDArray[np.int64], confidence: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Mean over clips of the distance between a bin's confidence and its accuracy."""
    return float(np.abs(np.bincount(places, confidence) - np.bincount(places, right)).sum() / len(places))


def _bins(
    places: NDArray[np.int64], confidence: NDArray[np.float64], right: NDArray[np.float64], count: int
) -> list[Bin]:
    clips = np.bincount(places, minlength=count)
    sums, hits = np.bincount(places, confidence, count), np.bincount(places, right, count)
    return [
        Bin(at / count, (at + 1) / count, int(clips[at]), float(sums[at] / clips[at]), float(hits[at] / clips[at]))
        for at in np.flatnonzero(clips).tolist()
    ]


def fit_temperature(log_scores: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature T that minimises the NLL of softmax(scores / T).

    The NLL is convex in 1/T; its root is found by Newton's steps, halved into the bracket where they leave it.

    Args:
        log_scores: logits or log-probabilities [N, C]; minus infinity counts as very small.
        labels: integers [N], 0..C-1.
    """
    scores = np.maximum(log_scores.astype(np.float64), np.finfo(np.float32).min)
    scores -= scores.max(axis=1, keepdims=True)
    own = scores[np.arange(len(labels)), labels].mean()
    low, high, inverse = 1 / HOTTEST, 1 / COLDEST, 1.0
    for _ in range(STEPS):
        weights = np.exp(inverse * scores)
        weights /= weights.sum(axis=1, keepdims=True)
        means = (weights * scores).sum(axis=1)
        slope = means.mean() - own
        curve = ((weights * scores**2).sum(axis=1) - means**2).mean()
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / curve if curve > 0 else inverse
        step = step if low < step < high else np.sqrt(low * high)
        if abs(step - inverse) < PRECISE * inverse:
            break
        inverse = step
    return float(1 / inverse)


def held_out_temperatures(
    log_scores: NDArray[np.floating], labels: NDArray[np.integer], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The temperature [N] of each clip, fitted on the clips of all other folds [N]."""
    temperatures = np.ones(len(labels))
    for fold in np.unique(folds):
        others = folds != fold
        if others.any():
            temperatures[~others] = fit_temperature(log_scores[others], labels[others])
    return temperatures
