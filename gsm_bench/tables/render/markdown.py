"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gsm_bench.tables.render.cells import cell
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Table


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """The tables with titles above and notes below."""
    return "\n\n".join(_draw(table) for table in tables)


def _draw(table: Table) -> str:
    lines = [f"**{table.title}**", ""] if table.title else []
    lines.append(_line(column.title.replace("\n", " ") for column in table.columns))
    lines.append("|" + "|".join(" --- " if column.unit == "text" else " ---: " for column in table.columns) + "|")
    lines += [_line(cell(row, column) for column in table.columns) for row in table.rows]
    if table.notes:
        lines += ["", *(f"_{note}_  " for note in table.notes)]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"
