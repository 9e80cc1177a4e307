"""Lists with one row per video: Something-Something, Diving48, and rows of id, frames and class."""

from __future__ import annotations

import csv
from pathlib import Path

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.regular import read_regular
from gsm_bench.layouts.rows import ListRows, class_names, load_json, named, text_lines


def read_something_v1(entry: DatasetEntry, path: Path) -> ListRows:
    """Rows ``<id>;<class name>`` of the csv lists of the release, ``<id>`` in the test set."""
    if path.suffix != ".csv":
        return read_plain(entry, path)
    names = class_names(entry, path.parent)
    rows = [row for row in csv.reader(text_lines(path), delimiter=";") if row]
    ids = [row[0] for row in rows]
    if all(len(row) == 1 for row in rows):
        return ListRows(ids, [0] * len(ids), class_names=named(entry, path.parent))
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

    A template without its brackets is a class name; the label file numbers the class names.
    """
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
        return ListRows(ids, [0] * len(ids), class_names=named(entry, path.parent))
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


def read_plain(entry: DatasetEntry, path: Path) -> ListRows:
    """Rows ``<id> <frames> <class>``, ``<id> <frames>`` or ``<id>``, separated by single spaces."""
    regular = read_regular(path)
    if regular is not None:
        labels = {} if regular.labels is None else {"action": regular.labels}
        return ListRows(regular.ids, regular.num_frames, labels, named(entry, path.parent))
    lines = [line for line in text_lines(path) if line]
    if not lines:
        raise SplitError("this list is empty", where=path, fix="write a row per video: <id> <frames> <class>")
    columns = min(len(lines[0].split(" ")), 3)
    ids, num_frames, classes = _any_rows(path, lines, columns)
    return ListRows(ids, num_frames, {"action": classes} if columns > 2 else {}, named(entry, path.parent))


Rows = tuple[list[str], list[int], list[int]]


def _any_rows(path: Path, lines: list[str], columns: int) -> Rows:
    ids, num_frames, labels = [], [], []
    for number, line in enumerate(lines, start=1):
        fields = line.rsplit(" ", columns - 1)
        if (
            len(fields) != columns
            or not all(field.isdecimal() for field in fields[1:])
            or (columns > 1 and int(fields[1]) < 1)
        ):
            expected = ("<id>", "<id> <frames>", "<id> <frames> <class>")[columns - 1]
            raise SplitError(
                f"expected {expected}, as in line 1, not {line!r}",
                where=f"{path}, line {number}",
                fix="correct the line",
            )
        ids.append(fields[0])
        num_frames.append(int(fields[1]) if columns > 1 else 0)
        labels.append(int(fields[2]) if columns > 2 else -1)
    return ids, num_frames, labels
