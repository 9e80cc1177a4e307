"""Annotation files of EPIC-KITCHENS-55 and -100, csv with one row per segment, as in their repositories.

Frames of a segment are inclusive of ``stop_frame``: n = stop - start + 1, and frame i of the segment (from 1) is file
number start + i - 1 of its video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.id_array import IdArray
from gsm_bench.layouts.rows import ListRows, Segments, csv_rows

Row = Mapping[str, str]


@dataclass(frozen=True)
class EpicFiles:
    """Names of the columns and files of a release.

    Attributes:
        id: column of the segment's id.
        classes: class file, id column and name column per task.
        train: training csv; its (verb, noun) pairs are the action classes.
        url: repository of the files.
    """

    id: str
    classes: Mapping[str, tuple[str, str, str]]
    train: str
    url: str


EPIC_55 = EpicFiles(
    "uid",
    {"verb": ("EPIC_verb_classes.csv", "verb_id", "class_key"), "noun": ("EPIC_noun_classes.csv", "noun_id", "class_key")},
    "EPIC_train_action_labels.csv",
    "https://github.com/epic-kitchens/epic-kitchens-55-annotations",
)  # fmt: skip
EPIC_100 = EpicFiles(
    "narration_id",
    {"verb": ("EPIC_100_verb_classes.csv", "id", "key"), "noun": ("EPIC_100_noun_classes.csv", "id", "key")},
    "EPIC_100_train.csv",
    "https://github.com/epic-kitchens/epic-kitchens-100-annotations",
)


def read_epic_55(entry: DatasetEntry, path: Path) -> ListRows:
    """The rows of a list of EPIC-KITCHENS-55; ids are the ``uid`` column."""
    return _read_segments(entry, path, EPIC_55)


def read_epic_100(entry: DatasetEntry, path: Path) -> ListRows:
    """The rows of a list of EPIC-KITCHENS-100; ids are the ``narration_id`` column."""
    return _read_segments(entry, path, EPIC_100)


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a csv whose header has at least `columns`.

    Raises:
        SplitError: the file is missing, not a csv, or lacks a column.
    """
    if path.suffix in (".pkl", ".pickle"):
        raise SplitError(
            "a pandas pickle can run code when it is opened, so it is not read",
            where=path,
            fix=f"use {path.with_suffix('.csv').name} of the same repository",
        )
    if not path.is_file():
        raise SplitError("missing annotation file", where=path, fix="clone the repository of the annotations again")
    rows: list[Row] = csv_rows(path)
    absent = [column for column in columns if not rows or column not in rows[0]]
    if absent:
        raise SplitError(
            f"this csv has no column {absent[0]!r}", where=path, fix="use the file of the data set's release"
        )
    return rows


@dataclass(frozen=True)
class EpicParts:
    """The parts of a data set that some metrics use, from the files beside a list.

    Attributes:
        many_shot: class numbers per task, (verb, noun) pairs for actions; EPIC-55.
        tail: class numbers per task; EPIC-100.
        unseen: participants that are not in the training split; None without their file; EPIC-100.
    """

    many_shot: Mapping[str, Sequence[int] | Sequence[tuple[int, int]]]
    tail: Mapping[str, Sequence[int]]
    unseen: frozenset[str] | None


def part_files(layout: str, split: str) -> tuple[str, ...]:
    """Names of the files with the parts of a split."""
    if layout == "epic-55":
        return tuple(f"EPIC_many_shot_{task}s.csv" for task in ("verb", "noun", "action"))
    if layout != "epic-100":
        return ()
    people = (f"EPIC_100_unseen_participant_ids_{split}.csv",) if split in ("validation", "test") else ()
    return ("EPIC_100_tail_verbs.csv", "EPIC_100_tail_nouns.csv", *people)


