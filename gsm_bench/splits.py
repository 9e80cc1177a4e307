"""Splits: the clips of a data set in their order, with labels and class names, read from users' own files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.actions import action_columns, are_pairs, parse_pairs
from gsm_bench.entries import DatasetEntry, SplitEntry
from gsm_bench.errors import SplitError
from gsm_bench.id_array import IdArray
from gsm_bench.layouts import READERS
from gsm_bench.layouts.rows import ListRows, Numbers, Segments, first_existing

Labels = NDArray[np.int32]
MOST_FRAMES = 100_000_000
"""More frames than this in one clip are a slip of the list: 19 days at 60 frames per second."""


@dataclass(frozen=True)
class Video:
    """One clip of a split: a video, or a segment of one.

    Attributes:
        id: its own, unique in the split.
        num_frames: n as its list gives it, 0 if it does not.
        row: its place in the split.
        video, participant: the video that holds it and who recorded it; empty where the clip is a video of its own.
        start: number in the video of the clip's first frame: frame i of the clip is number start + i - 1.
    """

    id: str
    num_frames: int
    row: int
    video: str = ""
    participant: str = ""
    start: int = 1

    @property
    def container(self) -> str:
        """The name of the video that holds its frames."""
        return self.video or self.id


@dataclass(frozen=True)
class Split:
    """Clips in list order.

    Attributes:
        ids: N clip ids, unique; any sequence of strings may be given.
        num_frames: int64 [N], 0 where the list does not say.
        labels: per task int32 [N]; empty for a split without labels.
        class_names: per task C names in column order; empty where no class file was found.
        list_path: the file that the clips were read from.
        full_size: clips of the complete split where that is known.
        groups: int64 [N], equal for clips that are not independent; None where every clip stands alone.
        segments: where the clips lie in longer videos; None where each is a video of its own.
    """

    dataset: str
    name: str
    ids: IdArray
    num_frames: NDArray[np.int64]
    labels: dict[str, Labels]
    class_names: dict[str, tuple[str, ...]]
    list_path: Path
    full_size: int | None = None
    groups: NDArray[np.int64] | None = None
    segments: Segments | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", IdArray.of(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sha256(self) -> str:
        """Fingerprint of the ids in their order."""
        return self.ids.sha256

    def clip(self, row: int) -> Video:
        frames, segments = int(self.num_frames[row]), self.segments
        if segments is None:
            return Video(self.ids[row], frames, row)
        return Video(
            self.ids[row], frames, row, segments.videos[row], segments.participants[row], int(segments.starts[row])
        )

    def sample(self, clips: int) -> list[Video]:
        """A few clips, spread evenly over the split, the first among them."""
        return [self.clip(row) for row in range(0, len(self), max(1, -(-len(self) // clips)))]

    def head(self, limit: int) -> Split:
        """The first `limit` clips as a split of their own."""
        return self.reordered(np.arange(min(limit, len(self))))

    def reordered(self, rows: NDArray[np.int64]) -> Split:
        """The clips of some rows, in their order, as a split of their own."""
        return replace(
            self,
            ids=self.ids.take(rows),
            num_frames=self.num_frames[rows],
            labels={task: values[rows] for task, values in self.labels.items()},
            groups=None if self.groups is None else self.groups[rows],
            segments=None if self.segments is None else self.segments.rows(rows),
        )


def ids_sha256(ids: Sequence[str]) -> str:
    """sha256 of the ids joined by newline."""
    return IdArray.of(ids).sha256


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
    path = first_existing(data, wanted.lists) or _pickled(data, wanted.lists)
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
    rows = reader(entry, path)
    if not len(rows.ids):
        raise SplitError("this list is empty", where=path, fix="a row is: <id> <frames> <class>")
    ids = _checked_ids(rows.ids, path)
    most = np.asarray(rows.num_frames).max()
    if most > MOST_FRAMES:
        raise SplitError(f"{most:,} frames in one clip", where=path, fix="the second column is the number of frames")
    return Split(
        dataset=entry.name,
        name=split,
        ids=ids,
        num_frames=np.asarray(rows.num_frames, dtype=np.int64),
        labels=_labels(entry, rows, ids, path),
        class_names=dict(rows.class_names),
        list_path=path,
        full_size=_split_entry(entry, split).clips,
        groups=_groups(_split_entry(entry, split), rows, path.parent),
        segments=rows.segments,
    )


def with_action_labels(labels: Mapping[str, Labels], action_names: Sequence[str]) -> dict[str, Labels]:
    """Labels per task with those of actions, which follow from verb and noun where actions are pairs of them."""
    if {"verb", "noun"} <= labels.keys() and are_pairs(action_names):
        return {**labels, "action": action_columns(parse_pairs(action_names), labels["verb"], labels["noun"])}
    return dict(labels)


def _labels(entry: DatasetEntry, rows: ListRows, ids: IdArray, path: Path) -> dict[str, Labels]:
    labels = {task: _checked_labels(values, entry.tasks[task], ids, path) for task, values in rows.labels.items()}
    return with_action_labels(labels, rows.class_names.get("action", ()))


def _groups(entry: SplitEntry, rows: ListRows, directory: Path) -> NDArray[np.int64] | None:
    """Group numbers [N] of the clips, or None where the split has no groups or their file is not there.

    Segments of one video are a group unless the entry names another column.
    """
    if not entry.groups and rows.segments is not None:
        return np.unique(rows.segments.videos, return_inverse=True)[1].astype(np.int64)
    ids = rows.ids
    name, _, column = entry.groups.partition(":")
    path = directory / name
    if not name or not path.is_file():
        return None
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    if not table or not {"id", column} <= table[0].keys():
        raise SplitError(
            f"this file has no columns id and {column}", where=path, fix="correct `groups` of the data set's entry"
        )
    group_of = {row["id"]: row[column] for row in table}
    missing = next((name for name in ids if name not in group_of), None)
    if missing is not None:
        raise SplitError(f"clip {missing!r} has no {column} here", where=path, fix="use the file of the same release")
    return np.unique([group_of[name] for name in ids], return_inverse=True)[1].astype(np.int64)


def _split_entry(entry: DatasetEntry, split: str) -> SplitEntry:
    if split not in entry.splits:
        raise SplitError(f"{entry.name} has no split {split!r}", fix=f"--split is one of {', '.join(entry.splits)}")
    return entry.splits[split]


def _pickled(data: Path, names: Sequence[str]) -> Path | None:
    """The pandas pickle of a list that is not there as csv, so that its reader can say so."""
    return first_existing(data, [str(Path(name).with_suffix(".pkl")) for name in names if name.endswith(".csv")])


def _checked_ids(found: Sequence[str], path: Path) -> IdArray:
    try:
        ids = IdArray.of(found)
    except ValueError as error:
        raise SplitError(f"this list cannot be read: {error}", where=path, fix="give a UTF-8 text file") from error
    row = ids.first_repeated()
    if row is not None:
        raise SplitError(
            f"the clip {ids[row]!r} stands twice in this list",
            where=f"{path}, row {row + 1}",
            fix="remove one of the rows",
        )
    return ids


def _checked_labels(labels: Numbers, classes: int, ids: IdArray, path: Path) -> Labels:
    found = np.asarray(labels)
    if found.size and not (found.min() >= 0 and found.max() < classes):
        row = int(np.flatnonzero((found < 0) | (found >= classes))[0])
        raise SplitError(
            f"class {labels[row]} of clip {ids[row]!r} is not among 0..{classes - 1}",
            where=f"{path}, row {row + 1}",
            fix="class numbers start at 0; correct the list, or `classes` of the data set's entry",
        )
    return found.astype(np.int32)
