"""Which rows of a table do not differ significantly from its best one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gsm_bench.evaluation.unlike_labels import differing_labels
from gsm_bench.metrics.intervals import CONFIDENCE
from gsm_bench.metrics.paired import holm, paired_test
from gsm_bench.metrics.power import paired_power

if TYPE_CHECKING:
    from gsm_bench.evaluation.evaluation import Evaluation

Correct = NDArray[np.int8]


def best_row(rows: Sequence[Correct | None]) -> int | None:
    """Index of the row with the highest accuracy, the first of equals; None where no row has a scored video."""
    shares = [float(row[row >= 0].mean()) if row is not None and (row >= 0).any() else -1.0 for row in rows]
    best = max(range(len(shares)), key=shares.__getitem__, default=None)
    return None if best is None or shares[best] < 0 else best


def holm_p_values_vs_best(rows: Sequence[Correct | None], groups: NDArray[np.int64] | None) -> list[float | None]:
    """For each row, p of its paired test against the best one, Holm-corrected.

    Args:
        rows: int8 [N] per row, 1 right, 0 wrong, -1 not scored, all over the same videos; None for a row over others.
        groups: int64 [N], equal for videos that are not independent.

    Returns:
        None for the best row itself, for rows over other videos, and where no video is scored in both.
    """
    p_values: list[float | None] = [None] * len(rows)
    best = best_row(rows)
    if best is None:
        return p_values
    reference = rows[best]
    assert reference is not None
    tested = [
        (at, paired_test(reference, row, groups).p)
        for at, row in enumerate(rows)
        if row is not None and at != best and ((row >= 0) & (reference >= 0)).any()
    ]
    for (at, _), value in zip(tested, holm([p for _, p in tested]), strict=True):
        p_values[at] = value
    return p_values


def not_significant(p: float | None) -> bool:
    """Whether a corrected p shows no significant difference from the best row."""
    return p is not None and p > 1 - CONFIDENCE


def p_values_vs_best(results: Sequence[Evaluation], task: str) -> list[float | None]:
    """For each result, the corrected p of its top-1 against the best over the same videos; None for that best itself."""
    p_values: list[float | None] = [None] * len(results)
    for family in _aligned_families(results, task):
        for at, p in zip(family.places, holm_p_values_vs_best(family.rows, family.groups), strict=True):
            p_values[at] = p
    return p_values


def smallest_vs_best(results: Sequence[Evaluation], task: str, among: Sequence[int]) -> list[float | None]:
    """For the results at the places `among`, the smallest difference in top-1 from the best over the same videos that a paired test can show.

    A fraction, at 80% power and without a correction for several rows; None for all other results, for the best itself,
    and where the two are right on the same videos.
    """
    smallest: list[float | None] = [None] * len(results)
    for family in _aligned_families(results, task):
        best = best_row(family.rows)
        for at, row in zip(family.places, family.rows, strict=True):
            if (
                best is None
                or at not in among
                or row is family.rows[best]
                or not ((row >= 0) & (family.rows[best] >= 0)).any()
            ):
                continue
            value = paired_power(family.rows[best], row, family.groups).smallest
            smallest[at] = None if np.isnan(value) else value
    return smallest


@dataclass(frozen=True)
class _Family:
    """Results over the same videos: their places, their rows int8 [N] in one order, groups int64 [N] or None."""

    places: list[int]
    rows: list[Correct]
    groups: NDArray[np.int64] | None


def _aligned_families(results: Sequence[Evaluation], task: str) -> Iterator[_Family]:
    for family in _families([at for at, result in enumerate(results) if task in result.accuracy], results):
        first = results[family[0][0]]
        rows = [results[at].accuracy[task].correct for at, _ in family]
        rows = [row if order is None else row[order] for row, (_, order) in zip(rows, family, strict=True)]
        yield _Family([at for at, _ in family], rows, first.truth.groups if first.truth else None)


def _families(places: Sequence[int], results: Sequence[Evaluation]) -> list[list[tuple[int, NDArray[np.int64] | None]]]:
    """Results over the same videos, each with the rows int64 [N] that put its videos in the first one's order."""
    families: list[list[tuple[int, NDArray[np.int64] | None]]] = []
    for at in places:
        for family in families:
            fits, order = _same_videos(results[family[0][0]], results[at])
            if fits:
                family.append((at, order))
                break
        else:
            families.append([(at, None)])
    return families


def _same_videos(first: Evaluation, other: Evaluation) -> tuple[bool, NDArray[np.int64] | None]:
    if first.unverified or other.unverified:
        labels = [result.truth.labels if result.truth else {} for result in (first, other)]
        same = labels[0].keys() == labels[1].keys() and all(
            np.array_equal(labels[0][t], labels[1][t]) for t in labels[0]
        )
        return same and first.unverified == other.unverified and first.ids == other.ids, None
    if differing_labels(first, other)[0]:
        return False, None
    if first.ids == other.ids:
        return True, None
    if len(first.ids) != len(other.ids):
        return False, None
    rows = first.ids.rows_in(other.ids)
    return (False, None) if (rows < 0).any() else (True, rows)
