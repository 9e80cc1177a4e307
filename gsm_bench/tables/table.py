"""A table: columns with the unit of their values, and rows of raw numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Unit = Literal["text", "count", "percent", "points", "p", "number", "share", "giga", "mega", "whole"]
"""How a raw value is shown: fractions in percent, differences of fractions in signed points, operations in 1e9,
parameters in 1e6."""
Best = Literal["", "highest", "lowest"]
"""Which value of a column is the best one; empty where none is."""

TIED = "≈"
"""Mark of an accuracy that does not differ significantly from the best one of its table."""


@dataclass(frozen=True)
class Column:
    """One column: the key of its raw values, its heading, how values are shown, and which of them is the best.

    Attributes:
        both_ends: whether intervals are shown by both ends also where they are symmetric.
    """

    key: str
    title: str
    unit: Unit = "text"
    best: Best = ""
    both_ends: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of raw values in blocks; None is shown as a dash.

    An accuracy `key` may have its 95% interval in `key_low95` and `key_high95`; its bounds over all videos in `key_low`
    and `key_high` if some are not scored; and `key_tied` if it does not differ significantly from the best one. A text
    in `key_shown` is shown in place of the number. `place` names the videos of a row, `source` where it is printed.
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
    """The table with further notes."""
    return replace(table, notes=(*table.notes, *notes))
