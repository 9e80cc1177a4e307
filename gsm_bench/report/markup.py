"""Tables as HTML that scripts can sort and link; every text is escaped by the template language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gsm_bench.tables.render.cells import cell_parts, is_unknown, plain
from gsm_bench.tables.render.marks import Rank, ranks_of
from gsm_bench.tables.table import TIED, Column, Table

if TYPE_CHECKING:
    from markupsafe import Markup


def table_markup(table: Table, names: Mapping[int, str] | None = None) -> Markup:
    """A table with its notes.

    Each cell has its raw number in ``data-raw``, its key in ``data-key``; `names` gives rows a ``data-name`` by number.
    """
    from markupsafe import Markup

    head = Markup("").join(
        Markup('<th scope="col" class="{}" data-key="{}">{}</th>').format(
            kind_of(column), column.key, column.title.replace("\n", " ")
        )
        for column in table.columns
    )
    ranks, bodies, at = ranks_of(table), [], 0
    for block in table.blocks:
        rows = []
        for row in block:
            cells = Markup("").join(_cell(row, column, ranks.get((at, column.key))) for column in table.columns)
            name = Markup(' data-name="{}"').format(names[at]) if names and at in names else ""
            rows.append(Markup("<tr{}>{}</tr>").format(name, cells))
            at += 1
        bodies.append(Markup("<tbody>{}</tbody>").format(Markup("\n").join(rows)))
    notes = Markup("").join(Markup("<li>{}</li>").format(plain(note.strip())) for note in table.notes)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table data-table="{name}">'
        "<caption>{title}</caption><thead><tr>{head}</tr></thead>{bodies}</table></div>{notes}"
    ).format(
        title=plain(table.title) or plain(table.name),
        name=table.name,
        head=head,
        bodies=Markup("\n").join(bodies),
        notes=Markup('<ul class="notes">{}</ul>').format(notes) if notes else "",
    )


def kind_of(column: Column) -> str:
    """The class of a column's cells: text or number."""
    return "text" if column.unit == "text" else "number"


def _cell(row: Mapping[str, Any], column: Column, rank: Rank | None) -> Markup:
    from markupsafe import Markup

    parts = cell_parts(row, column)
    value = row.get(column.key)
    raw = Markup(' data-raw="{}"').format(repr(value)) if _is_number(value) else ""
    classes = " ".join(filter(None, (kind_of(column), rank or "")))
    tied = Markup('<span class="tied" title="no significant difference from the best">{}</span> ').format(TIED)
    return Markup('<td class="{}"{} data-key="{}">{}<span class="value">{}</span>{}</td>').format(
        classes,
        raw,
        column.key,
        tied if parts.tied else "",
        parts.value,
        Markup('<span class="interval">{}</span>').format(parts.interval + parts.bounds)
        if parts.interval or parts.bounds
        else "",
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not is_unknown(value)
