"""Tables as LaTeX: booktabs, numbers aligned by siunitx, notes by threeparttable, too wide ones scaled by graphicx."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gsm_bench.files import file_sha256
from gsm_bench.settings import Mark
from gsm_bench.tables.render.cells import Parts, cell_parts, plain
from gsm_bench.tables.render.latex_layout import FloatLayout, chunks, layout_of
from gsm_bench.tables.render.latex_text import breakable, cell_text, escape
from gsm_bench.tables.render.marks import Rank, Ranks, ranks_of
from gsm_bench.tables.render.screen import Screen
from gsm_bench.tables.table import Column, Table

USUAL: tuple[Mark, ...] = ("best", "second", "not-significant")
PACKAGES = "% \\usepackage{booktabs,siunitx,threeparttable,graphicx}"
NUMBERS = ("percent", "points", "number", "share", "giga", "mega")
"""Units whose columns are aligned at the decimal point."""
NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?")
LINE_WORD, CELL_WORD = 40, 13
"""Longer words may break anywhere: in captions and notes, and in cells that wrap."""
TIED = r"$^{\approx}$"


@dataclass(frozen=True)
class NumberColumn:
    """How siunitx aligns a column.

    Attributes:
        signed, whole, decimals: sign, digits before and after the point of the longest number.
        post: the longest text behind a number, as LaTeX.
    """

    signed: bool
    whole: int
    decimals: int
    post: str

    @property
    def spec(self) -> str:
        """The column in a tabular's preamble."""
        post = f", table-space-text-post={{{self.post}}}" if self.post else ""
        sign, point = "+" if self.signed else "", f".{self.decimals}" if self.decimals else ""
        return f"S[table-format={sign}{self.whole}{point}{post}, table-align-text-post=false]"


def draw(tables: Sequence[Table], screen: Screen) -> str:
    """Each table as a float; one of many rows as several floats."""
    marks = screen.marks_or(USUAL)
    return "\n\n".join([PACKAGES, *(text for table in tables for text in _floats(table, marks))])


def _floats(table: Table, marks: frozenset[Mark]) -> Iterator[str]:
    ranks = {place: rank for place, rank in ranks_of(table).items() if rank in marks}
    parts = [[_marked(cell_parts(row, column), marks) for column in table.columns] for row in table.rows]
    numbers = [_number_column(column, [row[at] for row in parts]) for at, column in enumerate(table.columns)]
    layout = layout_of(table.columns, [[_flat(cell) for cell in row] for row in parts])
    lines = [_row(table, at, parts[at], numbers, ranks, layout) for at in range(len(parts))]
    pages = list(chunks(table, [[_flat(cell) for cell in row] for row in parts], layout))
    for number, rows in enumerate(pages):
        text = "\n".join(_float(table, number, list(_body(table, rows, lines)), numbers, layout))
        yield text if len(pages) == 1 else f"{text.replace('[t]', '[p]', 1)}\n\\clearpage"  # TeX holds few floats


def _marked(parts: Parts, marks: frozenset[Mark]) -> Parts:
    return parts if "not-significant" in marks else replace(parts, tied=False)


def _flat(parts: Parts) -> str:
    return f"{parts.value}{parts.interval}{parts.bounds}"


def _float(
    table: Table, number: int, body: Sequence[str], numbers: Sequence[NumberColumn | None], layout: FloatLayout
) -> Iterator[str]:
    more = " (continued)" if number else ""
    yield f"\\begin{{{layout.environment}}}[t]"
    yield "\\centering"
    if not layout.scaled:  # threeparttable does not know the width of a scaled table
        yield "\\begin{threeparttable}"
    yield f"\\caption{{{breakable(table.title or table.name.capitalize(), LINE_WORD)}{more}}}"
    yield f"\\label{{{_label(table.name, number)}}}"
    yield f"{layout.size}\\setlength{{\\tabcolsep}}{{{layout.gap}pt}}"
    yield "\\sisetup{detect-weight=true}"
    columns = " ".join(_column_spec(column, own, layout) for column, own in zip(table.columns, numbers, strict=True))
    if layout.scaled:
        yield f"\\resizebox{{\\linewidth}}{{!}}{{\\begin{{tabular}}{{@{{}}{columns}@{{}}}}"
    else:
        yield f"\\begin{{tabular*}}{{\\linewidth}}{{@{{\\extracolsep{{\\fill}}}}{columns}@{{}}}}"
    yield "\\toprule"
    yield " & ".join(_heading(column) for column in table.columns) + r" \\"
    yield "\\midrule"
    yield from body
    yield "\\bottomrule"
    yield "\\end{tabular}}" if layout.scaled else "\\end{tabular*}"
    if table.notes and not number:
        yield from _notes(table.notes, layout)
    if not layout.scaled:
        yield "\\end{threeparttable}"
    yield f"\\end{{{layout.environment}}}"


