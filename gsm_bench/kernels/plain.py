"""The inner loops of fusion in numpy."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Means = NDArray[np.float64]


def view_means(block: NDArray[np.float32], views: NDArray[np.int64], means: Means) -> bool:
    """Write the mean over some views of a block float32 [n, V, C] to `means` float64 [n, C].

    Returns:
        Whether all means are finite.
    """
    if len(views) == 1:
        means[...] = block[:, views[0]]
    else:
        np.add(block[:, views[0]], block[:, views[1]], out=means, dtype=np.float64)
        for view in views[2:]:
            means += block[:, view]
        means /= len(views)
    return bool(np.isfinite(means).all())


def add_weighted(means: Means, weight: float, total: Means, first: bool) -> None:
    """Add weight * `means` float64 [n, C] to `total` [n, C]; overwrite it if `first`."""
    if first:
        np.multiply(means, weight, out=total)
    else:
        total += means * weight


def label_ranks(scores: Means, labels: NDArray[np.int32], ranks: NDArray[np.int32]) -> None:
    """Write the rank of each label int32 [n] among the scores float64 [n, C] of its row to `ranks` int32 [n], from 0.

    Ties rank by the lower class index. A label outside 0..C-1 gets -1; the rank in a row with NaN is undefined.
    """
    classes = scores.shape[1]
    known = (labels >= 0) & (labels < classes)
    columns = np.where(known, labels, 0).astype(np.int64)
    own = np.take_along_axis(scores, columns[:, None], axis=1)  # [n, 1]
    above = _row_counts(scores > own)
    at_least = _row_counts(scores >= own)
    for row in np.flatnonzero(at_least > above + 1):  # rows with a tie, few in real scores
        above[row] += np.count_nonzero(scores[row, : columns[row]] == own[row])
    ranks[...] = np.where(known, above, -1)


def rank_rows(
    block: NDArray[np.float32], views: NDArray[np.int64], labels: NDArray[np.int32], ranks: NDArray[np.int32],
    weight: float, total: Means, first: bool, sums: NDArray[np.uint32], rows_per_sum: int,
) -> bool:  # fmt: skip
    """Do all three in one pass: means over views, ranks of the labels, and the weighted sum in `total`.

    Args:
        total: not changed if it has no rows.
        sums: uint32 [ceil(n / rows_per_sum)], overwritten with the CRC-32 (that of zlib) of each piece of the block;
            not changed if it is empty.

    Returns:
        The result of `view_means`.
    """
    means = np.empty((block.shape[0], block.shape[2]))
    sound = view_means(block, views, means)
    label_ranks(means, labels, ranks)
    if len(total):
        add_weighted(means, weight, total, first)
    for at in range(len(sums)):
        sums[at] = zlib.crc32(block[at * rows_per_sum : (at + 1) * rows_per_sum].tobytes())
    return sound


def _row_counts(values: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number int64 [n] of true values per row of [n, C], summed as bytes in pieces that cannot overflow."""
    counts = np.zeros(len(values), np.int64)
    for start in range(0, values.shape[1], 255):
        counts += np.einsum("ij->i", values[:, start : start + 255].view(np.uint8))
    return counts
