"""Splits: the clips of a data set in their order, with labels and class names, read from users' own files."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.entries import DatasetEntry, SplitEntry
from gsm_bench.errors import SplitError

Labels = NDArray[np.int32]
MOST_FRAMES = 100_000_000
"""More frames than this in one clip are a slip of the list: 19 days at 60 frames per second."""


@dataclass(frozen=True)
class Clip:
    """One video of a split: its id, the number of frames its list gives (0 if none), and its place in the split."""

    id: str
    num_frames: int
    row: int


@dataclass(frozen=True)
class Split:
    """Clips in list order.

    Attributes:
        ids: N clip ids, unique.
        num_frames: int64 [N], 0 where the list does not say.
        labels: per task int32 [N]; empty for a split without labels.
        class_names: per task C names in column order; empty where no class file was found.
        list_path: the file that the clips were read from.
        full_size: clips of the complete split where that is known.
        groups: int64 [N], equal for clips that are not independent; None where every clip stands alone.
    """

    dataset: str
    name: str
    ids: tuple[str, ...]
    num_frames: NDArray[np.int64]
    labels: dict[str, Labels]
    class_names: dict[str, tuple[str, ...]]
    list_path: Path
    full_size: int | None = None
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sha256(self) -> str:
        """Fingerprint of the ids in their order."""
        return ids_sha256(self.ids)

    def clip(self, row: int) -> Clip:
        return Clip(self.ids[row], int(self.num_frames[row]), row)

    def head(self, limit: int) -> Split:
        """The first `limit` clips as a split of their own."""
        return self.take(np.arange(min(limit, len(self))))

    def take(self, rows: NDArray[np.int64]) -> Split:
        """Some clips, in the order of `rows`, as a split of their own."""
        ids = tuple(self.ids[row] for row in rows.tolist())
        labels = {task: values[rows] for task, values in self.labels.items()}
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, ids=ids, num_frames=self.num_frames[rows], labels=labels, groups=groups)


def ids_sha256(ids: Sequence[str]) -> str:
    """sha256 of the ids joined by newline."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def read_split(entry: DatasetEntry, split: str, data: Path) -> Split:
    """Read one split of a data set from the directory `data`.

    Raises:
        SplitError: no such split, no list file there, or a list that is not what the layout says.
    """
    wanted = _split_entry(entry, split)
    if not data.is_dir():
        raise SplitError(
            f"there is no data directory for {entry.name}",
            where=data,
            fix="give its place with --data DIR, or link it there",
        )
    path = _first_existing(data, wanted.lists)
    if path is None:
        raise SplitError(
            f"no list of {entry.name}/{split} in this directory; looked for {', '.join(wanted.lists)}",
            where=data,
            fix="put one of them there, or add [datasets.NAME] to a .toml file in manifests/ of the workspace",
        )
    return read_list(entry, split, path)


def read_list(entry: DatasetEntry, split: str, path: Path) -> Split:
    """Read one split from the list file `path`; class files are looked for beside it."""
    reader = READERS.get(entry.layout)
    if reader is None:
        raise SplitError(
            f"lists of the layout {entry.layout!r} cannot be read by this version",
            where=path,
            fix="use another data set",
        )
    ids, num_frames, raw_labels, names = reader(entry, path)
    if not ids:
        raise SplitError("this list is empty", where=path, fix="a row is: <id> <frames> <class>")
    _refuse_duplicates(ids, path)
    if max(num_frames) > MOST_FRAMES:
        raise SplitError(
            f"{max(num_frames):,} frames in one clip", where=path, fix="the second column is the number of frames"
        )
    labels = {} if raw_labels is None else {"action": _checked_labels(raw_labels, entry.tasks["action"], ids, path)}
    return Split(
        dataset=entry.name,
        name=split,
        ids=tuple(ids),
        num_frames=np.asarray(num_frames, dtype=np.int64),
        labels=labels,
        class_names={"action": names} if names else {},
        list_path=path,
        full_size=_split_entry(entry, split).clips,
        groups=_groups(_split_entry(entry, split), ids, path.parent),
    )