def _notes(notes: Sequence[str], layout: FloatLayout) -> Iterator[str]:
    lines = [breakable(note.strip(), LINE_WORD) for note in notes]
    if layout.scaled:
        yield f"\\par\\smallskip\\parbox{{\\linewidth}}{{\\footnotesize\\raggedright {' '.join(lines)}}}"
        return
    yield "\\begin{tablenotes}[flushleft]\\footnotesize\\raggedright"
    yield from (f"\\item {line}" for line in lines)
    yield "\\end{tablenotes}"


def _label(name: str, number: int) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "results"
    return f"tab:{slug}" + (f"-{number + 1}" if number else "")


def _column_spec(column: Column, numbers: NumberColumn | None, layout: FloatLayout) -> str:
    if numbers:
        return numbers.spec
    if column.key in layout.shares:
        return f">{{\\raggedright\\arraybackslash}}p{{{layout.shares[column.key]:.3f}\\linewidth}}"
    return "l" if column.unit == "text" else "r"


def _heading(column: Column) -> str:
    lines = [escape(line) for line in column.title.split("\n")]
    side = "l" if column.unit == "text" else "c"
    stack = r" \\ ".join(lines)
    return f"{{{stack}}}" if len(lines) == 1 else f"{{\\shortstack[{side}]{{{stack}}}}}"


def _body(table: Table, rows: range, lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of some rows, with a rule between blocks."""
    ends, end = set(), 0
    for block in table.blocks:
        end += len(block)
        ends.add(end)
    for at in rows:
        if at in ends and at != rows.start:
            yield "\\midrule"
        yield from lines[at]


def _row(
    table: Table,
    at: int,
    parts: Sequence[Parts],
    numbers: Sequence[NumberColumn | None],
    ranks: Ranks,
    layout: FloatLayout,
) -> list[str]:
    """A row, and a comment with the score files of a measured one."""
    cells = [
        _cell(cell, own, ranks.get((at, column.key)), in_paragraph=column.key in layout.shares)
        for cell, own, column in zip(parts, numbers, table.columns, strict=True)
    ]
    return [f"{' & '.join(cells)} \\\\", *_origin(table.rows[at])]


def _origin(row: Mapping[str, Any]) -> Iterator[str]:
    """A comment per score file: its path and the sha256 of its content."""
    for name in row.get("files") or filter(None, [row.get("file")]):
        path = Path(name)
        if path.is_file():
            yield f"% {plain(name)} sha256 {file_sha256(path)}"


def _number_column(column: Column, parts: Sequence[Parts]) -> NumberColumn | None:
    if column.unit not in NUMBERS:
        return None
    matches = [match for part in parts if (match := NUMBER.fullmatch(part.value))]
    posts = sorted((_post(part) for part in parts), key=len)
    return NumberColumn(
        any(match[1] for match in matches),
        max((len(match[2]) for match in matches), default=1),
        max((len(match[3] or "") for match in matches), default=0),
        posts[-1] if posts else "",
    )


def _post(parts: Parts) -> str:
    """What stands behind a number, as LaTeX: the mark of a tie, the interval, the bounds."""
    text = escape(f"{parts.interval}{parts.bounds}".strip()).removeprefix("{}")
    return (TIED if parts.tied else "") + (f"\\,{{\\mdseries\\scriptsize {text}}}" if text else "")


def _cell(parts: Parts, numbers: NumberColumn | None, rank: Rank | None, *, in_paragraph: bool) -> str:
    if numbers is None:
        text = breakable(parts.value, CELL_WORD) if in_paragraph else cell_text(parts.value)
        return {"best": f"\\textbf{{{text}}}", "second": f"\\underline{{{text}}}"}.get(rank or "", text)
    post, match = _post(parts), NUMBER.fullmatch(parts.value)
    if not match:
        return f"{{{cell_text(parts.value)}{post}}}"
    if rank == "second":
        return _underlined(parts.value, match, numbers, post)
    bold = "\\bfseries " if rank == "best" else ""
    return f"{bold}{parts.value}{f'{{{post}}}' if post else ''}"


def _underlined(value: str, match: re.Match[str], numbers: NumberColumn, post: str) -> str:
    """An underlined number in a box of the column's size, because siunitx underlines none."""
    missing = numbers.whole - len(match[2])
    before = (r"\phantom{+}" if numbers.signed and not match[1] else "") + f"\\phantom{{{'0' * missing}}}" * (
        missing > 0
    )
    decimals = len(match[3] or "")
    absent = ("" if decimals else ".") + "0" * (numbers.decimals - decimals) if numbers.decimals > decimals else ""
    after = f"\\phantom{{{absent}}}" if absent else ""
    behind = f"\\rlap{{{post}}}\\phantom{{{numbers.post}}}" if numbers.post else ""
    return f"{{{before}\\underline{{{value}}}{after}{behind}}}"
