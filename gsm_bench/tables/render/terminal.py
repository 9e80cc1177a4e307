"""Tables for a terminal, drawn with rich."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gsm_bench.printable import printable
from gsm_bench.settings import Mark
from gsm_bench.tables.render.cells import cell
from gsm_bench.tables.render.marks import Rank, ranks_of
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from rich.console import JustifyMethod
    from rich.table import Table as RichTable
    from rich.text import Text

ANY_WIDTH = 1000
LONGEST_WHOLE = 24
"""Characters of the first column that are kept in one line: it holds names, which are copied."""
USUAL: tuple[Mark, ...] = ("best", "not-significant")
STYLES: dict[Rank | None, str] = {"best": "bold", "second": "underline"}


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """The tables with titles above and notes below, as wide as the screen at most."""
    return "\n\n".join(_draw(table, screen) for table in tables)


def _draw(table: Table, screen: Screen) -> str:
    from rich.console import Console
    from rich.measure import Measurement
    from rich.text import Text

    out = io.StringIO()
    console = Console(
        file=out, width=screen.width, force_terminal=screen.colour, no_color=not screen.colour, highlight=False
    )
    marks = screen.marks_or(USUAL)
    grid = _grid(table, marks, padding=1)
    notes, least = list(table.notes), console.options.update(max_width=ANY_WIDTH)
    if Measurement.get(console, least, grid).maximum > console.width:
        grid = _grid(table, marks, padding=0)
    left_out = [column for column in table.columns if _has_interval(table, column)][1:]
    if left_out and Measurement.get(console, least, grid).maximum > console.width:
        grid = _grid(table, marks, padding=0, without_interval=left_out)
        notes.append(f"No room for the intervals of {', '.join(' '.join(one.title.split()) for one in left_out)}.")
    if table.title:  # printed by itself: as the grid's title, one narrow column would fold it
        console.print(Text(printable(table.title), style="bold"))
    if table.rows or not table.notes:  # notes say what a table without rows means
        console.print(grid)
    for note in notes:
        console.print(Text(printable(note), style="dim"))
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def _heading(column: Column) -> Text:
    from rich.text import Text

    return Text("\n".join(map(printable, column.title.split("\n"))))


def _longest(table: Table, column: Column) -> int:
    return max((len(cell(row, column)) for row in table.rows), default=0)


def _has_interval(table: Table, column: Column) -> bool:
    return any(row.get(f"{column.key}_low95") is not None for row in table.rows)


def _grid(table: Table, marks: frozenset[Mark], *, padding: int, without_interval: Sequence[Column] = ()) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, padding, 0, 0))
    for at, column in enumerate(table.columns):
        whole = at == 0 and _longest(table, column) <= LONGEST_WHOLE
        justify: JustifyMethod = "left" if column.unit == "text" else "right"
        grid.add_column(_heading(column), justify=justify, overflow="fold", no_wrap=whole)
    ranks, at = ranks_of(table), 0
    for block in table.blocks:
        for row in block:
            ranked = (ranks.get((at, column.key)) for column in table.columns)
            styles = [STYLES[rank] if rank in marks else "" for rank in ranked]
            texts = [
                cell(row, column, tied="not-significant" in marks, interval=column not in without_interval)
                for column in table.columns
            ]
            grid.add_row(*(Text(text, style=style) for text, style in zip(texts, styles, strict=True)))
            at += 1
        grid.add_section()
    return grid
