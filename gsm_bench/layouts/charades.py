"""Lists of Charades: csv with the actions of each video, of which it may have several or none.

Columns are named; ``actions`` holds ``<class> <start> <end>`` with seconds, joined by semicolons: ``c092 11.90 21.20;c147 0.00
12.60``. Classes are ``c000`` to ``c156``, named in ``Charades_v1_classes.txt`` as ``c000 Holding some clothes``. Source: the
README of the release, and Sigurdsson et al., Hollywood in homes: crowdsourcing data collection for activity understanding, 2016.
"""

from __future__ import annotations

import re
from pathlib import Path

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.rows import ListRows, csv_rows, first_existing, text_lines

NUMBERED_NAME = re.compile(r"c(\d{3})\s+(\S.*)")
ACTION = re.compile(r"c(\d{3})(?:\s+[0-9.]+\s+[0-9.]+)?", re.IGNORECASE)


def read_charades(entry: DatasetEntry, path: Path) -> ListRows:
    """The rows of a list, with the set of classes of each video; without sets where there is no column ``actions``.

    Raises:
        SplitError: a row is cut short, or names a class that is none.
    """
    rows = csv_rows(path)
    if not rows or "id" not in rows[0]:
        raise SplitError("this csv has no column 'id'", where=path, fix="use the csv of the release, with its header")
    names = _names(entry, path.parent)
    ids = [(row["id"] or "").strip() for row in rows]
    if "" in ids:
        raise SplitError("this row has no id", where=f"{path}, row {ids.index('') + 1}", fix="download the file again")
    sets = [
        _classes(row["actions"], entry.tasks["action"], f"{path}, row {number}") for number, row in enumerate(rows, start=1)
    ] if "actions" in rows[0] else []  # fmt: skip
    return ListRows(ids, [0] * len(ids), {}, {"action": names} if names else {}, label_sets=sets)


def _classes(text: str, count: int, where: str) -> tuple[int, ...]:
    """The classes of a video in ascending order, each once."""
    classes = set()
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = ACTION.fullmatch(part)
        if match is None or int(match[1]) >= count:
            raise SplitError(
                f"{part[:40]!r} is not <class> <start> <end> with a class from c000 to c{count - 1:03d}", where=where,
                fix="download the file again",
            )  # fmt: skip
        classes.add(int(match[1]))
    return tuple(sorted(classes))


def _names(entry: DatasetEntry, directory: Path) -> tuple[str, ...]:
    """The class names in the order of their numbers; empty without a class file beside the list."""
    path = first_existing(directory, entry.class_files)
    if path is None:
        return ()
    matches = [NUMBERED_NAME.fullmatch(line.strip()) for line in text_lines(path) if line.strip()]
    names = {int(match[1]): match[2] for match in matches if match}
    if len(matches) != len(names) or sorted(names) != list(range(entry.tasks["action"])):
        raise SplitError(
            f"these are not the classes c000 to c{entry.tasks['action'] - 1:03d}, each once", where=path,
            fix="use the class file of the release",
        )  # fmt: skip
    return tuple(names[number] for number in sorted(names))
