"""The text of one cell, the same in every format that people read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gsm_bench.tables.table import TIED, Column

DASH = "-"
SMALLEST_P = 1e-4


def cell(row: Mapping[str, Any], column: Column) -> str:
    """The text of a value, with what `Table` says belongs to it: interval, bounds, mark of no significant difference."""
    text = _text(row.get(column.key), column)
    if text == DASH:
        return text
    low, high = row.get(f"{column.key}_low95"), row.get(f"{column.key}_high95")
    if low is not None and high is not None:
        text += f" ±{50 * (high - low):.1f}"
    low, high = row.get(f"{column.key}_low"), row.get(f"{column.key}_high")
    if low is not None and high is not None:
        text += f" [{_text(low, column)}, {_text(high, column)}]"
    return f"{TIED} {text}" if row.get(f"{column.key}_tied") else text


def _text(value: Any, column: Column) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    match column.unit:
        case "percent":
            return f"{100 * value:.2f}"
        case "points":
            return f"{100 * value:+.2f}"
        case "number":
            return f"{value:.4f}"
        case "p":
            return f"<{SMALLEST_P:.4f}" if value < SMALLEST_P else f"{value:.4f}"
        case "giga":
            return f"{value / 1e9:.2f}"
        case "mega":
            return f"{value / 1e6:.2f}"
        case "count":
            return f"{value:,}"
        case _:
            return str(value)
