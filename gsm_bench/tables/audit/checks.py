"""The checks of an audit, and their findings as a table."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from gsm_bench.tables.audit.costs import check_costs, check_params
from gsm_bench.tables.audit.printed import Number, PrintedRow, PrintedTable, members_of, role_of
from gsm_bench.tables.table import Column, Table

ACCURACIES = ("top1", "top5", "percent")
Fault = tuple[str, str]
"""The name of a row, and what is wrong with it."""


def audit(tables: Sequence[PrintedTable], videos: int | None = None) -> Table:
    """One row per fault; none for tables that add up.

    Args:
        videos: number of videos that the accuracies are over, if the tables do not say.
    """
    rows = [
        {"table": table.name, "row": row, "fault": fault}
        for table in tables
        for row, fault in _faults_of(table, videos)
    ]
    rows += [{"table": name, "row": row, "fault": fault} for name, row, fault in _across(tables)]
    columns = (Column("table", "Table"), Column("row", "Row"), Column("fault", "Fault"))
    count = sum(len(table.rows) for table in tables)
    note = f"{len(rows)} fault{'' if len(rows) == 1 else 's'} in {count:,} rows of {len(tables)} table{'' if len(tables) == 1 else 's'}."
    return Table("Audit", columns, (tuple(rows),), (note,), "audit")


def _faults_of(table: PrintedTable, videos: int | None) -> Iterator[Fault]:
    yield from check_costs(table)
    yield from check_params(table)
    yield from _check_names(table)
    yield from _check_ranges(table)
    yield from _check_counts(table, videos)
    yield from _check_bold(table)


def _check_names(table: PrintedTable) -> Iterator[Fault]:
    """One name for two rows: all texts and frames equal, or one name of an ensemble for other members."""
    frames = table.columns("frames")
    identities: dict[str, list[str]] = defaultdict(list)
    ensembles: dict[str, list[str]] = defaultdict(list)
    for row in table.rows:
        if table.label(row):
            identities[table.identity(row)].append(table.label(row))
        members = members_of(row.cells[frames[0]].text) if frames else None
        if members and len(members) > 1:
            ensembles[" ".join(row.cells[at].text for at in [*table.texts, *table.columns("context")])].append(
                row.cells[frames[0]].text
            )
    for labels in identities.values():
        if len(labels) > 1:
            yield labels[0], f"{len(labels)} rows have this name"
    for name, texts in ensembles.items():
        if len(set(texts)) > 1 and name.strip():
            yield name.strip(), f"one name for {len(texts)} ensembles: {', '.join(texts)}"


def _check_ranges(table: PrintedTable) -> Iterator[Fault]:
    """Top-5 below top-1, and accuracies outside 0 to 100."""
    top5 = {_prefix(table.headings[at], "5"): at for at in table.columns("top5")}
    for row in table.rows:
        for at in table.columns(*ACCURACIES):
            number = table.number(row, at)
            if number and not 0 <= number.value <= 100:
                yield table.label(row), f"{table.headings[at]} {number.value:g}: an accuracy is 0 to 100"
        for at in table.columns("top1"):
            other = top5.get(_prefix(table.headings[at], "1"))
            first, fifth = table.number(row, at), None if other is None else table.number(row, other)
            if first and fifth and fifth.value + fifth.half < first.value - first.half:
                yield table.label(row), f"top-5 {fifth.value:g} is below top-1 {first.value:g}"


def _prefix(heading: str, k: str) -> str:
    """A heading without its k, so that top-1 and top-5 of one task are equal."""
    return re.sub(rf"[-\s@]*{k}\b|{k}$", "", " ".join(heading.lower().split()))


def _check_counts(table: PrintedTable, videos: int | None) -> Iterator[Fault]:
    """Accuracies that no number of right videos gives."""
    scored = table.columns("scored")
    for row in table.rows:
        own = table.number(row, scored[0]) if scored else None
        total = int(own.value) if own else videos
        if not total:
            continue
        for at in table.columns("top1", "top5"):
            number = None if re.search("paper|published", table.headings[at].lower()) else table.number(row, at)
            if number and not _is_a_share(number, total):
                near = round(number.value * total / 100)
                yield (
                    table.label(row),
                    f"{table.headings[at]} {number.value:g}: no number of {total:,} videos gives it; {near:,} give {100 * near / total:.4f}",
                )


def _is_a_share(number: Number, total: int) -> bool:
    low = math.ceil((number.value - number.half) * total / 100 - 1e-7)
    high = math.floor((number.value + number.half) * total / 100 + 1e-7)
    return low <= high


def _check_bold(table: PrintedTable) -> Iterator[Fault]:
    """Columns whose best is not the bold one; a table may have one bold cell per block instead."""
    for at, heading in enumerate(table.headings):
        role = role_of(heading)
        if role not in (*ACCURACIES, "lowest"):
            continue
        rows = [(row, number) for row in table.rows if (number := table.number(row, at))]
        bold = [(row, number) for row, number in rows if row.cells[at].bold]
        if bold:
            yield from _bold_faults(table, heading, rows, bold, -1 if role == "lowest" else 1)


def _bold_faults(
    table: PrintedTable, heading: str, rows: Sequence[tuple[PrintedRow, Number]],
    bold: Sequence[tuple[PrintedRow, Number]], sign: int,
) -> Iterator[Fault]:  # fmt: skip
    best = max(sign * number.value for _, number in rows)
    blocks = {row.block for row, _ in bold}
    best_of = {block: max(sign * number.value for row, number in rows if row.block == block) for block in blocks}
    for row, number in bold:
        if sign * number.value < best_of[row.block]:
            yield table.label(row), f"{heading} {number.value:g} is bold, and {sign * best_of[row.block]:g} is better"
    if len(blocks) == 1 and all(best_of[row.block] == sign * number.value < best for row, number in bold):
        (row, number), *_ = bold
        yield table.label(row), f"{heading} {number.value:g} is bold, and {sign * best:g} is better"


def _across(tables: Sequence[PrintedTable]) -> Iterator[tuple[str, str, str]]:
    """One model with two values, in two tables or by exchanged digits of a baseline."""
    values = [
        (table, row, number)
        for table in tables
        for at in table.columns("top1")[:1]
        for row in table.rows
        if (number := table.number(row, at)) and "measured" not in [cell.text for cell in row.cells]
    ]
    for place, (table, row, number) in enumerate(values):
        for other, other_row, other_number in values[place + 1 :]:
            if table is other:
                continue
            same = _identity(table, row) == _identity(other, other_row)
            differ = not number.fits(other_number.value - other_number.half, other_number.value + other_number.half)
            exchanged = _exchanged(number.value, other_number.value) and _is_baseline_of(
                *(
                    (table, row, other, other_row)
                    if "baseline" in _words(table, row)
                    else (other, other_row, table, row)
                )
            )
            if (same and differ) or exchanged:
                name = f"{table.label(row)} and {other.label(other_row)}"
                where = f"{table.name}, {other.name}"
                yield where, name, f"one model with two values: {number.value:g} and {other_number.value:g}"


def _words(table: PrintedTable, row: PrintedRow) -> frozenset[str]:
    """The words of a row's texts, without what is in parentheses but ``baseline``."""
    text = " ".join(row.cells[at].text for at in table.texts).lower()
    return frozenset(re.findall(r"[\w.+]+(?:-[\w.+]+)*", re.sub(r"\((?!baseline)[^)]*\)", "", text)))


def _identity(table: PrintedTable, row: PrintedRow) -> object:
    """What names a model: its words and its frames; a row without frames is like no other."""
    frames = table.columns("frames")
    members = members_of(row.cells[frames[0]].text) if frames else None
    return (_words(table, row) - {"imagenet"}, tuple(members)) if members else object()


def _is_baseline_of(table: PrintedTable, row: PrintedRow, other: PrintedTable, other_row: PrintedRow) -> bool:
    """Whether a row called baseline names the backbone of the other, and the other adds only its method's name."""
    base, rest = _words(table, row), _words(other, other_row) - {"imagenet"}
    return "baseline" in base and base - {"baseline"} < rest and len(rest - base) == 1


def _exchanged(first: float, second: float) -> bool:
    """Whether two values differ by two neighbouring digits that are exchanged."""
    one, two = f"{first:.2f}", f"{second:.2f}"
    wrong = [at for at in range(min(len(one), len(two))) if one[at] != two[at]]
    return (
        len(one) == len(two) and len(wrong) == 2 and one[wrong[0]] == two[wrong[1]] and one[wrong[1]] == two[wrong[0]]
    )
