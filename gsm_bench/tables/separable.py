"""Which rows of a table cannot be told from its best one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.intervals import CONFIDENCE
from gsm_bench.metrics.paired import holm, paired_test

Correct = NDArray[np.int8]


def best_row(rows: Sequence[Correct | None]) -> int | None:
    """The row with the highest share right, the first of equals; None where no row has a clip."""
    shares = [float(row[row >= 0].mean()) if row is not None and (row >= 0).any() else -1.0 for row in rows]
    best = max(range(len(shares)), key=shares.__getitem__, default=None)
    return None if best is None or shares[best] < 0 else best


def chance_of_best(rows: Sequence[Correct | None], groups: NDArray[np.int64] | None) -> list[float | None]:
    """For each row, p of its paired test against the best one, corrected for being tested together (Holm).

    Args:
        rows: int8 [N] per row, 1 right, 0 wrong, -1 not scored, all over the same clips; None for a row over others.
        groups: int64 [N], equal for clips that are not independent.

    Returns:
        None for the best row itself, for rows over other clips, and where no clip is in both.
    """
    found: list[float | None] = [None] * len(rows)
    best = best_row(rows)
    if best is None:
        return found
    reference = rows[best]
    assert reference is not None
    tested = [
        (at, paired_test(reference, row, groups).p)
        for at, row in enumerate(rows)
        if row is not None and at != best and ((row >= 0) & (reference >= 0)).any()
    ]
    for (at, _), value in zip(tested, holm([p for _, p in tested]), strict=True):
        found[at] = value
    return found


def tied(p: float | None) -> bool:
    """Whether a corrected p leaves a row that cannot be told from the best."""
    return p is not None and p > 1 - CONFIDENCE