def frame_root(entry: DatasetEntry, data: Path, first_id: str) -> Path:
    """The folder below `data` that holds the clips' frame folders.

    Raises:
        SplitError: none of the entry's folders holds a folder for `first_id`.
    """
    for candidate in entry.frame_roots:
        if _is_folder(data / candidate / entry.frame_pattern.split("/")[0].format(id=first_id)):
            return data / candidate
    for candidate in entry.frame_roots:  # the first clip may be the missing one
        if candidate != "." and (data / candidate).is_dir():
            return data / candidate
    raise SplitError(
        f"no frames of {entry.name} here: no folder {first_id!r} in {', '.join(entry.frame_roots)}",
        where=data,
        fix=f"frames are {entry.frame_pattern} below one of these folders; frame_roots and frame_pattern of the data set's entry say so",
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no folder can have
        return False


Rows = tuple[list[str], list[int], list[int] | None, tuple[str, ...]]


def _read_something_v1(entry: DatasetEntry, path: Path) -> Rows:
    if path.suffix != ".csv":
        return _read_plain(entry, path)
    names = _class_names(entry, path.parent)
    rows = [row for row in csv.reader(_lines(path), delimiter=";") if row]
    ids = [row[0] for row in rows]
    if all(len(row) == 1 for row in rows):
        return ids, [0] * len(ids), None, names
    if not names:
        raise SplitError(
            "the class names that this list refers to are missing",
            where=path.parent,
            fix=f"put one of {', '.join(entry.class_files)} beside the list",
        )
    place = {name: index for index, name in enumerate(names)}
    for line, row in enumerate(rows, start=1):
        if len(row) != 2 or row[1] not in place:
            found = row[1] if len(row) > 1 else "nothing"
            raise SplitError(
                f"{found!r} is not one of the {len(names)} class names",
                where=f"{path}, line {line}",
                fix="use the label file of the same release",
            )
    return ids, [0] * len(ids), [place[row[1]] for row in rows], names


def _read_diving48(entry: DatasetEntry, path: Path) -> Rows:
    if path.suffix != ".json":
        return _read_plain(entry, path)
    rows = _load_json(path)
    try:
        ids = [str(row["vid_name"]) for row in rows]
        labels = [int(row["label"]) for row in rows] if all("label" in row for row in rows) else None
    except (TypeError, KeyError, ValueError) as error:
        raise SplitError(
            f"this is not a Diving48 list: {error!r}", where=path, fix="it is a list of {vid_name, label, ..}"
        ) from error
    return ids, [0] * len(ids), labels, _class_names(entry, path.parent)


def _read_plain(entry: DatasetEntry, path: Path) -> Rows:
    """Rows ``<id> <frames> <class>``, ``<id> <frames>`` or ``<id>``, separated by single spaces."""
    lines = [line for line in _lines(path) if line]
    if not lines:
        raise SplitError("this list is empty", where=path, fix="a row is: <id> <frames> <class>")
    columns = min(len(lines[0].split(" ")), 3)
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
                f"expected {expected}, as in line 1, not {line!r}", where=f"{path}, line {number}", fix="mend the line"
            )
        ids.append(fields[0])
        num_frames.append(int(fields[1]) if columns > 1 else 0)
        labels.append(int(fields[2]) if columns > 2 else -1)
    return ids, num_frames, labels if columns > 2 else None, _class_names(entry, path.parent)


READERS: dict[str, Callable[[DatasetEntry, Path], Rows]] = {
    "something-v1": _read_something_v1,
    "diving48": _read_diving48,
    "list": _read_plain,
}


def _groups(entry: SplitEntry, ids: list[str], directory: Path) -> NDArray[np.int64] | None:
    """Group numbers [N] of the clips, or None where the split has no groups or their file is not there."""
    name, _, column = entry.groups.partition(":")
    path = directory / name
    if not name or not path.is_file():
        return None
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"id", column} <= rows[0].keys():
        raise SplitError(
            f"this file has no columns id and {column}", where=path, fix="correct `groups` of the data set's entry"
        )
    group_of = {row["id"]: row[column] for row in rows}
    missing = next((name for name in ids if name not in group_of), None)
    if missing is not None:
        raise SplitError(f"clip {missing!r} has no {column} here", where=path, fix="use the file of the same release")
    return np.unique([group_of[name] for name in ids], return_inverse=True)[1].astype(np.int64)


def _class_names(entry: DatasetEntry, directory: Path) -> tuple[str, ...]:
    """The class names in column order, or none where no class file lies beside the list."""
    path = _first_existing(directory, entry.class_files)
    if path is None:
        return ()
    if path.suffix == ".json":
        names = ["+".join(map(str, row)) if isinstance(row, list) else str(row) for row in _load_json(path)]
    else:
        names = [line for line in _lines(path) if line]
    if entry.class_order == "alphabetical":
        names = _sorted_names(names, path)
    classes = entry.tasks["action"]
    if len(names) != classes or len(set(names)) != classes:
        raise SplitError(
            f"{len(set(names))} different class names where {entry.name} has {classes}",
            where=path,
            fix="use the class file of this data set, or correct `classes` of its entry",
        )
    return tuple(names)


def _sorted_names(names: list[str], path: Path) -> list[str]:
    if path.name == "category.txt" and names != sorted(names):
        line = next(at for at, pair in enumerate(zip(names, sorted(names), strict=True), start=1) if pair[0] != pair[1])
        raise SplitError(
            "the class names are not in alphabetical order, so the class numbers of the lists beside it mean other classes",
            where=f"{path}, line {line}",
            fix="use lists made with sorted names, or an entry with class_order = 'file'",
        )
    return sorted(names)


def _lines(path: Path) -> Iterable[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SplitError("this list is not a text file", where=path, fix="give a UTF-8 text file") from error


def _load_json(path: Path) -> list[Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SplitError(f"this is not valid JSON: {error}", where=path, fix="download it again") from error
    if not isinstance(document, list):
        raise SplitError("this JSON file is not a list", where=path, fix="use the file of the data set's release")
    return document


def _first_existing(directory: Path, names: Sequence[str]) -> Path | None:
    return next((directory / name for name in names if (directory / name).is_file()), None)


def _split_entry(entry: DatasetEntry, split: str) -> SplitEntry:
    if split not in entry.splits:
        raise SplitError(f"{entry.name} has no split {split!r}", fix=f"--split is one of {', '.join(entry.splits)}")
    return entry.splits[split]


def _refuse_duplicates(ids: list[str], path: Path) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    for line, name in enumerate(ids, start=1):
        if name in seen:
            raise SplitError(
                f"the clip {name!r} stands twice in this list",
                where=f"{path}, row {line}",
                fix="remove one of the rows",
            )
        seen.add(name)


def _checked_labels(labels: list[int], classes: int, ids: list[str], path: Path) -> Labels:
    row = next((row for row, label in enumerate(labels) if not 0 <= label < classes), None)
    if row is not None:
        raise SplitError(
            f"class {labels[row]} of clip {ids[row]!r} is not among 0..{classes - 1}",
            where=f"{path}, row {row + 1}",
            fix="class numbers start at 0; correct the list, or `classes` of the data set's entry",
        )
    return np.asarray(labels, dtype=np.int32)
