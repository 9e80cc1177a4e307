"""What each column of a table of scores is: id, label, place of a view, class, or something else.

A column is decided by its values as well as by its name: fractions are never ids or labels, text is never a score. Where
a column may be a class or not, the user is asked; nothing is read as a class by default that looks like a count.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.columns import ID_COLUMNS, INDEX_COLUMNS, LABEL_COLUMNS, VIEW_COLUMNS, ScoreColumn
from gsm_bench.importers.dump import ReadOptions

EXTRA_COLUMNS = (
    "pred", "prediction", "pred_label", "predicted", "predicted_label", "top1", "top5", "correct", "num_frames", "n_frames",
    "frames", "duration", "length", "fps", "fold", "split", "start", "end", "start_frame", "stop_frame", "end_frame",
    "start_time", "end_time", "confidence", "conf", "loss", "entropy", "batch", "rank", "seed", "run_id", "epoch", "width",
    "height", "participant_id",
)  # fmt: skip
"""Usual names of columns that are no classes."""


@dataclass(frozen=True)
class Roles:
    """Columns by role, as places in the table.

    Attributes:
        classes: C columns, in the order of the classes.
        numbered: whether the classes are numbered in their names, and have no names of their own.
        ids, label: their columns; None where there is none.
        views: the columns of `VIEW_COLUMNS`, or none.
        notes: what was left out, and what was assumed.
    """

    classes: tuple[int, ...]
    numbered: bool = False
    ids: int | None = None
    label: int | None = None
    views: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def assign_roles(columns: Sequence[ScoreColumn], has_header: bool, options: ReadOptions, where: Path) -> Roles:
    """Decide what each column is.

    Raises:
        DumpError: a column may be a class or not, a chosen column is absent, or no classes are left.
    """
    skipped = {_chosen(columns, name, "--skip-columns", where) for name in options.skip_columns}
    candidates = [at for at in range(len(columns)) if at not in skipped]
    roles = (_by_name if has_header else _by_position)(columns, candidates, options, where)
    _check_classes(columns, roles, where)
    return roles


def _by_name(columns: Sequence[ScoreColumn], candidates: list[int], options: ReadOptions, where: Path) -> Roles:
    classes = _class_run(columns, candidates, options.class_names)
    views = _views(columns, [at for at in candidates if at not in classes])
    free = [at for at in candidates if at not in classes and at not in views]
    label = _label(columns, free, options, where)
    ids = _ids(columns, [at for at in free if at != label], options, where)
    rest = [at for at in free if at not in (ids, label)]
    index = [at for at in rest if columns[at].name.lower() in INDEX_COLUMNS and columns[at].counts()]
    numeric = [at for at in rest if at not in index and columns[at].kind in ("whole", "fraction")]
    left_out = [at for at in rest if at not in numeric]
    numbered = bool(classes) and not set(_names(columns, classes)) <= set(options.class_names)
    if classes:
        left_out += numeric
    else:
        classes = tuple(numeric)
        _refuse_doubtful(columns, numeric, where)
    return Roles(classes, numbered, ids, label, views, _notes(columns, left_out, ids))


def _by_position(columns: Sequence[ScoreColumn], candidates: list[int], options: ReadOptions, where: Path) -> Roles:
    """Roles in a table without a header: text is the id, one column of whole numbers among fractions the label."""
    ids = _ids(columns, candidates, options, where)
    label = _label(columns, candidates, options, where)
    numeric = [at for at in candidates if columns[at].kind in ("whole", "fraction") and at not in (ids, label)]
    left_out = [at for at in candidates if at not in numeric and at not in (ids, label)]
    whole = [at for at in numeric if columns[at].kind == "whole"]
    if len(whole) < len(numeric):
        if len(whole) == 1 and ids is None and columns[whole[0]].all_differ():
            ids, left_out = (None, [*left_out, *whole]) if columns[whole[0]].counts() else (whole[0], left_out)
            numeric.remove(whole.pop())
        elif len(whole) == 1 and label is None and _may_be_labels(columns[whole[0]], len(numeric) - 1):
            label = whole.pop()
            numeric.remove(label)
        if whole:
            raise _doubt(columns, whole, where)
    elif len(numeric) > 2 and label is None and _looks_like_labels(columns, numeric):
        raise _doubt(columns, numeric[:1], where)
    notes = _notes(columns, left_out, ids)
    if label is not None:
        notes = (*notes, f"{columns[label].shown}, the only one of whole numbers, holds the labels")
    return Roles(tuple(numeric), True, ids, label, (), notes)


def _looks_like_labels(columns: Sequence[ScoreColumn], numeric: list[int]) -> bool:
    """Whether the first of many columns of whole numbers holds class numbers and the others larger numbers."""
    first, *others = numeric
    classes = len(others)
    return _may_be_labels(columns[first], classes) and not any(_may_be_labels(columns[at], classes) for at in others)


def _may_be_labels(column: ScoreColumn, classes: int) -> bool:
    known = column.numbers[~np.isnan(column.numbers)]
    return bool(len(known) and known.min() >= -1 and known.max() <= classes)


def _chosen(columns: Sequence[ScoreColumn], name: str, option: str, where: Path) -> int:
    at = next((at for at, column in enumerate(columns) if column.name == name), None)
    if at is None:
        names = ", ".join(column.shown for column in columns[:8])
        raise DumpError(f"no column {name!r}; the table has {names} ..", where=where, fix=f"correct {option}")
    return at


def _label(columns: Sequence[ScoreColumn], free: list[int], options: ReadOptions, where: Path) -> int | None:
    if options.label_column:
        return _chosen(columns, options.label_column, "--label-column", where)
    named = [at for at in free if columns[at].name.lower() in LABEL_COLUMNS and columns[at].kind in ("whole", "text")]
    return min(named, key=lambda at: LABEL_COLUMNS.index(columns[at].name.lower()), default=None)


def _ids(columns: Sequence[ScoreColumn], free: list[int], options: ReadOptions, where: Path) -> int | None:
    """The column of a usual name, text before numbers; else the first text whose values all differ."""
    if options.id_column:
        return _chosen(columns, options.id_column, "--id-column", where)
    named = [at for at in free if columns[at].name.lower() in ID_COLUMNS and columns[at].kind in ("whole", "text")]
    if named:
        order = {name: place for place, name in enumerate(ID_COLUMNS)}
        return min(named, key=lambda at: (columns[at].kind != "text", order[columns[at].name.lower()]))
    texts = [at for at in free if columns[at].kind == "text" and columns[at].all_differ()]
    return next((at for at in texts if columns[at].name.lower() in INDEX_COLUMNS), next(iter(texts), None))


def _views(columns: Sequence[ScoreColumn], free: list[int]) -> tuple[int, ...]:
    """The columns of a view's place, where all four are there and clip, crop and flip are whole numbers."""
    places = {columns[at].name: at for at in free if columns[at].name in VIEW_COLUMNS}
    if len(places) < len(VIEW_COLUMNS) or any(columns[places[name]].kind != "whole" for name in VIEW_COLUMNS[:3]):
        return ()
    return tuple(places[name] for name in VIEW_COLUMNS)


