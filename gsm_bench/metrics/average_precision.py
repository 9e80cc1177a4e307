"""Average precision of multi-label data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MeanPrecision:
    """Mean average precision over the classes that some video has.

    Attributes:
        value: their mean, a fraction; NaN without a class.
        per_class: float64 [C], average precision; NaN for a class that no video has.
        videos: number of videos that are ranked: scored, with a class at least.
        without_class: number of scored videos without a class, which are left out.
    """

    value: float
    per_class: NDArray[np.float64]
    videos: int
    without_class: int

    @property
    def absent(self) -> int:
        """Number of classes that no video has."""
        return int(np.isnan(self.per_class).sum())


def mean_average_precision(scores: NDArray[np.floating[Any]], sets: NDArray[np.bool_]) -> MeanPrecision:
    """Mean average precision as the evaluation code of Charades defines it (Charades_v1_classify.m of the release).

    For each class videos are ranked by its score, equal scores in the order of the list; the precision at the rank of each
    video that has the class is averaged. Videos without a class rank last there, which is the same as leaving them out. Its
    mean is NaN where a class has no video; here the mean is over the other classes, as in its Python versions.

    Args:
        scores: [N, C], finite.
        sets: bool [N, C], the classes of each video.
    """
    some = sets.any(axis=1)
    order = np.argsort(-scores[some], axis=0, kind="stable")
    right = np.take_along_axis(sets[some], order, axis=0)
    ranks = np.arange(1, len(right) + 1)[:, None]
    counts = right.sum(axis=0)
    sums = (np.cumsum(right, axis=0) / ranks * right).sum(axis=0)
    per_class = np.divide(sums, counts, out=np.full(sets.shape[1], np.nan), where=counts > 0)
    value = float(np.nanmean(per_class)) if counts.any() else float("nan")
    return MeanPrecision(value, per_class, int(some.sum()), int((~some).sum()))