def read_parts(layout: str, split: str, directory: Path, classes: Mapping[str, int]) -> EpicParts:
    """The parts of a split; those without a file in the directory are left out.

    Args:
        classes: number of classes per task.
    """
    paths = [directory / name for name in part_files(layout, split)]
    existing = [path for path in paths if path.is_file()]
    if layout == "epic-55":
        if existing != paths:
            return EpicParts({}, {}, None)
        verbs, nouns = (_column(paths[at], f"{task}_class", classes[task]) for at, task in enumerate(("verb", "noun")))
        columns = (_column(paths[2], f"{task}_class", classes[task]) for task in ("verb", "noun"))
        return EpicParts({"verb": verbs, "noun": nouns, "action": list(zip(*columns, strict=True))}, {}, None)
    if not paths:
        return EpicParts({}, {}, None)
    tail = {}
    if set(paths[:2]) <= set(existing):
        tail = {task: _column(path, task, classes[task]) for task, path in zip(("verb", "noun"), paths, strict=False)}
    unseen = [
        row["participant_id"] for path in existing if path in paths[2:] for row in read_table(path, ("participant_id",))
    ]
    return EpicParts({}, tail, frozenset(unseen) if set(paths[2:]) & set(existing) else None)


def _column(path: Path, column: str, classes: int) -> list[int]:
    numbers = integers(read_table(path, (column,)), column, path)
    line = next((line for line, number in enumerate(numbers, start=2) if not 0 <= number < classes), None)
    if line:
        raise SplitError(
            f"{column} {numbers[line - 2]} is not among 0..{classes - 1}",
            where=f"{path}, line {line}",
            fix="use the file of the same release",
        )
    return numbers


def training_pairs(path: Path) -> list[tuple[int, int]]:
    """The (verb, noun) pairs of a training csv, ascending: the action columns.

    EPIC-KITCHENS-55 has 2,513 of them.
    """
    rows = read_table(path, ("verb_class", "noun_class"))
    verbs, nouns = (integers(rows, column, path) for column in ("verb_class", "noun_class"))
    return sorted(set(zip(verbs, nouns, strict=True)))


def _read_segments(entry: DatasetEntry, path: Path, files: EpicFiles) -> ListRows:
    rows = read_table(path, (files.id, "participant_id", "video_id", "start_frame", "stop_frame"))
    starts = integers(rows, "start_frame", path)
    stops = integers(rows, "stop_frame", path)
    for line, (start, stop) in enumerate(zip(starts, stops, strict=True), start=2):
        if not 1 <= start <= stop:
            raise SplitError(
                f"a segment from frame {start} to {stop}", where=f"{path}, line {line}", fix="correct the row"
            )
    videos, people = (IdArray.of(row[column] for row in rows) for column in ("video_id", "participant_id"))
    segments = Segments(videos, people, np.array(starts))
    ids = [row[files.id] for row in rows]
    lengths = [stop - start + 1 for start, stop in zip(starts, stops, strict=True)]
    labels = {}
    if "verb_class" in rows[0] and "noun_class" in rows[0]:
        labels = {task: integers(rows, f"{task}_class", path) for task in ("verb", "noun")}
    return ListRows(ids, lengths, labels, _all_class_names(entry, path.parent, files), segments)


def integers(rows: Sequence[Row], column: str, path: Path) -> list[int]:
    """A column of integers.

    Raises:
        SplitError: a value is not an integer; the error names its line.
    """
    numbers = []
    for line, row in enumerate(rows, start=2):
        try:
            numbers.append(int(row[column]))
        except ValueError as error:
            raise SplitError(
                f"{row[column]!r} in the column {column} is not a number",
                where=f"{path}, line {line}",
                fix="download the file again",
            ) from error
    return numbers


def _all_class_names(entry: DatasetEntry, directory: Path, files: EpicFiles) -> dict[str, tuple[str, ...]]:
    """Class names per task from the files beside the list; actions are ``<verb>,<noun>`` numbers."""
    names = {}
    for task, (file, number, name) in files.classes.items():
        if (directory / file).is_file():
            names[task] = _names_of_classes(directory / file, number, name, entry.tasks[task])
    if (directory / files.train).is_file():
        names["action"] = tuple(f"{verb},{noun}" for verb, noun in training_pairs(directory / files.train))
    return names


def _names_of_classes(path: Path, number: str, name: str, classes: int) -> tuple[str, ...]:
    rows = read_table(path, (number, name))
    if [row[number] for row in rows] != [str(at) for at in range(classes)]:
        raise SplitError(
            f"these are not the classes 0..{classes - 1} in order ({len(rows)} rows)",
            where=path,
            fix="use the class file of the same release",
        )
    return tuple(row[name] for row in rows)
