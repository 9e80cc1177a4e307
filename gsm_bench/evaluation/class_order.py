"""An order of classes in which those that are confused stand side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OPTIMAL_UP_TO = 600
"""With more classes, leaves of the tree are not rotated: that takes cubic time."""


def confused_order(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    """Column numbers int64 [n] of the classes that occur, such that confused classes are adjacent.

    Average linkage on the share of confused videos of each pair, with optimal leaf order (Bar-Joseph 2001).

    Args:
        matrix: int64 [C, C], videos by true and predicted class. Classes that are neither true nor predicted are left out.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    present = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    if len(present) < 3:
        return present
    counts = matrix[np.ix_(present, present)].astype(np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    likeness = (shares + shares.T) / 2
    distances = 1 - likeness / max(likeness[~np.eye(len(present), dtype=bool)].max(), 1e-12)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=len(present) <= OPTIMAL_UP_TO)
    order: NDArray[np.int64] = present[leaves_list(tree)]
    return order
