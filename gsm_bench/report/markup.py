"""Tables as HTML that scripts can sort; numbers link to their videos; every text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from gsm_bench.report.content import ReportedTable
from gsm_bench.tables.render.cells import Parts, cell_parts, is_unknown, plain, with_even_intervals
from gsm_bench.tables.render.marks import ranks_of
from gsm_bench.tables.table import TIED, Column, Table

Link = Callable[[int, str], str | None]
"""The address behind a cell, by the number of its row and the key of its column; None without one."""
TIED_WORDS = "no significant difference from the best"


def table_markup(reported: ReportedTable, link: Link | None = None) -> Markup:
    """A table with its notes and its command line.

    Each cell has the key of its column in ``data-key`` and its raw number in ``data-raw``.
    """
    table = with_even_intervals(reported.table)
    title = plain(table.title) or plain(table.name)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        '<table data-table="{name}" data-command="{command}"><caption>{title}</caption>'
        "<thead><tr>{heads}</tr></thead>{bodies}</table></div>{notes}{line}"
    ).format(
        title=title,
        name=table.name,
        command=reported.command,
        heads=Markup("").join(map(_head, table.columns)),
        bodies=Markup("\n").join(_bodies(table, link)),
        notes=_notes(table),
        line=Markup('<code class="command">{}</code>').format(reported.command) if reported.command else "",
    )


def _head(column: Column) -> Markup:
    title = column.title.replace("\n", " ") or column.key
    return Markup('<th scope="col" class="{}" data-key="{}">{}</th>').format(kind_of(column), column.key, plain(title))


def _bodies(table: Table, link: Link | None) -> list[Markup]:
    ranks, bodies, at = ranks_of(table), [], 0
    for block in table.blocks:
        rows = []
        for row in block:
            cells = (
                _cell(row, column, ranks.get((at, column.key), ""), link(at, column.key) if link else None)
                for column in table.columns
            )
            rows.append(Markup("<tr>{}</tr>").format(Markup("").join(cells)))
            at += 1
        bodies.append(Markup("<tbody>{}</tbody>").format(Markup("\n").join(rows)))
    return bodies


def _cell(row: Mapping[str, Any], column: Column, rank: str, address: str | None) -> Markup:
    parts, value = cell_parts(row, column), row.get(column.key)
    raw = Markup(' data-raw="{}"').format(repr(value)) if is_number(value) else ""
    shown = Markup('<span class="value">{}</span>').format(parts.value)
    if address and not is_unknown(value):
        shown = Markup('<a href="{}">{}</a>').format(address, shown)
    classes = " ".join(filter(None, (kind_of(column), rank)))
    return Markup('<td class="{}" data-key="{}"{}>{}</td>').format(classes, column.key, raw, _with_marks(parts, shown))


def _with_marks(parts: Parts, shown: Markup) -> Markup:
    """A value between its mark and its interval."""
    tied = Markup('<abbr class="tied" title="{}">{}</abbr> ').format(TIED_WORDS, TIED) if parts.tied else ""
    spread = parts.interval + parts.bounds
    return Markup("{}{}{}").format(
        tied, shown, Markup('<span class="interval">{}</span>').format(spread) if spread else ""
    )


def _notes(table: Table) -> Markup:
    notes = Markup("").join(Markup("<li>{}</li>").format(plain(note.strip())) for note in table.notes)
    return Markup('<ul class="notes">{}</ul>').format(notes) if notes else Markup("")


def kind_of(column: Column) -> str:
    """The class of a column's cells: text or number."""
    return "text" if column.unit == "text" else "number"


def is_number(value: Any) -> bool:
    """Whether a raw value is a known number; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not is_unknown(value)


def table_json(table: Table) -> dict[str, Any]:
    """A table for scripts: per column its key, title and kind, the texts of its cells, and numbers to sort by.

    Texts that cannot be shown as they are have their raw values in ``names``, for links.
    """
    table = with_even_intervals(table)
    return {
        "title": plain(table.title),
        "notes": [plain(note) for note in table.notes],
        "columns": [_column_json(table, column) for column in table.columns],
    }


def _column_json(table: Table, column: Column) -> dict[str, Any]:
    values = [row.get(column.key) for row in table.rows]
    texts = [_joined(cell_parts(row, column)) for row in table.rows]
    title = column.title.replace("\n", " ")
    shown = {"key": column.key, "title": title, "kind": kind_of(column), "texts": texts, "numbers": None}
    if column.unit != "text":
        return {**shown, "numbers": [_rounded(value) for value in values]}
    return shown if values == texts else {**shown, "names": [str(value) for value in values]}


def _joined(parts: Parts) -> str:
    return f"{parts.value}{parts.interval}{parts.bounds}"


def _rounded(value: Any) -> float | None:
    """A number to sort by; what is shown is its text."""
    return round(value, 6) if is_number(value) else None
