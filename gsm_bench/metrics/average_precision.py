"""Average precision of multi-label data sets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.intervals import Interval, effective_interval

UNKNOWN = Interval(math.nan, math.nan)


@dataclass(frozen=True)
class MeanPrecision:
    """Mean average precision over the classes that some video has.

    Attributes:
        value: their mean, a fraction; NaN without a class.
        per_class: float64 [C], average precision; NaN for a class that no video has.
        videos: number of videos that are ranked: scored, with a class at least.
        without_class: number of scored videos without a class, which are left out.
        interval: 95% interval of the value over videos, or over groups of them; see `jackknife_interval`.
    """

    value: float
    per_class: NDArray[np.float64]
    videos: int
    without_class: int
    interval: Interval = field(default=UNKNOWN, compare=False)

    @property
    def absent(self) -> int:
        """Number of classes that no video has."""
        return int(np.isnan(self.per_class).sum())


def mean_average_precision(
    scores: NDArray[np.floating[Any]], sets: NDArray[np.bool_], groups: NDArray[np.int64] | None = None
) -> MeanPrecision:
    """Mean average precision as the evaluation code of Charades defines it (Charades_v1_classify.m of the release).

    For each class videos are ranked by its score, equal scores in the order of the list; the precision at the rank of each
    video that has the class is averaged. Videos without a class rank last there, which is the same as leaving them out. Its
    mean is NaN where a class has no video; here the mean is over the other classes, as in its Python versions.

    Args:
        scores: [N, C], finite.
        sets: bool [N, C], the classes of each video.
        groups: int64 [N], equal for videos that are not independent.
    """
    some = sets.any(axis=1)
    order = np.argsort(-scores[some], axis=0, kind="stable")
    right = np.take_along_axis(sets[some], order, axis=0)
    ranks = np.arange(1, len(right) + 1)[:, None]
    positives = np.cumsum(right, axis=0)
    counts = right.sum(axis=0)
    sums = (positives / ranks * right).sum(axis=0)
    per_class = np.divide(sums, counts, out=np.full(sets.shape[1], np.nan), where=counts > 0)
    if not counts.any():
        return MeanPrecision(math.nan, per_class, 0, int((~some).sum()))
    value = float(np.nanmean(per_class))
    without = values_without(order, right)
    interval = jackknife_interval(value, without, None if groups is None else groups[some])
    return MeanPrecision(value, per_class, int(some.sum()), int((~some).sum()), interval)


def values_without(order: NDArray[np.intp], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The mean average precision float64 [N] without each video; NaN where no class is left.

    A video that leaves moves all below it up by one rank; one that has the class takes a right one from them, too. Sums
    over the ranks below give the new average precision of every class in one pass, [N, C].

    Args:
        order: row of each rank, [N, C]; right: whether that video has the class, bool [N, C].
    """
    ranks, positives = np.arange(1, len(right) + 1)[:, None], np.cumsum(right, axis=0)
    precision = positives / ranks * right
    above = np.maximum(ranks - 1, 1)
    risen = _sums_below((positives / above) * right - precision)  # another class's video above is gone
    fallen = _sums_below((positives - 1) / above * right - precision)  # one of the class is gone
    sums = precision.sum(axis=0) + np.where(right, fallen - precision, risen)
    left = positives[-1] - right
    values = np.empty(right.shape)
    np.put_along_axis(values, order, np.divide(sums, left, out=np.zeros(right.shape), where=left > 0), axis=0)
    present = np.empty(right.shape, bool)
    np.put_along_axis(present, order, left > 0, axis=0)
    classes = present.sum(axis=1)
    means: NDArray[np.float64] = np.divide(
        values.sum(axis=1), classes, out=np.full(len(right), np.nan), where=classes > 0
    )
    return means


def _sums_below(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each rank [N, C] the sum over all ranks below it."""
    totals: NDArray[np.float64] = values.sum(axis=0) - np.cumsum(values, axis=0)
    return totals


def jackknife_interval(value: float, without: NDArray[np.float64], groups: NDArray[np.int64] | None = None) -> Interval:
    """95% interval of a mean average precision from its standard error by the delete-one jackknife (J. W. Tukey 1958).

    A bootstrap draws some videos twice; a video that has a class then stands beside its copy, which raises the precision of
    rare classes. The jackknife deletes, so it makes no copies. Its error becomes Wilson's interval for as many independent
    videos as have the same error.

    Args:
        without: float64 [N], the value without each video.
        groups: int64 [N], equal for videos that are not independent; their changes are added.
    """
    change: NDArray[np.float64] = np.nan_to_num(without - value)
    if groups is not None:
        change = np.bincount(np.unique(groups, return_inverse=True)[1], change).astype(np.float64)
    count = len(change)
    seen = None if groups is None else count
    if count < 2:
        return Interval(0, 1, seen)
    error = math.sqrt((count - 1) / count * float(((change - change.mean()) ** 2).sum()))
    return effective_interval(value, error, count, seen)
