"""Tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gsm_bench.tables.render.cells import cell, plain
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Column, Table


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """The tables with titles above and at most two lines of notes below."""
    return "\n\n".join(_draw(table) for table in tables)


def _draw(table: Table) -> str:
    lines = [f"**{_escaped(table.title)}**", ""] if table.title else []
    lines.append(_line(_escaped(column.title.replace("\n", " ")) for column in table.columns))
    lines.append("|" + "|".join(" --- " if column.unit == "text" else " ---: " for column in table.columns) + "|")
    lines += [_line(_cells(row, table.columns)) for row in table.rows]
    if table.notes:
        lines += ["", *_notes(table.notes)]
    return "\n".join(lines)


def _cells(row: Mapping[str, Any], columns: Sequence[Column]) -> Iterator[str]:
    return (_escaped(cell(row, column)) for column in columns)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _notes(notes: Sequence[str]) -> Iterator[str]:
    """The first note, and all others in one line."""
    yield f"_{_escaped(notes[0])}_  "
    if len(notes) > 1:
        yield f"_{' '.join(_escaped(note.strip()) for note in notes[1:])}_  "


def _escaped(text: str) -> str:
    """A text without the characters that begin a cell, a tag or an emphasis."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", plain(text))
