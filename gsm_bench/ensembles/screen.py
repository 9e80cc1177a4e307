"""Ranks of labels from sums in float32, and which of them rounding could have changed: those are counted exactly.

Fused scores are means in float64, and only where the label's rank lies among them is asked for. Sums in float32 take half
the memory traffic. They are off by a known amount at most (Higham 2002, section 4.2), so a rank is sure where no other
score lies that near to the label's own; of real scores about one row in a thousand is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.topk import row_counts
from gsm_bench.scorefile import Scores

UNIT = 2.0**-24
"""Largest relative error of one operation in float32."""
LARGEST = 1e30
"""Larger scores than this might overflow in a sum: such blocks are not screened."""

Ranks = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Ranks int64 [n], and the rows whose rank is not sure."""


def largest_score(block: Scores) -> float | None:
    """The largest absolute score of a block [n, V, C]; None where it holds other than moderate numbers."""
    if not block.size:
        return None
    highest, lowest = float(block.max()), float(block.min())  # both NaN where one score is
    return max(highest, -lowest) if lowest > -LARGEST and highest < LARGEST else None


def view_sums(block: Scores, views: NDArray[np.int64]) -> Scores:
    """Sums float32 [n, C] over some views of a block [n, V, C]."""
    total = block[:, views[0]]
    for view in views[1:]:
        total = total + block[:, view]
    return total


def ranks_of_views(sums: Scores, labels: NDArray[np.integer], views: int, largest: float) -> Ranks:
    """Ranks among sums of so many views; one view is no sum, and only ties are not sure."""
    return _ranks(sums, labels, 4 * views**2 * largest * UNIT if views > 1 else 0.0)


def ranks_of_fused(
    sums: Sequence[Scores], shares: Sequence[float], views: Sequence[int], largest: Sequence[float],
    labels: NDArray[np.integer],
) -> Ranks:  # fmt: skip
    """Ranks among the weighted means of members, from the sums float32 [n, C] over their views.

    A share, a product, V - 1 and M - 1 additions round each fused score, and two are compared.
    """
    total = sums[0] * np.float32(shares[0] / views[0])
    part = np.empty_like(total)
    for values, share, count in zip(sums[1:], shares[1:], views[1:], strict=True):
        total += np.multiply(values, np.float32(share / count), out=part)
    bound = sum(share * most for share, most in zip(shares, largest, strict=True))
    return _ranks(total, labels, 4 * (len(sums) + max(views)) * bound * UNIT)


def _ranks(scores: Scores, labels: NDArray[np.integer], reach: float) -> Ranks:
    own = np.take_along_axis(scores, labels[:, None].astype(np.int64), axis=1)  # [n, 1]
    ranks = row_counts(scores > own + np.float32(reach))
    near = row_counts(scores >= own - np.float32(reach))
    return ranks, np.flatnonzero(near != ranks + 1)
