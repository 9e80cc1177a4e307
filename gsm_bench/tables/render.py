"""Tables drawn: for a terminal, as Markdown, CSV and JSON. Numbers become text here and nowhere before."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gsm_bench.tables.table import TIED, Column, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

DASH = "-"
SMALLEST_P = 1e-4


def render(table: Table, form: str, *, width: int | None = None, colour: bool = False) -> str:
    """Draw a table in one of `FORMATS`; `width` in columns is for the terminal form."""
    if form == "rich":
        return _terminal(table, width, colour)
    return FORMATS[form](table)


def render_all(tables: Sequence[Table], form: str, *, width: int | None = None, colour: bool = False) -> str:
    """Draw the tables of one result one after the other; in JSON, the later ones by name within the first."""
    if form != "json":
        return "\n\n".join(render(table, form, width=width, colour=colour) for table in tables)
    first, *others = (_document(table) for table in tables)
    return json.dumps(
        {**first, "tables": {_unused(other["name"], others[:at]): other for at, other in enumerate(others)}}, indent=1
    )


def _unused(name: str, before: Sequence[Mapping[str, Any]]) -> str:
    """A table's name, with a number where earlier ones have it too."""
    same = sum(other["name"] == name for other in before)
    return f"{name}-{same + 1}" if same else name


def _markdown(table: Table) -> str:
    lines = [f"**{table.title}**", ""] if table.title else []
    lines.append("| " + " | ".join(column.title.replace("\n", " ") for column in table.columns) + " |")
    lines.append("|" + "|".join(" --- " if column.unit == "text" else " ---: " for column in table.columns) + "|")
    lines += ["| " + " | ".join(cell(row, column) for column in table.columns) + " |" for row in table.rows]
    if table.notes:
        lines += ["", *(f"_{note}_  " for note in table.notes)]
    return "\n".join(lines)


def _csv(table: Table) -> str:
    rows = table.rows
    keys = list(dict.fromkeys([column.key for column in table.columns] + [key for row in rows for key in row]))
    out = io.StringIO()
    writer = csv.DictWriter(out, keys, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: value for key, value in row.items() if value is not None} for row in rows)
    return out.getvalue().rstrip("\n")


def _json(table: Table) -> str:
    return json.dumps(_document(table), indent=1)


def _document(table: Table) -> dict[str, Any]:
    rows = [{key: _plain(value) for key, value in row.items()} for row in table.rows]
    return {"name": table.name, "title": table.title, "rows": rows, "notes": list(table.notes)}


def _terminal(table: Table, width: int | None, colour: bool) -> str:
    from rich.console import Console
    from rich.measure import Measurement
    from rich.text import Text

    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    drawn = _rich_table(table, padding=1)
    if Measurement.get(console, console.options.update(max_width=1000), drawn).maximum > console.width:
        drawn = _rich_table(table, padding=0)
    if table.title:  # above the table, not of it: one narrow column would fold it
        console.print(Text(table.title, style="bold"))
    console.print(drawn)
    for note in table.notes:
        console.print(Text(note, style="dim"))
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def _rich_table(table: Table, *, padding: int) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, padding, 0, 0))
    for column in table.columns:
        drawn.add_column(column.title, justify="left" if column.unit == "text" else "right", overflow="fold")
    for block in table.blocks:
        for row in block:
            drawn.add_row(*(Text(cell(row, column)) for column in table.columns))
        drawn.add_section()
    return drawn


FORMATS: dict[str, Callable[[Table], str]] = {
    "rich": lambda table: _terminal(table, None, False),
    "md": _markdown,
    "csv": _csv,
    "json": _json,
}


def cell(row: Mapping[str, Any], column: Column) -> str:
    """The text of one value: an accuracy with half the width of its interval, with bounds in brackets, and tied."""
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


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
