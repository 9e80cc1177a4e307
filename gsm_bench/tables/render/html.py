"""Tables as HTML without scripts or styles of their own; every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gsm_bench.settings import Mark
from gsm_bench.tables.render.cells import cell_parts, plain
from gsm_bench.tables.render.marks import Rank, ranks_of
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import TIED, Column, Table

USUAL: tuple[Mark, ...] = ("best", "second", "not-significant")
TAGS: dict[Rank, str] = {"best": "b", "second": "u"}


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """The tables one below the other, each with its notes."""
    return "\n".join(_table(table, screen.marks_or(USUAL)) for table in tables)


def _table(table: Table, marks: frozenset[Mark]) -> str:
    ranks = {place: rank for place, rank in ranks_of(table).items() if rank in marks}
    heads = "".join(f"<th{_align(column)}>{_escaped(_heading(column))}</th>" for column in table.columns)
    lines = ["<table>"]
    if table.title:
        lines.append(f"<caption>{_escaped(table.title)}</caption>")
    lines.append(f"<thead><tr>{heads}</tr></thead>")
    at = 0
    for block in table.blocks:
        lines.append("<tbody>")
        for row in block:
            cells = (
                f"<td{_align(column)}>{_cell(row, column, ranks.get((at, column.key)), marks)}</td>"
                for column in table.columns
            )
            lines.append(f"<tr>{''.join(cells)}</tr>")
            at += 1
        lines.append("</tbody>")
    return "\n".join([*lines, "</table>", *_notes(table)])


def _notes(table: Table) -> Iterator[str]:
    return (f"<p><small>{_escaped(note)}</small></p>" for note in table.notes)


def _cell(row: Mapping[str, Any], column: Column, rank: Rank | None, marks: frozenset[Mark]) -> str:
    parts = cell_parts(row, column)
    value = _escaped(parts.value)
    if rank:
        value = f"<{TAGS[rank]}>{value}</{TAGS[rank]}>"
    tied = f"{TIED} " if parts.tied and "not-significant" in marks else ""
    return f"{tied}{value}{_escaped(parts.interval + parts.bounds)}"


def _heading(column: Column) -> str:
    return column.title.replace("\n", " ")


def _align(column: Column) -> str:
    return f' style="text-align: {"left" if column.unit == "text" else "right"}"'


def _escaped(text: str) -> str:
    return html.escape(plain(text))
