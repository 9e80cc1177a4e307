"""Tables as comma-separated values: all raw numbers of all rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Table


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """Each table with a header line, one blank line between two; an unknown value is empty."""
    return "\n\n".join(_draw(table) for table in tables)


def _draw(table: Table) -> str:
    rows = table.rows
    keys = list(dict.fromkeys([column.key for column in table.columns] + [key for row in rows for key in row]))
    out = io.StringIO()
    writer = csv.DictWriter(out, keys, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: value for key, value in row.items() if value is not None} for row in rows)
    return out.getvalue().rstrip("\n")
