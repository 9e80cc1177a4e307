"""The inner loops of fusion in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Means = NDArray[np.float64]


def view_means(block: NDArray[np.float32], views: NDArray[np.int64], means: Means) -> bool:
    """Write the mean over some views of a block float32 [n, V, C] to `means` float64 [n, C].

    Returns:
        Whether all means are below infinity, as those of scores are: minus infinity is the logarithm of 0.
    """
    if len(views) == 1:
        means[...] = block[:, views[0]]
    else:
        np.add(block[:, views[0]], block[:, views[1]], out=means, dtype=np.float64)
        for view in views[2:]:
            means += block[:, view]
        means /= len(views)
    return bool(not means.size or means.max() < np.inf)  # NaN is not below infinity


def add_weighted(means: Means, weight: float, total: Means, first: bool) -> None:
    """Add weight times `means` float64 [n, C] to `total`, or begin it with them."""
    if first:
        np.multiply(means, weight, out=total)
    else:
        total += means * weight


def label_ranks(scores: Means, labels: NDArray[np.int32], ranks: NDArray[np.int32]) -> None:
    """Write the place of each label [n] among its row's scores float64 [n, C] to `ranks`, from 0.

    Equal scores rank by the lower class index. A label that is no column gets -1; the rank in a row with NaN means
    nothing.
    """
    classes = scores.shape[1]
    known = (labels >= 0) & (labels < classes)
    wanted = np.where(known, labels, 0).astype(np.int64)
    own = np.take_along_axis(scores, wanted[:, None], axis=1)  # [n, 1]
    found = _row_counts(scores > own)
    at_least = _row_counts(scores >= own)
    for row in np.flatnonzero(at_least > found + 1):  # rows with a tie, few in real scores
        found[row] += np.count_nonzero(scores[row, : wanted[row]] == own[row])
    ranks[...] = np.where(known, found, -1)


def rank_views(
    block: NDArray[np.float32], views: NDArray[np.int64], labels: NDArray[np.int32], ranks: NDArray[np.int32],
    weight: float, total: Means, first: bool,
) -> bool:  # fmt: skip
    """The three in one, row by row: means over views, the labels' ranks among them, and their share of `total`.

    A total without rows is left alone. Returns what `view_means` returns.
    """
    means = np.empty((block.shape[0], block.shape[2]))
    sound = view_means(block, views, means)
    label_ranks(means, labels, ranks)
    if len(total):
        add_weighted(means, weight, total, first)
    return sound


def _row_counts(found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of each row [n, C] are true: bytes added up as bytes, in pieces that cannot overflow them."""
    counts = np.zeros(len(found), np.int64)
    for start in range(0, found.shape[1], 255):
        counts += np.einsum("ij->i", found[:, start : start + 255].view(np.uint8))
    return counts
