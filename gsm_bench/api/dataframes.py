"""Tables and videos as DataFrames and as HTML for notebooks."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from gsm_bench.tables.render import cell

if TYPE_CHECKING:
    import pandas

    from gsm_bench.tables.table import Column, Table

Form = Literal["raw", "text", "latex"]
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "≈": r"$\approx$",
}  # fmt: skip


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
    shown = _latex if form == "latex" else str
    rows = [[shown(cell(row, column)) for column in table.columns] for row in table.rows]
    return pandas.DataFrame(rows, columns=[shown(heading(column)) for column in table.columns])


def heading(column: Column) -> str:
    return column.title.replace("\n", " ")


def html_of(tables: Sequence[Table], messages: Sequence[str] = ()) -> str:
    """Tables as HTML without scripts or styles of their own; every text is escaped."""
    lines = [f"<p>{html.escape(message)}</p>" for message in messages]
    return "\n".join([*(_html_table(table) for table in tables), *lines])


def _html_table(table: Table) -> str:
    heads = "".join(f"<th{_align(column)}>{html.escape(heading(column))}</th>" for column in table.columns)
    lines = ["<table>"]
    if table.title:
        lines.append(f"<caption>{html.escape(table.title)}</caption>")
    lines.append(f"<thead><tr>{heads}</tr></thead>")
    for block in table.blocks:
        lines += ["<tbody>", *(_html_row(row, table.columns) for row in block), "</tbody>"]
    lines.append("</table>")
    lines += [f"<p><small>{html.escape(note)}</small></p>" for note in table.notes]
    return "\n".join(lines)


def _html_row(row: Mapping[str, Any], columns: Sequence[Column]) -> str:
    cells = (f"<td{_align(column)}>{html.escape(cell(row, column))}</td>" for column in columns)
    return f"<tr>{''.join(cells)}</tr>"


def _align(column: Column) -> str:
    return f' style="text-align: {"left" if column.unit == "text" else "right"}"'


def _latex(text: str) -> str:
    return re.sub("|".join(map(re.escape, LATEX)), lambda match: LATEX[match[0]], text)
