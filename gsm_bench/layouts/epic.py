"""The annotation files of EPIC-KITCHENS-55 and -100, as their repositories have them: csv, one row per segment.

Frames of a segment are inclusive of ``stop_frame``: n = stop - start + 1, and frame i of the segment (from 1) is file
number start + i - 1 of its video.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.rows import ListRows, Segments, whole_text
from gsm_bench.names import Names

Row = Mapping[str, str]


@dataclass(frozen=True)
class EpicFiles:
    """What the two releases call their columns and files.

    Attributes:
        id: column of the segment's id.
        classes: class file, id column and name column per task.
        train: the training csv, whose verb-noun pairs are the action classes.
        url: the repository that holds the files.
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
    """A list of EPIC-KITCHENS-55; ids are the ``uid`` column."""
    return _read_segments(entry, path, EPIC_55)


def read_epic_100(entry: DatasetEntry, path: Path) -> ListRows:
    """A list of EPIC-KITCHENS-100; ids are the ``narration_id`` column."""
    return _read_segments(entry, path, EPIC_100)


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a csv with a header that names at least `columns`.

    Raises:
        SplitError: not a csv, or of other columns.
    """
    if path.suffix in (".pkl", ".pickle"):
        raise SplitError(
            "this is a pandas pickle, which runs code when it is opened; it is not read",
            where=path,
            fix=f"use {path.with_suffix('.csv').name} of the same repository",
        )
    if not path.is_file():
        raise SplitError(
            "this file of the annotations is not here", where=path, fix="clone the annotations' repository again"
        )
    rows: list[Row] = _parsed(path)
    absent = [column for column in columns if not rows or column not in rows[0]]
    if absent:
        raise SplitError(
            f"this csv has no column {absent[0]!r}", where=path, fix="use the file of the data set's release"
        )
    short = next((at for at, row in enumerate(rows, start=2) if None in row.values()), None)
    if short:
        raise SplitError("this row is cut short", where=f"{path}, line {short}", fix="download the file again")
    return rows


def _parsed(path: Path) -> list[Row]:
    try:
        return list(csv.DictReader(io.StringIO(whole_text(path), newline=""), strict=True))
    except csv.Error as error:
        raise SplitError(f"this csv is damaged: {error}", where=path, fix="download the file again") from error


@dataclass(frozen=True)
class EpicParts:
    """The parts of a data set that some metrics look at, as the files beside a list name them.

    Attributes:
        many_shot: class numbers per task, for actions pairs (verb, noun); EPIC-55.
        tail: class numbers per task; EPIC-100.
        unseen: participants that training has not seen; EPIC-100. None where no file says so.
    """

    many_shot: Mapping[str, Sequence[int] | Sequence[tuple[int, int]]]
    tail: Mapping[str, Sequence[int]]
    unseen: frozenset[str] | None


def read_parts(layout: str, split: str, directory: Path) -> EpicParts:
    """The parts of a split; what has no file in the directory is left out."""
    if layout == "epic-55":
        names = {task: directory / f"EPIC_many_shot_{task}s.csv" for task in ("verb", "noun", "action")}
        if not all(path.is_file() for path in names.values()):
            return EpicParts({}, {}, None)
        verbs, nouns = (_column(names[task], f"{task}_class") for task in ("verb", "noun"))
        pairs = list(zip(_column(names["action"], "verb_class"), _column(names["action"], "noun_class"), strict=True))
        return EpicParts({"verb": verbs, "noun": nouns, "action": pairs}, {}, None)
    tails = {task: directory / f"EPIC_100_tail_{task}s.csv" for task in ("verb", "noun")}
    tail = {task: _column(path, task) for task, path in tails.items() if path.is_file()}
    people = directory / f"EPIC_100_unseen_participant_ids_{split}.csv"
    unseen = [row["participant_id"] for row in read_table(people, ("participant_id",))] if people.is_file() else None
    return EpicParts({}, tail if len(tail) == 2 else {}, None if unseen is None else frozenset(unseen))


def _column(path: Path, column: str) -> list[int]:
    return _integers(read_table(path, (column,)), column, path)


def training_pairs(path: Path) -> list[tuple[int, int]]:
    """The (verb, noun) pairs of a training csv, ascending: the action columns.

    Source: the pairs of the whole training csv, 2,513 of EPIC-KITCHENS-55.
    """
    rows = read_table(path, ("verb_class", "noun_class"))
    return sorted({(int(row["verb_class"]), int(row["noun_class"])) for row in rows})


def _read_segments(entry: DatasetEntry, path: Path, files: EpicFiles) -> ListRows:
    rows = read_table(path, (files.id, "participant_id", "video_id", "start_frame", "stop_frame"))
    starts = _integers(rows, "start_frame", path)
    stops = _integers(rows, "stop_frame", path)
    for line, (start, stop) in enumerate(zip(starts, stops, strict=True), start=2):
        if not 1 <= start <= stop:
            raise SplitError(
                f"a segment from frame {start} to {stop}", where=f"{path}, line {line}", fix="mend the row"
            )
    videos, people = (Names.of(row[column] for row in rows) for column in ("video_id", "participant_id"))
    segments = Segments(videos, people, np.array(starts))
    ids = [row[files.id] for row in rows]
    lengths = [stop - start + 1 for start, stop in zip(starts, stops, strict=True)]
    labels = {}
    if "verb_class" in rows[0] and "noun_class" in rows[0]:
        labels = {task: _integers(rows, f"{task}_class", path) for task in ("verb", "noun")}
    return ListRows(ids, lengths, labels, _all_class_names(entry, path.parent, files), segments)


def _integers(rows: Sequence[Row], column: str, path: Path) -> list[int]:
    try:
        return [int(row[column]) for row in rows]
    except ValueError as error:
        line = next(at for at, row in enumerate(rows, start=2) if not row[column].strip().lstrip("-").isdecimal())
        raise SplitError(
            f"{rows[line - 2][column]!r} in the column {column} is not a number",
            where=f"{path}, line {line}",
            fix="download the file again",
        ) from error


def _all_class_names(entry: DatasetEntry, directory: Path, files: EpicFiles) -> dict[str, tuple[str, ...]]:
    """Names per task, of the class files beside the list; actions are ``<verb>,<noun>`` as integers."""
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
