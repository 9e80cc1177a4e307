"""A table as comma-separated values: all raw numbers of all rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gsm_bench.errors import GsmBenchError
from gsm_bench.tables.render.cells import plain
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Table

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet runs a text that begins so; the last four are the wide forms of East Asian scripts."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """The one table with a header line; an unknown value is empty.

    Raises:
        GsmBenchError: there are several tables.
    """
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise GsmBenchError(f"one csv holds one table, and these are {len(tables)}: {names}", fix="--out DIR")
    return _draw(tables[0])


def _draw(table: Table) -> str:
    rows = table.rows
    keys = list(dict.fromkeys([column.key for column in table.columns] + [key for row in rows for key in row]))
    out = io.StringIO()
    writer = csv.DictWriter(out, keys, restval="", lineterminator="\n")
    writer.writerow({key: _value(key) for key in keys})
    writer.writerows(_line(row) for row in rows)
    return out.getvalue().rstrip("\n")


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _value(value) for key, value in row.items() if value is not None}


def _value(value: Any) -> Any:
    """Numbers as they are, also as text; other text in one line that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    formula = len(text) > 1 and value.lstrip().startswith(FORMULA) and not NUMBER.fullmatch(text)
    return f"'{text}" if formula else text
