"""How often several results predict the same class for a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Agreement:
    """Agreement of M results over the videos that all have scored.

    Attributes:
        labels: names of the results.
        videos: how many videos all have scored.
        same: float64 [M, M], share of them for which two results predict the same class.
        top1: accuracy of each over the videos with a label; None without labels.
    """

    labels: tuple[str, ...]
    videos: int
    same: NDArray[np.float64] = field(repr=False)
    top1: tuple[float | None, ...]


def agreement(labels: Sequence[str], predictions: Sequence[Predictions]) -> Agreement:
    """Compare the predictions of M results, rows of the same videos.

    Raises:
        GsmBenchError: no video is scored by all.
    """
    best = np.stack([prediction.best for prediction in predictions])
    common = (best >= 0).all(axis=0)
    if not common.any():
        raise GsmBenchError(
            "no video has a score in every result", fix="score the missing videos, or name other results"
        )
    best = best[:, common]
    same = np.stack([(best == row).mean(axis=1) for row in best])
    correct = [prediction.correct()[common] for prediction in predictions]
    top1 = tuple(float(hits[hits >= 0].mean()) if (hits >= 0).any() else None for hits in correct)
    return Agreement(tuple(labels), int(common.sum()), same, top1)
