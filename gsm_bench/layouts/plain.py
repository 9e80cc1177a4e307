"""Lists with one row per video: Something-Something, Diving48, and rows of id, frames and class."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.answers import is_answers, read_answers, with_answers
from gsm_bench.layouts.columns import DEFAULT, SEPARATORS, ListTable, parse_list
from gsm_bench.layouts.regular import read_regular
from gsm_bench.layouts.rows import ListRows, Numbers, class_names, load_json, named, text_lines


def read_something_v1(entry: DatasetEntry, path: Path) -> ListRows:
    """Rows ``<id>;<class name>`` of the csv lists of the release; ``<id>`` in the test set, which may have answers."""
    if is_answers(path):
        return read_answers(entry, path)
    if path.suffix != ".csv":
        return read_plain(entry, path)
    names = class_names(entry, path.parent)
    rows = [row for row in csv.reader(text_lines(path), delimiter=";") if row]
    ids = [row[0] for row in rows]
    if all(len(row) == 1 for row in rows):
        return with_answers(entry, path, ListRows(ids, [0] * len(ids), class_names=named(entry, path.parent)))
    if not names:
        raise _names_missing(entry, path)
    place = {name: index for index, name in enumerate(names)}
    for line, row in enumerate(rows, start=1):
        if len(row) != 2 or row[1] not in place:
            name = row[1] if len(row) > 1 else "nothing"
            raise SplitError(
                f"{name!r} is not one of the {len(names)} class names",
                where=f"{path}, line {line}",
                fix="use the label file of the same release",
            )
    return ListRows(ids, [0] * len(ids), {"action": [place[row[1]] for row in rows]}, {"action": names})


def read_something_v2(entry: DatasetEntry, path: Path) -> ListRows:
    """Rows of the JSON lists of the release, with ``id`` and, except in the test set, ``template``.

    A template without its brackets is a class name; the label file numbers the class names. The test set may have answers.
    """
    if is_answers(path):
        return read_answers(entry, path)
    if path.suffix != ".json":
        return read_plain(entry, path)
    rows = load_json(path)
    names = class_names(entry, path.parent)
    try:
        ids = [str(row["id"]) for row in rows]
        templates = [row.get("template") for row in rows]
    except (TypeError, KeyError, AttributeError) as error:
        raise SplitError(
            f"this is not a Something-Something V2 list: {error!r}",
            where=path,
            fix="use a list of {id, template, ..}",
        ) from error
    if not any(templates):
        return with_answers(entry, path, ListRows(ids, [0] * len(ids), class_names=named(entry, path.parent)))
    if not names:
        raise _names_missing(entry, path)
    place = {name: index for index, name in enumerate(names)}
    labels = []
    for row, template in enumerate(templates, start=1):
        name = str(template).replace("[", "").replace("]", "")
        if name not in place:
            raise SplitError(
                f"{name!r} is not one of the {len(names)} class names",
                where=f"{path}, entry {row}",
                fix="use the label file of the same release",
            )
        labels.append(place[name])
    return ListRows(ids, [0] * len(ids), {"action": labels}, {"action": names})


def _names_missing(entry: DatasetEntry, path: Path) -> SplitError:
    return SplitError(
        "the class names of this list are missing",
        where=path.parent,
        fix=f"put one of {', '.join(entry.class_files)} beside the list",
    )


def read_diving48(entry: DatasetEntry, path: Path) -> ListRows:
    """Rows of the JSON lists of the release, with ``vid_name`` and ``label``."""
    if path.suffix != ".json":
        return read_plain(entry, path)
    rows = load_json(path)
    try:
        ids = [str(row["vid_name"]) for row in rows]
        labels = [int(row["label"]) for row in rows] if all("label" in row for row in rows) else None
    except (TypeError, KeyError, ValueError) as error:
        raise SplitError(
            f"this is not a Diving48 list: {error!r}", where=path, fix="use a list of {vid_name, label, ..}"
        ) from error
    return ListRows(ids, [0] * len(ids), {} if labels is None else {"action": labels}, named(entry, path.parent))


def read_plain(entry: DatasetEntry, path: Path, columns: Sequence[str] = (), *, by_row: bool = False) -> ListRows:
    """Rows of ids with frame counts, labels, both or neither; `columns` says which, else they are recognised.

    Rows ``<id> <frames> <class>`` with single spaces are read in blocks, unless `by_row` is set; all others one by one.
    """
    regular = None if columns or by_row else read_regular(path)
    if regular is not None and not any(separator in regular.ids[0] for separator in SEPARATORS):
        classes: dict[str, Numbers] = {} if regular.labels is None else {"action": regular.labels}
        recognised = DEFAULT[: 1 + bool(regular.num_frames[0]) + (regular.labels is not None)]
        return ListRows(
            regular.ids, regular.num_frames, classes, named(entry, path.parent), columns=recognised, inferred=True
        )
    table = parse_list(path, list(text_lines(path)), columns)
    if table.inferred and "label" not in table.columns and "frames" in table.columns and 0 in table.numbers("frames"):
        table = replace(table, columns=as_labels(table.columns))
    ids = table.texts("id")
    num_frames = table.numbers("frames", least=1) if "frames" in table.columns else [0] * len(ids)
    labels: dict[str, Numbers] = {"action": _labels(entry, table)} if "label" in table.columns else {}
    return ListRows(
        ids, num_frames, labels, named(entry, path.parent), columns=table.columns, inferred=table.inferred
    )  # fmt: skip


def as_labels(columns: Sequence[str]) -> tuple[str, ...]:
    """The same columns, but numbers of frames are labels."""
    return tuple("label" if column == "frames" else column for column in columns)


def _labels(entry: DatasetEntry, table: ListTable) -> list[int]:
    """Class numbers; names of classes are looked up in the class file."""
    texts = table.texts("label")
    names = {} if texts[0].isdecimal() else {name: at for at, name in enumerate(class_names(entry, table.path.parent))}
    if not names:
        return table.numbers("label")
    for text, (line, _) in zip(texts, table.rows, strict=True):
        if text not in names:
            raise SplitError(
                f"{text!r} in the column 'label' is not one of the {len(names)} class names",
                where=f"{table.path}, line {line}", fix="use the class file of the same release",
            )  # fmt: skip
    return [names[text] for text in texts]
