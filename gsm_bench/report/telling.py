"""Which videos tell most: the ones whose frames a page shows first.

Four orders take turns, and each gives its best video that none has given before:

1. confident errors: the best result is wrong, ordered by its confidence;
2. disagreement: results whose first class is another one than that of the best result, ordered by their number;
3. late decisions: videos that reach the last members of a cascade;
4. hard videos: the class of few results is right, and its rank in the best result is high.

Equal videos keep the order of the split, and nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Order = NDArray[np.int64]


def telling_videos(
    ranks: NDArray[np.integer],
    classes: NDArray[np.integer],
    confidence: NDArray[np.floating],
    stops: NDArray[np.integer] | None = None,
) -> Order:
    """Rows int64 [n] of the videos that one of the orders gives, the most telling first.

    Args:
        ranks: [F, N] rank of the label in F results, the best result first; -1 unknown.
        classes: [F, N] first class of each; -1 not scored.
        confidence: float [N] of the best result in its first class; NaN not scored.
        stops: [N] last member of a cascade that runs, from 0; None without a cascade.
    """
    wrong = ranks[0] > 0
    errors = np.where(wrong, np.nan_to_num(confidence), -1)
    others = ((classes != classes[:1]) & (classes >= 0) & (classes[:1] >= 0)).sum(axis=0)
    failures = np.where(wrong, (ranks > 0).sum(axis=0) + ranks[0] / (1.0 + ranks[0].max(initial=0)), 0)
    late = np.zeros(0, np.int64) if stops is None else _descending(stops, above=0)
    return in_turns([_descending(errors, above=-1), _descending(others, above=0), late, _descending(failures, above=0)])


def in_turns(orders: Sequence[Order]) -> Order:
    """Rows of several orders, int64 [n]: each gives in turn its first row that is not taken."""
    if not orders:
        return np.zeros(0, np.int64)
    places = np.concatenate([np.arange(len(order)) * len(orders) + at for at, order in enumerate(orders)])
    rows = np.concatenate(orders)[np.argsort(places, kind="stable")]
    _, first = np.unique(rows, return_index=True)
    return rows[np.sort(first)]


def _descending(values: NDArray[np.integer] | NDArray[np.floating], above: float) -> Order:
    """Rows with values above a limit, highest first; equal ones in their order."""
    numbers = np.asarray(values, np.float64)
    rows = np.argsort(-numbers, kind="stable")
    return rows[numbers[rows] > above]
