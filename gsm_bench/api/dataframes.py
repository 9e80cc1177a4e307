"""Tables and videos as DataFrames and as HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gsm_bench.tables.render import cell, render_all, with_even_intervals
from gsm_bench.tables.render.latex_text import escape

if TYPE_CHECKING:
    import pandas

    from gsm_bench.tables.table import Column, Table

Form = Literal["raw", "text", "latex"]


def frame_of(table: Table, form: Form = "raw") -> pandas.DataFrame:
    """A table as a DataFrame.

    Args:
        form: ``raw``, every value that ``--format json`` prints, under the same keys; ``text``, the cells and headings
            of the printed table; ``latex``, the same escaped, for ``DataFrame.to_latex``.
    """
    import pandas

    if form == "raw":
        columns = list(
            dict.fromkeys([*(column.key for column in table.columns), *(k for row in table.rows for k in row)])
        )
        return pandas.DataFrame([dict(row) for row in table.rows], columns=columns)
    shown = escape if form == "latex" else str
    table = with_even_intervals(table)
    rows = [[shown(cell(row, column)) for column in table.columns] for row in table.rows]
    return pandas.DataFrame(rows, columns=[shown(heading(column)) for column in table.columns])


def heading(column: Column) -> str:
    return column.title.replace("\n", " ")


def html_of(tables: Sequence[Table], messages: Sequence[str] = ()) -> str:
    """Tables as HTML, with messages below; every text is escaped."""
    lines = [f"<p>{html.escape(message)}</p>" for message in messages]
    return "\n".join([render_all(tables, "html"), *lines])
