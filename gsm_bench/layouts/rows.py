"""The rows of a list file, and functions to open such files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.id_array import IdArray

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".webm")
Numbers = Sequence[int] | NDArray[np.int64]


@dataclass(frozen=True)
class Segments:
    """Places of N segments in longer recordings.

    Attributes:
        videos: N names of the recordings; any sequence of strings is converted.
        participants: N names of who recorded them, likewise.
        starts: int64 [N], number of the first frame in the recording, from 1.
    """

    videos: IdArray
    participants: IdArray
    starts: NDArray[np.int64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "videos", IdArray.of(self.videos))
        object.__setattr__(self, "participants", IdArray.of(self.participants))

    def rows(self, rows: NDArray[np.int64]) -> Segments:
        """The segments in rows int64 [n], in that order."""
        return Segments(self.videos.take(rows), self.participants.take(rows), self.starts[rows])


@dataclass(frozen=True)
class ListRows:
    """The rows of a list file.

    Attributes:
        ids: N video ids in list order.
        num_frames: N numbers of frames, 0 where the list gives none.
        labels: per task N class numbers; empty for a list without labels.
        class_names: C names in column order per task; empty without a class file.
        segments: places of segments in longer recordings; None where every item is a video.
        columns: meaning of the columns of a plain list; inferred: whether they follow from the values alone.
        groups: N names, equal for videos that are not independent; empty where the list does not say.
        files: the files that were read, where the list has several.
        label_sets: N sets of class numbers, in a multi-label data set, which has no `labels`.
    """

    ids: Sequence[str]
    num_frames: Numbers
    labels: Mapping[str, Numbers] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    segments: Segments | None = None
    columns: tuple[str, ...] = ()
    inferred: bool = False
    groups: Sequence[str] = ()
    files: tuple[Path, ...] = ()
    label_sets: Sequence[tuple[int, ...]] = ()


def named(entry: DatasetEntry, directory: Path) -> dict[str, tuple[str, ...]]:
    """The names of the action classes by task; empty without a class file in the directory."""
    names = class_names(entry, directory)
    return {"action": names} if names else {}


def class_names(entry: DatasetEntry, directory: Path) -> tuple[str, ...]:
    """The class names in column order; empty without a class file beside the list."""
    path = first_existing(directory, entry.class_files)
    if path is None:
        return ()
    numbered = _numbered_names(path) if path.suffix == ".json" else None
    if numbered is not None:
        names = numbered
    elif path.suffix == ".json":
        names = ["+".join(map(str, row)) if isinstance(row, list) else str(row) for row in load_json(path)]
    else:
        lines = [line for line in text_lines(path) if line]
        numbered = _numbered_lines(lines)
        names = numbered or lines
    if entry.class_order == "alphabetical":
        names = _sorted_names(names, path, numbered=numbered is not None)
    classes = entry.tasks["action"] or len(names)  # 0: counted here
    if len(names) != classes or len(set(names)) != classes:
        raise SplitError(
            f"{len(set(names))} different class names, but {entry.name} has {classes} classes",
            where=path,
            fix="use the class file of this data set, or correct `classes` of its entry",
        )
    return tuple(names)


def _numbered_names(path: Path) -> list[str] | None:
    """Names in numerical order from a JSON object of name to number; None for other JSON."""
    document = _parsed_json(path)
    if not isinstance(document, dict):
        return None
    try:
        names = sorted(document, key=lambda name: int(document[name]))
        if [int(document[name]) for name in names] != list(range(len(names))):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise SplitError(
            f"the classes are not numbered 0..{len(document) - 1}", where=path, fix="use the file of the release"
        ) from error
    return names


def _numbered_lines(lines: Sequence[str]) -> list[str] | None:
    """Names in numerical order from lines such as ``1 ApplyEyeMakeup``, the form of UCF101's classInd.txt.

    None unless every line begins with a number and the numbers count from 0 or from 1.
    """
    pairs = [re.fullmatch(r"(\d{1,9})[\s,;:]+(\S.*)", line) for line in lines]
    names = {int(pair[1]): pair[2].rstrip() for pair in pairs if pair}
    first = min(names, default=0)
    if not lines or len(names) != len(lines) or first > 1 or max(names) != first + len(lines) - 1:
        return None
    return [names[number] for number in sorted(names)]


def _sorted_names(names: list[str], path: Path, *, numbered: bool = False) -> list[str]:
    if (numbered or path.name == "category.txt") and names != sorted(names):
        line = next(at for at, pair in enumerate(zip(names, sorted(names), strict=True), start=1) if pair[0] != pair[1])
        raise SplitError(
            "class names not in alphabetical order: the lists beside it number other classes",
            where=f"{path}, line {line}",
            fix="use lists with sorted names, or an entry with class_order = 'file'",
        )
    return sorted(names)


def text_lines(path: Path) -> Iterable[str]:
    """The lines of a text file, without line breaks."""
    return whole_text(path).splitlines()


def whole_text(path: Path) -> str:
    """The text of a file; raises SplitError with the line unless it is UTF-8 without NUL characters."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_text(path, content, error.start) from error
    if "\0" in text:
        raise _no_text(path, content, content.index(b"\0"))
    return text


