"""Which cells are the best and the second best of their column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

from gsm_bench.tables.render.cells import is_unknown
from gsm_bench.tables.table import Column, Table

Rank = Literal["best", "second"]
Ranks = Mapping[tuple[int, str], Rank]
"""By the number of a row, and the key of a column."""
DIGITS = 4
"""Decimals of a fraction that a percentage shows: values that look equal are equal."""


def ranks_of(table: Table) -> Ranks:
    """The best and the second best of each column that has a best, among rows of the same videos.

    Equal values share a rank; where all are equal, none has one.
    """
    return {
        (at, column.key): rank
        for column in table.columns
        if column.best
        for values in _by_videos(table, column).values()
        for at, rank in _ranked(values, highest=column.best == "highest")
    }


def _by_videos(table: Table, column: Column) -> dict[Any, dict[int, float]]:
    """Values as they look, by row, for each split."""
    values: dict[Any, dict[int, float]] = defaultdict(dict)
    for at, row in enumerate(table.rows):
        value = row.get(column.key)
        if not is_unknown(value):
            values[row.get("place")][at] = round(float(value or 0), DIGITS)
    return values


def _ranked(values: Mapping[int, float], *, highest: bool) -> list[tuple[int, Rank]]:
    distinct = sorted(set(values.values()), reverse=highest)
    if len(distinct) < 2:
        return []
    ranks: list[Rank] = ["best", "second"]
    places = dict(zip(distinct, ranks, strict=False))
    return [(at, places[value]) for at, value in values.items() if value in places]
