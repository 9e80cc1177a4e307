"""Tables as one JSON document: all raw numbers of all rows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Table


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """The first table, with the others by name under its key ``tables``; NaN is null."""
    first, *others = (_document(table) for table in tables)
    further = {_unused(other["name"], others[:at]): other for at, other in enumerate(others)}
    return json.dumps({**first, "tables": further}, indent=1)


def _document(table: Table) -> dict[str, Any]:
    rows = [{key: _plain(value) for key, value in row.items()} for row in table.rows]
    return {"name": table.name, "title": table.title, "rows": rows, "notes": list(table.notes)}


def _unused(name: str, before: Sequence[Mapping[str, Any]]) -> str:
    """A table's name, with a number if an earlier table has the same."""
    same = sum(other["name"] == name for other in before)
    return f"{name}-{same + 1}" if same else name


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