def _no_text(path: Path, content: bytes, at: int) -> SplitError:
    line = content.count(b"\n", 0, at) + 1
    return SplitError("this file is not UTF-8 text", where=f"{path}, line {line}", fix="give a UTF-8 text file")


def csv_rows(path: Path) -> list[Mapping[str, str]]:
    """The rows of a csv with a header; raises SplitError with the line if one is damaged or cut short."""
    reader = csv.DictReader(io.StringIO(whole_text(path), newline=""), strict=True)
    rows: list[Mapping[str, str]] = []
    try:
        for row in reader:
            if None in row.values():
                where = f"{path}, line {reader.line_num}"
                raise SplitError("this row is cut short", where=where, fix="download the file again")
            rows.append(row)
    except csv.Error as error:
        where = f"{path}, line {reader.line_num}"
        raise SplitError(f"this csv is damaged: {error}", where=where, fix="download the file again") from error
    return rows


def _parsed_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SplitError(f"this is not valid JSON: {error}", where=path, fix="download it again") from error


def load_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises SplitError for any other content."""
    document = _parsed_json(path)
    if not isinstance(document, dict):
        raise SplitError("this JSON file is not an object", where=path, fix="use the file of the data set's release")
    return document


def load_json(path: Path) -> list[Any]:
    """The list in a JSON file; raises SplitError for any other content."""
    document = _parsed_json(path)
    if not isinstance(document, list):
        raise SplitError("this JSON file is not a list", where=path, fix="use the file of the data set's release")
    return document


def first_existing(directory: Path, names: Sequence[str]) -> Path | None:
    """The path of the first name that is a file in the directory; None if none is."""
    return next((directory / name for name in names if (directory / name).is_file()), None)


def first_list(directory: Path, names: Sequence[str]) -> Path | None:
    """The path of the first list that is in the directory; None if none is.

    A name with ``*`` stands for lists of several files: the first of them in the order of their names is taken. A name with
    a slash at its end is a folder.
    """
    for name in names:
        if name.endswith("/"):
            if (directory / name).is_dir():
                return directory / name
            continue
        matches = sorted(directory.glob(name)) if "*" in name else [directory / name]
        place = next((path for path in matches if path.is_file() and not path.name.startswith("._")), None)
        if place is not None:
            return place
    return None


def lists_there(directory: Path, entry: DatasetEntry) -> dict[str, Path]:
    """The lists in a directory by split; the directory itself only where it holds no other one."""
    places = {name: first_list(directory, split.lists) for name, split in entry.splits.items()}
    present = {name: place for name, place in places.items() if place is not None}
    inside = {name: place for name, place in present.items() if place != directory}
    return inside or present


def without_video_suffix(name: str) -> str:
    """The name of a video file without the suffix of its format; other dots belong to the name."""
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix.lower()}" in VIDEO_SUFFIXES else name
