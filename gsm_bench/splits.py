"""Splits: the videos of a data set in order, with labels and class names, read from annotation files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.actions import action_columns, are_pairs, parse_pairs
from gsm_bench.entries import DatasetEntry, SplitEntry
from gsm_bench.errors import SplitError
from gsm_bench.files import file_sha256
from gsm_bench.id_array import IdArray
from gsm_bench.layouts import READERS, SPLIT_READERS
from gsm_bench.layouts.plain import read_plain
from gsm_bench.layouts.rows import ListRows, Numbers, Segments, csv_rows, first_existing, first_list

Labels = NDArray[np.int32]
MOST_FRAMES = 100_000_000
"""A list with more frames than this in one video is wrong: 19 days at 60 frames per second."""


@dataclass(frozen=True)
class Video:
    """One item of a split: a video, or a segment of a longer one.

    Attributes:
        id: unique in the split.
        num_frames: number of frames in the list, 0 if it gives none.
        row: row in the split, from 0.
        video, participant: recording that contains the segment, and who recorded it; empty for a video.
        start: frame number of the segment's first frame in its recording, from 1.
    """

    id: str
    num_frames: int
    row: int
    video: str = ""
    participant: str = ""
    start: int = 1

    @property
    def container(self) -> str:
        """Name of the recording that contains its frames."""
        return self.video or self.id


@dataclass(frozen=True)
class Split:
    """The videos of a split in list order.

    Attributes:
        ids: N unique ids; any sequence of strings is converted.
        num_frames: int64 [N], 0 where the list gives none.
        labels: int32 [N] per task; empty for a split without labels.
        class_names: C names in column order per task; empty without a class file.
        list_path: the list file.
        full_size: number of videos of the complete split, where known.
        groups: int64 [N], equal for videos that are not independent; None where all are independent.
        segments: places of segments in longer recordings; None where every item is a video.
        columns: meaning of the columns of a plain list; inferred: whether they follow from the values alone.
        note: how the list was read, where that is not obvious.
        version: release of the list where several have unlike labels; empty if there is one, or it is none of them.
        label_sets: bool [N, C], the classes of each video of a multi-label data set, which has no `labels`; else None.
        list_files: hexadecimal sha256 of the list file and of the file of groups, by name.
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
    columns: tuple[str, ...] = ()
    inferred: bool = False
    note: str = ""
    version: str = ""
    label_sets: NDArray[np.bool_] | None = None
    list_files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", IdArray.of(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sha256(self) -> str:
        """Hexadecimal sha256 of the ids joined by newline."""
        return self.ids.sha256

    def video(self, row: int) -> Video:
        """The video of a row."""
        frames, segments = int(self.num_frames[row]), self.segments
        if segments is None:
            return Video(self.ids[row], frames, row)
        return Video(
            self.ids[row], frames, row, segments.videos[row], segments.participants[row], int(segments.starts[row])
        )

    def sample(self, count: int) -> list[Video]:
        """At most `count` videos at equal distances, from the first on."""
        return [self.video(row) for row in range(0, len(self), max(1, -(-len(self) // count)))]

    def head(self, limit: int) -> Split:
        """A split of the first `limit` videos."""
        return self.reordered(np.arange(min(limit, len(self))))

    def spread(self, count: int) -> Split:
        """A split of `count` videos at equal distances, in list order; all of a smaller split."""
        return self if count >= len(self) else self.reordered(np.arange(count) * len(self) // count)

    def reordered(self, rows: NDArray[np.int64]) -> Split:
        """A split of the videos in rows int64 [n], in that order."""
        return replace(
            self,
            ids=self.ids.take(rows),
            num_frames=self.num_frames[rows],
            labels={task: values[rows] for task, values in self.labels.items()},
            groups=None if self.groups is None else self.groups[rows],
            label_sets=None if self.label_sets is None else self.label_sets[rows],
            segments=None if self.segments is None else self.segments.rows(rows),
        )


def ids_sha256(ids: Sequence[str]) -> str:
    """Hexadecimal sha256 of ids joined by newline."""
    return IdArray.of(ids).sha256


def read_split(entry: DatasetEntry, split: str, data: Path, columns: Sequence[str] = ()) -> Split:
    """Read one split of a data set from the directory `data`; `columns` as for `read_list`.

    Raises:
        SplitError: the split is unknown, its list is missing, or the list does not match the layout.
    """
    names = _split_entry(entry, split).lists
    if not data.is_dir():
        raise SplitError(
            f"no data directory for {entry.name}",
            where=data,
            fix="name it with --data DIR, or put a link there",
        )
    path = first_list(data, names) or _pickled(data, names)
    if path is None:
        raise SplitError(
            f"no list of {entry.name}/{split} in this directory; expected {', '.join(names)}",
            where=data,
            fix="put one of them there, or add [datasets.NAME] to a .toml file in manifests/ of the workspace",
        )
    return read_list(entry, split, path, columns)


def read_list(entry: DatasetEntry, split: str, path: Path, columns: Sequence[str] = ()) -> Split:
    """Read one split from the list file `path` and the class files beside it.

    `columns` is the meaning of the columns of a plain list, by default that of the entry; else they are recognised.
    """
    columns = columns or _split_entry(entry, split).columns
    rows = read_plain(entry, path, columns) if columns else _rows(entry, _split_entry(entry, split), path)
    if not len(rows.ids):
        raise SplitError("this list is empty", where=path, fix="write a row per video: <id> <frames> <class>")
    ids = _ids(rows, path)
    repeated = ids.first_repeated()
    if rows.inferred and repeated is not None:  # ids may contain spaces and numbers
        rows = read_plain(entry, path, by_row=True)
        ids = _ids(rows, path)
        repeated = ids.first_repeated()
    if repeated is not None:
        raise SplitError(
            f"duplicate id {ids[repeated]!r}", where=f"{path}, row {repeated + 1}", fix="remove one of the rows"
        )
    most = np.asarray(rows.num_frames).max()
    if most > MOST_FRAMES:
        raise SplitError(
            f"{most:,} frames in one video", where=path, fix="write the number of frames into the second column"
        )
    split_entry = _split_entry(entry, split)
    groups, groups_path = _groups(split_entry, rows, path.parent)
    version = _version(split_entry, len(ids), path)
    return Split(
        dataset=entry.name,
        name=split,
        ids=ids,
        num_frames=np.asarray(rows.num_frames, dtype=np.int64),
        labels=_labels(entry, rows, ids, path),
        class_names=dict(rows.class_names),
        list_path=path,
        full_size=split_entry.videos or split_entry.versions.get(version),
        groups=groups,
        segments=rows.segments,
        columns=rows.columns,
        inferred=rows.inferred,
        note=_version_note(split_entry, version, len(ids), path),
        version=version,
        label_sets=_label_sets(rows, entry.tasks["action"]) if rows.label_sets else None,
        list_files={
            each.name: file_sha256(each) for each in (*(rows.files or [path]), groups_path) if each and each.is_file()
        },
    )


def _label_sets(rows: ListRows, classes: int) -> NDArray[np.bool_]:
    """Bool [N, C] of sets of class numbers."""
    sets = np.zeros((len(rows.ids), classes), bool)
    for row, own in enumerate(rows.label_sets):
        sets[row, list(own)] = True
    return sets


def _version(split: SplitEntry, videos: int, path: Path) -> str:
    """The release whose list has as many videos; empty if none has.

    Raises:
        SplitError: the name of the list says another release.
    """
    version = next((name for name, count in split.versions.items() if count == videos), "")
    named = next((name for name in split.versions if name.lower() in re.split(r"[^a-z0-9]+", path.stem.lower())), "")
    if version and named not in ("", version):
        raise SplitError(
            f"this list is named {named}, but has the {videos:,} videos of {version}", where=path,
            fix=f"download the list of {named} again, or rename this one",
        )  # fmt: skip
    return version


def _version_note(split: SplitEntry, version: str, videos: int, path: Path) -> str:
    """Which release the labels are of, and which lists of others lie beside it; empty where there is only one."""
    if not split.versions:
        return ""
    sizes = ", ".join(f"{name} has {count:,}" for name, count in split.versions.items())
    known = f"the labels of {version}" if version else f"labels of none of the releases ({sizes})"
    others = [
        name for name in split.lists if Path(name).name != path.name and (path.parent / Path(name).name).is_file()
    ]
    beside = f"; not read, with other labels perhaps: {', '.join(others)}" if others else ""
    return f"{path.name} has {videos:,} videos and {known}{beside}"


def _rows(entry: DatasetEntry, split: SplitEntry, path: Path) -> ListRows:
    if entry.layout in SPLIT_READERS:
        return SPLIT_READERS[entry.layout](entry, split, path)
    if entry.layout in READERS:
        return READERS[entry.layout](entry, path)
    raise SplitError(
        f"this version cannot read lists of the layout {entry.layout!r}", where=path, fix="use another data set"
    )


def with_action_labels(labels: Mapping[str, Labels], action_names: Sequence[str]) -> dict[str, Labels]:
    """Labels int32 [N] per task; those of actions follow from verb and noun if action names are pairs."""
    if {"verb", "noun"} <= labels.keys() and are_pairs(action_names):
        return {**labels, "action": action_columns(parse_pairs(action_names), labels["verb"], labels["noun"])}
    return dict(labels)


def _labels(entry: DatasetEntry, rows: ListRows, ids: IdArray, path: Path) -> dict[str, Labels]:
    classes = {task: count or len(rows.class_names.get(task, ())) for task, count in entry.tasks.items()}
    labels = {task: _checked_labels(values, classes[task], ids, path) for task, values in rows.labels.items()}
    return with_action_labels(labels, rows.class_names.get("action", ()))


def _groups(entry: SplitEntry, rows: ListRows, directory: Path) -> tuple[NDArray[np.int64] | None, Path | None]:
    """Group numbers int64 [N] of the videos, None where the split has no groups or their file is missing; and their file.

    Segments of one recording are a group unless the entry names a column; else the list itself may name groups.
    """
    if not entry.groups and rows.segments is not None:
        return np.unique(rows.segments.videos, return_inverse=True)[1].astype(np.int64), None
    if not entry.groups and rows.groups:
        return np.unique(rows.groups, return_inverse=True)[1].astype(np.int64), None
    ids = rows.ids
    name, _, column = entry.groups.partition(":")
    path = directory / name
    if not name or not path.is_file():
        return None, None
    table = csv_rows(path)
    if not table or not {"id", column} <= table[0].keys():
        raise SplitError(
            f"this file lacks the column id or {column}", where=path, fix="correct `groups` of the data set's entry"
        )
    group_of = {row["id"]: row[column] for row in table}
    missing = next((name for name in ids if name not in group_of), None)
    if missing is not None:
        raise SplitError(f"video {missing!r} has no {column} here", where=path, fix="use the file of the same release")
    return np.unique([group_of[name] for name in ids], return_inverse=True)[1].astype(np.int64), path


def _split_entry(entry: DatasetEntry, split: str) -> SplitEntry:
    if split not in entry.splits:
        raise SplitError(f"{entry.name} has no split {split!r}", fix=f"--split is one of {', '.join(entry.splits)}")
    return entry.splits[split]


def _pickled(data: Path, names: Sequence[str]) -> Path | None:
    """The pandas pickle of a missing csv list, which its reader refuses with a fix."""
    return first_existing(data, [str(Path(name).with_suffix(".pkl")) for name in names if name.endswith(".csv")])


def _ids(rows: ListRows, path: Path) -> IdArray:
    try:
        return IdArray.of(rows.ids)
    except ValueError as error:
        raise SplitError(f"this list cannot be read: {error}", where=path, fix="give a UTF-8 text file") from error


def _checked_labels(labels: Numbers, classes: int, ids: IdArray, path: Path) -> Labels:
    values = np.asarray(labels)
    if values.size and not (values.min() >= 0 and values.max() < classes):
        row = int(np.flatnonzero((values < 0) | (values >= classes))[0])
        raise SplitError(
            f"class {labels[row]} of video {ids[row]!r} is not among 0..{classes - 1}"
            + ("; these labels seem to count from 1" if values.min() == 1 and values.max() == classes else ""),
            where=f"{path}, row {row + 1}",
            fix="class numbers start at 0; correct the list, or `classes` of the data set's entry",
        )
    return values.astype(np.int32)
