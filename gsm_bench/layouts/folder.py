"""Data sets without lists: one folder per split, in it one folder per class, in it a file or folder per video.

Classes are the sorted names of their folders, as in the image folders of torchvision. Those of the training split decide, so
that a split without videos of some class numbers the others alike.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from gsm_bench.entries import DatasetEntry, SplitEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.rows import ListRows, class_names, first_existing, first_list

TRAIN = "train"
"""The split whose folders are the classes."""
NO_VIDEOS = (
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".webp",
    ".txt",
    ".csv",
    ".json",
    ".md",
    ".xml",
    ".yaml",
    ".npy",
    ".npz",
    ".pkl",
)
"""Suffixes of pictures and texts, which are refused in the place of a video."""
IGNORED = ("thumbs.db", "desktop.ini", "__macosx")
"""What operating systems leave behind, beside names that begin with a dot."""


def read_folder(entry: DatasetEntry, split: SplitEntry, path: Path) -> ListRows:
    """The videos below the folder `path` of a split.

    Ids are paths below the data directory without suffixes, ``val/<class>/<video>``.

    Raises:
        SplitError: a folder is not one of the classes, or something in it is no video.
    """
    if not path.is_dir():
        raise SplitError("a folder per class has no list", where=path, fix="--data DIR with the folders of the splits")
    prefix = _prefix(split, path)
    root = path.parents[len(prefix) - 1] if prefix else path  # not by "..", which leads elsewhere from a link
    folders = _by_name(path)
    if not prefix and not first_existing(root, entry.class_files):
        _refuse_splits(entry, folders)
    names = _classes(entry, root, folders, alone=not prefix)
    ids, labels = [], []
    for label, name in enumerate(names):
        for video in _videos(folders[name]) if name in folders else []:
            ids.append("/".join([*prefix, folders[name].name, video]))
            labels.append(label)
    if not ids:
        raise SplitError(
            "no videos in the folders of the classes", where=path, fix="put them into <split>/<class>/<video>"
        )
    return ListRows(ids, [0] * len(ids), {"action": labels}, {"action": tuple(names)})


def _prefix(split: SplitEntry, path: Path) -> tuple[str, ...]:
    """The parts of a split's folder below the data directory; none if it is that directory."""
    known = [Path(name).parts for name in split.lists]
    return next((parts for parts in known if parts and path.parts[-len(parts) :] == parts), ())


def _by_name(path: Path) -> dict[str, Path]:
    """The folders in a folder by name, accents composed, in the order of their names."""
    places = [place for place in path.iterdir() if place.is_dir() and not _ignored(place)]
    folders = {unicodedata.normalize("NFC", place.name): place for place in places}
    if not folders:
        raise SplitError("no folders of classes in this folder", where=path, fix="videos are <split>/<class>/<video>")
    if len(folders) != len(places):
        raise SplitError("two folders have one name, written in two ways", where=path, fix="join them")
    return dict(sorted(folders.items()))


def _refuse_splits(entry: DatasetEntry, folders: dict[str, Path]) -> None:
    """Refuse folders of splits in the place of classes."""
    lists = {Path(name).name for split in entry.splits.values() for name in split.lists}
    odd = next((name for name in folders if name in lists), None)
    if odd is not None:
        raise SplitError(
            f"{odd!r} is the folder of a split, not of a class", where=folders[odd].parent,
            fix="use --split with its name; if it is a class, name all classes in classes.txt, one per line",
        )  # fmt: skip


def _classes(entry: DatasetEntry, root: Path, folders: dict[str, Path], *, alone: bool) -> Sequence[str]:
    """Class names: of the class file, else of the training folder, else of the split's own folders."""
    file = first_existing(root, entry.class_files)
    train = first_list(root, entry.splits[TRAIN].lists) if TRAIN in entry.splits and not alone else None
    source, names = (file, class_names(entry, root)) if file else (train, tuple(_by_name(train) if train else folders))
    odd = next((name for name in folders if name not in names), None)
    if odd is not None:
        raise SplitError(
            f"the folder {odd!r} is not one of the {len(names)} classes of {source}", where=folders[odd],
            fix="move it away; or name all classes in classes.txt beside the splits, one per line",
        )  # fmt: skip
    wanted = entry.tasks["action"] or len(names)
    if len(names) != wanted:
        raise SplitError(
            f"{len(names)} folders of classes, but {entry.name} has {wanted} classes", where=train or root,
            fix="name all classes in classes.txt beside the splits, one per line, or correct `classes` of the entry",
        )  # fmt: skip
    return names


def _videos(folder: Path) -> list[str]:
    """Names of the videos of a class, sorted, files without their suffix; a video may have a file and a folder of frames."""
    names: dict[str, str] = {}
    for place in sorted(folder.iterdir()):
        if _ignored(place):
            continue
        kind = "folder" if place.is_dir() else "file"
        if kind == "file" and (not place.is_file() or not place.suffix or place.suffix.lower() in NO_VIDEOS):
            raise SplitError(
                f"{place.name!r} is no video", where=folder,
                fix="videos are <class>/<video>.mp4 or folders <class>/<video>/ of pictures; move other files away",
            )  # fmt: skip
        name = place.stem if kind == "file" else place.name
        if names.get(name) == kind:
            raise SplitError(f"duplicate id: two files of the video {name!r}", where=folder, fix="rename one of them")
        names[name] = kind
    return sorted(names)


def _ignored(place: Path) -> bool:
    return place.name.startswith(".") or place.name.lower() in IGNORED
