"""Csv lists with the names of verb and noun per video: ``id,frames,verb,noun`` and other columns."""

from __future__ import annotations

from pathlib import Path

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.epic import integers, read_table
from gsm_bench.layouts.rows import ListRows, text_lines

TASKS = ("verb", "noun", "action")


def read_verb_noun(entry: DatasetEntry, path: Path) -> ListRows:
    """The rows of a list; the three class files of the entry number verbs, nouns and ``<verb>,<noun>`` pairs."""
    if len(entry.class_files) != len(TASKS):
        raise SplitError(
            f"this layout needs three class files, but {entry.name} has {len(entry.class_files)}",
            where=path,
            fix='class_files = ["verbs.txt", "nouns.txt", "actions.txt"]',
        )
    names = {task: _names(path.parent / file) for task, file in zip(TASKS, entry.class_files, strict=True)}
    rows = read_table(path, ("id", "frames", "verb", "noun"))
    labels = {}
    for task in ("verb", "noun"):
        place = {name: number for number, name in enumerate(names[task])}
        for line, row in enumerate(rows, start=2):
            if row[task] not in place:
                raise SplitError(
                    f"{row[task]!r} is not one of the {len(place)} {task}s",
                    where=f"{path}, line {line}",
                    fix="use the class files of the same release",
                )
        labels[task] = [place[row[task]] for row in rows]
    return ListRows([row["id"] for row in rows], integers(rows, "frames", path), labels, names)


def _names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise SplitError("missing class file", where=path, fix="put it beside the list")
    return tuple(line for line in text_lines(path) if line)
