"""Tables as text, one module per format. Numbers become text here and nowhere before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gsm_bench.tables.render import csv, json, markdown, terminal
from gsm_bench.tables.render.cells import cell
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Table

Draw = Callable[[Sequence[Table], Screen], str]
FORMATS: dict[str, Draw] = {"rich": terminal.draw, "md": markdown.draw, "csv": csv.draw, "json": json.draw}
"""Every format by its name on the command line; each draws the tables of one result."""

__all__ = ["FORMATS", "Screen", "cell", "render", "render_all"]


def render(table: Table, form: str, *, width: int | None = None, colour: bool = False) -> str:
    """Draw a table in one of `FORMATS`; `width` in columns and `colour` are for a terminal."""
    return FORMATS[form]([table], Screen(width, colour))


def render_all(tables: Sequence[Table], form: str, *, width: int | None = None, colour: bool = False) -> str:
    """Draw the tables of one result, as `render` draws one."""
    return FORMATS[form](tables, Screen(width, colour))