def _class_run(columns: Sequence[ScoreColumn], candidates: list[int], class_names: Sequence[str]) -> tuple[int, ...]:
    """Columns that are called like the classes, or that are numbered 0..C-1 or 1..C; none where neither is so."""
    numeric = [at for at in candidates if columns[at].kind in ("whole", "fraction")]
    if class_names and set(class_names) <= {columns[at].name for at in numeric}:
        names = set(class_names)
        return tuple(at for at in numeric if columns[at].name in names)
    numbered: dict[str, dict[int, int]] = defaultdict(dict)
    for at in numeric:
        match = re.fullmatch(r"(.*?)(\d{1,6})", columns[at].name.strip())
        if match:
            numbered[match[1]][int(match[2])] = at
    complete = [
        run for run in numbered.values() if len(run) > 1 and max(run) - min(run) == len(run) - 1 and min(run) in (0, 1)
    ]
    run = max(complete, key=len, default={})
    others = sum(columns[at].kind == "fraction" for at in numeric) - len(run)
    return tuple(run[number] for number in sorted(run)) if len(run) > others else ()


def _refuse_doubtful(columns: Sequence[ScoreColumn], numeric: list[int], where: Path) -> None:
    """Ask about columns with the names of `EXTRA_COLUMNS`, and about whole numbers among fractions."""
    fractions = any(columns[at].kind == "fraction" for at in numeric)
    doubtful = [
        at for at in numeric
        if columns[at].name.lower() in EXTRA_COLUMNS or (fractions and columns[at].kind == "whole")
    ]  # fmt: skip
    if doubtful:
        raise _doubt(columns, doubtful, where)


def _doubt(columns: Sequence[ScoreColumn], doubtful: list[int], where: Path) -> DumpError:
    names = _names(columns, doubtful)
    option = ",".join(names)
    return DumpError(
        f"{'these columns' if len(names) > 1 else 'this column'} may be classes or not: {', '.join(names)}", where=where,
        fix=f"--skip-columns {option if ' ' not in option else repr(option)} leaves them out; --label-column NAME or "
        "--id-column NAME uses one; or --classes FILE with the class names",
    )  # fmt: skip


def _names(columns: Sequence[ScoreColumn], places: Sequence[int]) -> list[str]:
    return [columns[at].shown for at in places]


def _notes(columns: Sequence[ScoreColumn], left_out: Sequence[int], ids: int | None) -> tuple[str, ...]:
    notes = []
    if left_out:
        notes.append(f"columns that are no classes were left out: {', '.join(_names(columns, sorted(left_out)))}")
    if ids is None:
        notes.append("the table has no video ids")
    return tuple(notes)


def _check_classes(columns: Sequence[ScoreColumn], roles: Roles, where: Path) -> None:
    """Refuse a table without classes, and a class with a cell that is no number."""
    if len(roles.classes) < 2:
        texts = [column for at, column in enumerate(columns) if column.kind == "text" and at != roles.ids]
        count = f"{len(roles.classes)} column{'s' * (len(roles.classes) != 1)}"
        raise DumpError(
            f"this table has {count} of numbers that can be classes"
            + "".join(f"; {_odd_cell(column)} is text" for column in texts[:3]),
            where=where,
            fix="write an id column and a column of numbers per class",
        )
    odd = next((columns[at] for at in roles.classes if len(columns[at].not_numbers)), None)
    if odd is not None:
        raise DumpError(
            f"{_odd_cell(odd)} is not a number", where=where, fix="correct it, or leave the column out: --skip-columns"
        )


def _odd_cell(column: ScoreColumn) -> str:
    row = int(column.not_numbers[0])
    return f"{column.text(row)!r} in row {row + column.first_line} of column {column.shown!r}"
