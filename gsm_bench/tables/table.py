"""A table: columns that say how a value is drawn, and rows of raw numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Unit = Literal["text", "count", "percent", "points", "p", "number", "giga", "mega", "whole"]
"""How a raw value is drawn: fractions as percent, differences of fractions as signed points, operations in 1e9,
parameters in 1e6."""

TIED = "≈"
"""Beside an accuracy that cannot be told from the best one of its table."""


@dataclass(frozen=True)
class Column:
    """One column: the key of its raw values, its heading, how it is drawn."""

    key: str
    title: str
    unit: Unit = "text"


@dataclass(frozen=True)
class Table:
    """Rows of raw values in blocks; a value of None is drawn as a dash.

    An accuracy `key` that holds over only a part of the clips has its bounds in `key_low` and `key_high`, its 95%
    interval in `key_low95` and `key_high95`, and `key_tied` where it cannot be told from the best one of the table.
    """

    title: str
    columns: tuple[Column, ...]
    blocks: tuple[tuple[Mapping[str, Any], ...], ...]
    notes: tuple[str, ...] = ()
    name: str = "table"

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        return [row for block in self.blocks for row in block]


def with_notes(table: Table, notes: Iterable[str]) -> Table:
    """The table with more notes under it."""
    return replace(table, notes=(*table.notes, *notes))
