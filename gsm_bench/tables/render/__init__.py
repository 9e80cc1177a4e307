"""Tables as text, one module per format. Numbers become text here and nowhere before."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

from gsm_bench.settings import Mark
from gsm_bench.tables.render.cells import cell, with_even_intervals
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Table

FORMATS = {"rich": "terminal", "md": "markdown", "latex": "latex", "html": "html", "csv": "csv", "json": "json"}
"""The module of every format, by its name on the command line; each has ``draw(tables, screen)``."""

__all__ = ["FORMATS", "Screen", "cell", "render", "render_all", "with_even_intervals"]


def render(
    table: Table, form: str, *, width: int | None = None, colour: bool = False, marks: Iterable[Mark] | None = None
) -> str:
    """Draw a table in one of `FORMATS`; see `render_all`."""
    return render_all([table], form, width=width, colour=colour, marks=marks)


def render_all(
    tables: Sequence[Table], form: str, *, width: int | None = None, colour: bool = False,
    marks: Iterable[Mark] | None = None,
) -> str:  # fmt: skip
    """Draw the tables of one result.

    Args:
        width, colour: of a terminal, in columns.
        marks: what is marked; what the format usually marks if None.
    """
    module = importlib.import_module(f"gsm_bench.tables.render.{FORMATS[form]}")  # a command loads its own format alone
    tables = [with_even_intervals(table) for table in tables]
    text: str = module.draw(tables, Screen(width, colour, None if marks is None else frozenset(marks)))
    return text
