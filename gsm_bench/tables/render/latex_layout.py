"""How a table fits a two-column page: one column or both, size of type, which texts wrap, where it continues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gsm_bench.tables.render.latex_text import is_stand_in
from gsm_bench.tables.table import Column, Table

COLUMN_PT, PAGE_PT = 228.0, 468.0
"""The narrowest column and text width of common two-column templates, in points."""
SMALLER = 0.85
"""Width of footnotesize type relative to that of 10 pt."""
MARGIN = 1.08
"""An estimated width is multiplied by this: bold is wider than regular type."""
LEAST_PT = 64.0
"""Width of a column whose texts wrap, at least, in points of 10 pt type."""
LINES = 42
"""Lines of one float."""
NARROW, WIDE = "fijlrtI.,:;|!()[]' ", "mwMW@%+=<>"


@dataclass(frozen=True)
class FloatLayout:
    """Where and how a table is set.

    Attributes:
        environment: ``table``, or ``table*`` over both columns.
        size: the command for the size of type.
        gap: half of the space between two columns of the table, in points.
        shares: of the line's width, for columns whose texts wrap, by key.
        scaled: whether the table is scaled to the line, because it does not fit otherwise.
    """

    environment: str = "table"
    size: str = ""
    gap: float = 4.0
    shares: Mapping[str, float] = field(default_factory=dict)
    scaled: bool = False


def layout_of(columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> FloatLayout:
    """The first layout that fits, from one column in normal size to both in small type with texts that wrap.

    Args:
        texts: cells by row and column.
    """
    widths = [
        MARGIN * max([text_pt(cells[at]) for cells in texts] + [text_pt(line) for line in column.title.split("\n")])
        for at, column in enumerate(columns)
    ]
    for environment, room in (("table", COLUMN_PT), ("table*", PAGE_PT)):
        for size, factor, gap in (("", 1.0, 4.0), ("\\footnotesize", SMALLER, 3.0)):
            if factor * sum(widths) + 2 * gap * len(columns) <= room:
                return FloatLayout(environment, size, gap)
    return _wrapping(columns, widths)


def _wrapping(columns: Sequence[Column], widths: Sequence[float]) -> FloatLayout:
    """Both columns, small type; the widest texts wrap, as few columns as possible, and share what the others leave."""
    gap = 2.0
    texts = sorted((at for at, column in enumerate(columns) if column.unit == "text"), key=lambda at: -widths[at])
    for count in range(1, len(texts) + 1):
        wide = texts[:count]
        rest = SMALLER * sum(width for at, width in enumerate(widths) if at not in wide)
        room = PAGE_PT - rest - 2 * gap * len(columns) - 8
        least = {at: SMALLER * MARGIN * max(LEAST_PT, text_pt(columns[at].title)) for at in wide}
        if room >= sum(least.values()):
            break
    else:
        return FloatLayout("table*", "\\footnotesize", gap, scaled=True)
    spare = room - sum(least.values())
    total = sum(min(widths[at], PAGE_PT) for at in wide)
    shares = {columns[at].key: (least[at] + spare * min(widths[at], PAGE_PT) / total) / PAGE_PT for at in wide}
    return FloatLayout("table*", "\\footnotesize", gap, shares)


def text_pt(text: str) -> float:
    """Estimated width of a text in 10 pt type, in points."""
    return sum(map(_character_pt, text))


def _character_pt(char: str) -> float:
    if char in NARROW:
        return 3.4
    if char in WIDE:
        return 8.6
    if char.isascii():
        return 7.4 if char.isupper() else 5.3
    return 45.0 if is_stand_in(char) else 8.0


def chunks(table: Table, texts: Sequence[Sequence[str]], layout: FloatLayout) -> Iterator[range]:
    """Rows of each float: at most `LINES` lines, those of wrapped texts counted."""
    start, lines = 0, 0
    for at, cells in enumerate(texts):
        own = max(
            [
                1,
                *(
                    _lines(text, layout.shares.get(column.key))
                    for text, column in zip(cells, table.columns, strict=True)
                ),
            ]
        )
        if lines and lines + own > LINES:
            yield range(start, at)
            start, lines = at, 0
        lines += own
    yield range(start, len(texts))


def _lines(text: str, share: float | None) -> int:
    return 1 if share is None else 1 + int(SMALLER * MARGIN * text_pt(text) / (share * PAGE_PT))
