"""The text of one cell, the same in every format that people read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gsm_bench.printable import printable
from gsm_bench.tables.table import TIED, Column, Table

DASH = "-"
SMALLEST_P = 1e-4
LARGEST_OFFSET = 0.0025
"""An end of an interval that is so far from the printed one, a fraction, is never left out."""
PRINTED_OFFSET = 0.0005
"""A difference of an end, a fraction, that one printed digit of a percentage hides."""


@dataclass(frozen=True)
class Parts:
    """A cell in parts.

    Attributes:
        value: the number or text itself.
        interval: its 95% interval: `` ±0.9``, or both ends in brackets; empty without one.
        bounds: its bounds over all videos, in parentheses; empty without.
        tied: whether it does not differ significantly from the best one.
    """

    value: str
    interval: str = ""
    bounds: str = ""
    tied: bool = False


def cell(row: Mapping[str, Any], column: Column, *, tied: bool = True, interval: bool = True) -> str:
    """The text of a value, with what `Table` says belongs to it: interval, bounds, mark of no significant difference.

    Args:
        tied, interval: whether that mark, and the interval, are shown.
    """
    parts = cell_parts(row, column)
    text = f"{parts.value}{parts.interval if interval else ''}{parts.bounds}"
    return f"{TIED} {text}" if parts.tied and tied else text


def cell_parts(row: Mapping[str, Any], column: Column) -> Parts:
    """The parts of a cell, as text."""
    value = row.get(column.key)
    shown = row.get(f"{column.key}_shown")
    text = _text(value, column) if shown is None else plain(str(shown))
    if is_unknown(value):
        return Parts(text)
    low, high = row.get(f"{column.key}_low"), row.get(f"{column.key}_high")
    bounds = "" if low is None or high is None else f" ({_text(low, column)} to {_text(high, column)})"
    return Parts(text, _interval(row, column), bounds, bool(row.get(f"{column.key}_tied")))


def is_unknown(value: Any) -> bool:
    """Whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def with_even_intervals(table: Table) -> Table:
    """The table with both ends of all intervals in each column where one interval is not symmetric."""
    columns = (replace(column, both_ends=any(_uneven(row, column) for row in table.rows)) for column in table.columns)
    return replace(table, columns=tuple(columns))


def _uneven(row: Mapping[str, Any], column: Column) -> bool:
    """Whether half of an interval, to the digit shown, would hide where its ends are."""
    value, (low, high) = row.get(column.key), _ends(row, column)
    if value is None or low is None or high is None:
        return False
    half, offset = (high - low) / 2, abs((high + low) / 2 - float(value))
    return offset > min(LARGEST_OFFSET, max(PRINTED_OFFSET, half / 20))


def _ends(row: Mapping[str, Any], column: Column) -> tuple[float | None, float | None]:
    return row.get(f"{column.key}_low95"), row.get(f"{column.key}_high95")


def _interval(row: Mapping[str, Any], column: Column) -> str:
    """Half of an interval that is symmetric to the digit shown, else both ends."""
    low, high = _ends(row, column)
    if low is None or high is None:
        return ""
    if column.both_ends or _uneven(row, column):
        return f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f" ±{100 * (high - low) / 2:.1f}"


def _text(value: Any, column: Column) -> str:
    if is_unknown(value):
        return DASH
    match column.unit:
        case "percent":
            return f"{100 * value:.2f}"
        case "points":
            return f"{100 * value:+.2f}"
        case "number":
            return f"{value:.4f}"
        case "share":
            return f"{value:.3f}"
        case "p":
            return f"<{SMALLEST_P:.4f}" if value < SMALLEST_P else f"{value:.4f}"
        case "giga":
            return f"{value / 1e9:.2f}"
        case "mega":
            return f"{value / 1e6:.2f}"
        case "count":
            return f"{value:,}"
        case _:
            return plain(str(value))


def plain(text: str) -> str:
    """A text of unknown origin in one line, without control characters."""
    return re.sub(r"[\t\n]", " ", printable(text))
