"""Calibration: expected calibration error, proper scores and reliability bins.

C. Guo et al., On Calibration of Modern Neural Networks (2017): expected calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.metrics.temperature import Blocks, Floats, Places, in_memory

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Videos whose confidence lies in (low, high]: their number, mean confidence and accuracy."""

    low: float
    high: float
    videos: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Calibration of the probabilities of N videos.

    Attributes:
        ece: expected calibration error: mean |confidence - accuracy| over bins of equal width.
        adaptive_ece: the same over bins with equal numbers of videos.
        nll: mean negative log-probability of the label, natural logarithm.
        brier: Brier score: mean squared distance of the probabilities to the one-hot label, 0 to 2.
        confidence: mean of the highest probability.
        accuracy: top-1 accuracy, a fraction.
        videos: N.
        bins: the bins of `ece` that are not empty.
    """

    ece: float
    adaptive_ece: float
    nll: float
    brier: float
    confidence: float
    accuracy: float
    videos: int
    bins: tuple[Bin, ...]


def calibration(log_probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS) -> Calibration:
    """Calibration of log-probabilities [N, C] against labels integer [N], 0..C-1."""
    return calibration_of(in_memory(log_probabilities), labels, None, bins)


def calibration_of(
    blocks: Blocks, labels: NDArray[np.integer], temperatures: NDArray[np.float64] | None = None, bins: int = BINS
) -> Calibration:
    """Calibration of the softmax of scores [N, C] in blocks, divided by temperatures float64 [N] if given."""
    confidence, nll, brier = (np.empty(len(labels)) for _ in range(3))
    right = np.empty(len(labels), bool)

    def work(scores: Floats, places: Places) -> None:
        rows, own = np.arange(len(places)), labels[places]
        logs = log_softmax(scores if temperatures is None else scores / temperatures[places, None])
        probabilities = np.exp(logs)
        best = probabilities.argmax(axis=1)
        confidence[places], right[places] = probabilities[rows, best], best == own
        nll[places] = -logs[rows, own]
        brier[places] = np.einsum("nc,nc->n", probabilities, probabilities) - 2 * probabilities[rows, own] + 1

    for _ in blocks(work):
        pass
    even = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins (low, high]
    order = np.argsort(confidence, kind="stable")
    equal = np.empty(len(labels), np.int64)
    equal[order] = np.arange(len(labels)) * bins // max(1, len(labels))
    hits = right.astype(np.float64)
    return Calibration(
        ece=_gap(even, confidence, hits),
        adaptive_ece=_gap(equal, confidence, hits),
        nll=float(nll.mean()),
        brier=float(brier.mean()),
        confidence=float(confidence.mean()),
        accuracy=float(hits.mean()),
        videos=len(labels),
        bins=tuple(_bins(even, confidence, hits, bins)),
    )


def _gap(places: NDArray[np.int64], confidence: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Mean |confidence - accuracy| of the bins, weighted by their numbers of videos."""
    return float(np.abs(np.bincount(places, confidence) - np.bincount(places, right)).sum() / len(places))


def _bins(
    places: NDArray[np.int64], confidence: NDArray[np.float64], right: NDArray[np.float64], count: int
) -> list[Bin]:
    videos = np.bincount(places, minlength=count)
    sums, hits = np.bincount(places, confidence, count), np.bincount(places, right, count)
    return [
        Bin(at / count, (at + 1) / count, int(videos[at]), float(sums[at] / videos[at]), float(hits[at] / videos[at]))
        for at in np.flatnonzero(videos).tolist()
    ]
