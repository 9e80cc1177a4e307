"""Lists of HMDB51: one file per class and split, as its owners publish them.

The files are ``<class>_test_split<1..3>.txt`` with rows ``<video>.avi <mark>``: 1 is training, 2 is test, 0 is in neither.
Each file of the release marks 70 videos with 1 and 30 with 2. Source: ``split_readme.txt`` beside the lists, and Kuehne et
al., HMDB: a large video database for human motion recognition, ICCV 2011.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from gsm_bench.entries import DatasetEntry, SplitEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.rows import ListRows, class_names, text_lines, without_video_suffix

MARKS = ("0", "1", "2")
SPLIT_FILE = re.compile(r"(?P<action>[^.].*)(?P<rest>_test_split[0-9]+\.txt)")
VIDEO_NAME = re.compile(r"(?P<source>.+)_[a-z]_[a-z]{2}_np[0-9]+_[a-z]{2}_[a-z]{3}_[0-9]+")
"""``<source>_<class>_<body>_<camera>_<people>_<direction>_<quality>_<number>``, after the page of the data set."""


def read_hmdb51(entry: DatasetEntry, split: SplitEntry, path: Path) -> ListRows:
    """Rows of a split from its files of all classes, which lie beside `path`, one of them.

    Ids are ``<class>/<video>`` without the suffix; classes are the sorted names of the files. Videos of one source, such as
    a film, are a group.

    Raises:
        SplitError: a class or a row is missing, unknown or contradicts another one.
    """
    files = _class_files(entry, split, path)
    ids, labels, groups = [], [], []
    for label, (action, file) in enumerate(files.items()):
        for video, mark in _marks(file):
            if mark == split.mark:
                ids.append(f"{action}/{video}")
                labels.append(label)
                groups.append(_source(video, action))
    return ListRows(
        ids, [0] * len(ids), {"action": labels}, {"action": tuple(files)}, groups=groups, files=tuple(files.values())
    )


def _class_files(entry: DatasetEntry, split: SplitEntry, path: Path) -> dict[str, Path]:
    """The file of each class in the order of its names."""
    match = SPLIT_FILE.fullmatch(path.name)
    if match is None or not any(fnmatchcase(path.name, Path(name).name) for name in split.lists):
        raise SplitError(
            f"{path.name!r} is not a list of this split",
            where=path,
            fix=f"use the files {split.lists[0]} of the release",
        )
    matches = [SPLIT_FILE.fullmatch(file.name) for file in sorted(path.parent.iterdir())]
    files = {one["action"]: path.with_name(one[0]) for one in matches if one and one["rest"] == match["rest"]}
    names = class_names(entry, path.parent)
    if names and set(names) != files.keys():
        odd = min(set(names) ^ files.keys())
        raise SplitError(
            f"{odd!r} has {'a list, but is not among the class names' if odd in files else 'no list here'}",
            where=path.parent, fix=f"use all files *{match['rest']} of the release",
        )  # fmt: skip
    if len(files) != entry.tasks["action"]:
        raise SplitError(
            f"lists of {len(files)} of the {entry.tasks['action']} classes, so the numbers of classes are unknown",
            where=path.parent, fix=f"use all files *{match['rest']} of the release, one per class",
        )  # fmt: skip
    return {name: files[name] for name in sorted(files)}


def _marks(path: Path) -> Iterator[tuple[str, int]]:
    """Each video of a class without its suffix, with its mark."""
    known: dict[str, str] = {}
    for line, text in enumerate(text_lines(path), start=1):
        if not text.strip():
            continue
        video, *mark = text.strip().rsplit(None, 1)
        where = f"{path}, line {line}"
        if not mark or mark[0] not in MARKS:
            raise SplitError(
                f"{text.strip()[:80]!r} is not <video>.avi with 0, 1 or 2", where=where, fix="download the file again"
            )
        name = without_video_suffix(re.split(r"[/\\]", video)[-1])
        if name in known:
            marks = f"is marked {known[name]} and {mark[0]}" if mark[0] != known[name] else "is listed twice"
            raise SplitError(f"duplicate id: {name!r} {marks}", where=where, fix="download the file again")
        known[name] = mark[0]
        yield name, int(mark[0])
    if not known:
        raise SplitError("this list is empty", where=path, fix="download the file again")


def _source(video: str, action: str) -> str:
    """What a video was cut from; the video itself if its name does not say."""
    match = VIDEO_NAME.fullmatch(video)
    return match["source"].removesuffix(f"_{action}") if match else f"{action}/{video}"
