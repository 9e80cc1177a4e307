"""Tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gsm_bench.settings import Mark
from gsm_bench.tables.render.cells import cell_parts, plain
from gsm_bench.tables.render.marks import Rank, ranks_of
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import TIED, Column, Table

USUAL: tuple[Mark, ...] = ("best", "not-significant")
SIGNS: dict[Rank, tuple[str, str]] = {"best": ("**", "**"), "second": ("<u>", "</u>")}


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """The tables with titles above and at most two lines of notes below."""
    return "\n\n".join(_draw(table, screen.marks_or(USUAL)) for table in tables)


def _draw(table: Table, marks: frozenset[Mark]) -> str:
    ranks = {place: rank for place, rank in ranks_of(table).items() if rank in marks}
    lines = [f"**{_escaped(table.title)}**", ""] if table.title else []
    if table.rows or not table.notes:  # notes say what a table without rows means
        lines += _grid(table, ranks, marks)
    if table.notes:
        lines += [*([""] if table.rows else []), *_notes(table.notes)]
    return "\n".join(lines)


def _grid(table: Table, ranks: Mapping[tuple[int, str], Rank], marks: frozenset[Mark]) -> Iterator[str]:
    yield _line(_escaped(column.title.replace("\n", " ")) for column in table.columns)
    yield "|" + "|".join(" --- " if column.unit == "text" else " ---: " for column in table.columns) + "|"
    for at, row in enumerate(table.rows):
        yield _line(_cell(row, column, ranks.get((at, column.key)), marks) for column in table.columns)


def _cell(row: Mapping[str, Any], column: Column, rank: Rank | None, marks: frozenset[Mark]) -> str:
    parts = cell_parts(row, column)
    before, after = SIGNS[rank] if rank else ("", "")
    tied = f"{TIED} " if parts.tied and "not-significant" in marks else ""
    return f"{tied}{before}{_escaped(parts.value)}{after}{_escaped(parts.interval + parts.bounds)}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _notes(notes: Sequence[str]) -> Iterator[str]:
    """The first note, and all others in one line."""
    yield f"_{_escaped(notes[0])}_  "
    if len(notes) > 1:
        yield f"_{' '.join(_escaped(note.strip()) for note in notes[1:])}_  "


def _escaped(text: str) -> str:
    """A text without the characters that begin a cell, a tag, an entity, a formula or an emphasis."""
    return re.sub(r"([\\`*_<>|\[\]&~$])", r"\\\1", plain(text))
