"""Answers of test sets, as their owners published them later: rows ``<id>;<class name>`` beside the list of the videos."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.rows import ListRows, class_names, text_lines

ENDING = "-answers.csv"
HEADER_WORDS = {"id", "video_id", "video"}


def is_answers(path: Path) -> bool:
    """Whether a file is named like answers: ``test-answers.csv``."""
    return path.name.endswith(ENDING)


def with_answers(entry: DatasetEntry, path: Path, rows: ListRows) -> ListRows:
    """The rows of a list without labels, with those of the answers beside it: ``<name of the list>-answers.csv``.

    Raises:
        SplitError: the answers lack a video of the list, or cannot be read.
    """
    answers = path.with_name(f"{path.stem}{ENDING}")
    if rows.labels or not answers.is_file():
        return rows
    answered = read_answers(entry, answers)
    label_of = dict(zip(answered.ids, answered.labels["action"], strict=True))
    absent = [name for name in rows.ids if name not in label_of]
    if absent:
        raise SplitError(
            f"{len(absent):,} of the {len(rows.ids):,} videos in {path.name} have no answer, first {absent[0]!r}",
            where=answers, fix="use both files of one release, or move the answers away",
        )  # fmt: skip
    labels = {"action": [label_of[name] for name in rows.ids]}
    return replace(rows, labels=labels, class_names=answered.class_names)


def read_answers(entry: DatasetEntry, path: Path) -> ListRows:
    """Rows ``<id>;<class name>`` of an answers file; brackets in names do not count, commas may separate instead.

    Raises:
        SplitError: no class names, an unknown name, a row of another form, two answers for one video.
    """
    names = class_names(entry, path.parent)
    if not names:
        raise SplitError(
            "the class names of these answers are missing", where=path.parent,
            fix=f"put one of {', '.join(entry.class_files)} beside them",
        )  # fmt: skip
    place = {_plain(name): number for number, name in enumerate(names)}
    label_of: dict[str, int] = {}
    for line, fields in _rows(path):
        where = f"{path}, line {line}"
        if len(fields) != 2 or not fields[0]:
            raise SplitError(f"{';'.join(fields)[:80]!r} is not <id>;<class name>", where=where, fix="correct the line")
        name = _plain(fields[1])
        if name not in place:
            raise SplitError(
                f"{fields[1][:80]!r} is not one of the {len(names)} class names", where=where,
                fix="use the label file of the same release",
            )  # fmt: skip
        if label_of.setdefault(fields[0], place[name]) != place[name]:
            raise SplitError(f"video {fields[0]!r} has two answers", where=where, fix="remove one of the rows")
    return ListRows(list(label_of), [0] * len(label_of), {"action": list(label_of.values())}, {"action": names})


def _plain(name: str) -> str:
    return " ".join(name.replace("[", "").replace("]", "").split())


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line numbers from 1 with their fields; without empty lines and a header."""
    lines = [(line, text) for line, text in enumerate(text_lines(path), start=1) if text.strip()]
    separator = ";" if not lines or ";" in lines[0][1] else ","
    fields = csv.reader((text for _, text in lines), delimiter=separator)
    try:
        rows = [(line, [field.strip() for field in row]) for (line, _), row in zip(lines, fields, strict=True)]
    except (csv.Error, ValueError) as error:  # a quote that is not closed joins lines
        raise SplitError("this file has quotes that are not closed", where=path, fix="download it again") from error
    return rows[1:] if rows and rows[0][1][0].lower() in HEADER_WORDS else rows
