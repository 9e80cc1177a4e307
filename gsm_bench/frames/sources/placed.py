"""Find the frames of a video below a folder or URL: a folder of pictures, a video file, an HDF5 file or an archive."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.archive import Archive, ArchiveReader
from gsm_bench.frames.sources.folder import FolderReader
from gsm_bench.frames.sources.forms import ARCHIVES, FRAME_FILES, HDF5, VIDEOS, without_suffix
from gsm_bench.frames.sources.hdf5 import Hdf5Reader
from gsm_bench.frames.sources.names import FrameNames, composed
from gsm_bench.frames.sources.readers import FrameReader
from gsm_bench.frames.sources.remote import connection_to
from gsm_bench.frames.sources.remote_readers import CopiedPictures, CopiedVideo, RemoteFolderReader
from gsm_bench.places import Place, RemoteUrl
from gsm_bench.settings import Prefer
from gsm_bench.splits import Video

SUFFIXES = ("", *VIDEOS, *FRAME_FILES)
"""Suffixes of what may hold a video, in the order in which they are tried; empty for a folder."""
KNOWN = frozenset(SUFFIXES)


def frame_folder(pattern: str, video: Video) -> str:
    """Path of the frames of `video` below a root: a folder, or a file without its suffix.

    Raises:
        FrameError: its id, recording or participant names a place outside of the root.
    """
    for name in (video.id, video.container, video.participant):
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise FrameError(f"video {video.id!r}: {name!r} leads out of the frame directory")
    folder = pattern.rpartition("/")[0]
    return folder.format(id=video.id, video=video.container, participant=video.participant)


class PlacedReaders:
    """Readers of the videos below one folder, each in a folder or file named by a pattern of the data set.

    A video may have any of the forms, and several of them. Which one is read depends on `prefer`, then on the order of
    patterns and suffixes, and never on what was read before.

    Args:
        entry: gives the patterns.
        root: the folder.
        prefer: which form is read if a video has a folder of pictures and a file.
    """

    def __init__(self, entry: DatasetEntry, root: Place, prefer: Prefer = "folder") -> None:
        self.root = root
        self._patterns = entry.frame_patterns
        self._first = entry.first_frame
        self.prefer = prefer
        self._names: dict[Place, dict[str, str]] = {}
        self._lock = threading.Lock()

    def __call__(self, video: Video) -> FrameReader:
        reader = self.find(video)
        if reader is None:
            folder = self.root / frame_folder(self._patterns[0], video)
            what = f"video {video.id!r} has no frames: no folder, video file or archive of that name"
            raise FrameError(what, where=str(folder))
        return reader

    def find(self, video: Video) -> FrameReader | None:
        """The reader of `video`, if there is one."""
        for pattern in self._patterns:
            folder = self.root / frame_folder(pattern, video)
            place = folder if self.prefer == "folder" and is_folder(folder) else next(self._places(folder), None)
            if place is not None:
                return reader_at(place, video.container, FrameNames.of_pattern(pattern, video, self._first))
        return None

    def forms(self, video: Video) -> list[FrameReader]:
        """Readers of all folders and files that hold `video`; the first is the one that `find` returns."""
        return [
            reader_at(place, video.container, FrameNames.of_pattern(pattern, video, self._first))
            for pattern in self._patterns
            for place in self._places(self.root / frame_folder(pattern, video))
        ]

    def _places(self, folder: Place) -> Iterator[Place]:
        """Folders and files of a video in the order of preference: under its name, else under its name without suffix."""
        parent = self._existing(folder.parent)
        for name in dict.fromkeys((folder.name, without_suffix(folder.name))):
            places = [place for suffix in SUFFIXES if (place := self._place(parent, name, suffix))]
            yield from sorted(places, key=lambda place: self.prefer == "file" and is_folder(place))
            if places:
                return

    def _place(self, parent: Place, name: str, suffix: str) -> Place | None:
        """The folder or file called `name` with `suffix`, if it may hold frames."""
        entry = self._listed(parent).get(_normal(name + suffix))
        if entry is None:
            return None
        place = parent / entry
        named_file = not suffix and place.suffix.lower() in VIDEOS  # a list may name a video with its suffix
        holds_frames = (is_file(place) and (suffix or named_file)) or (not suffix and is_folder(place))
        return place if holds_frames else None

    def _existing(self, folder: Place) -> Place:
        """A folder at or below the root, by its name as stored: accents may be composed in another way."""
        if folder == self.root or is_folder(folder):
            return folder
        parent = self._existing(folder.parent)
        return parent / self._listed(parent).get(_normal(folder.name), folder.name)

    def _listed(self, folder: Place) -> dict[str, str]:
        """Names in a folder by normal name, listed once; empty if it cannot be read."""
        with self._lock:
            if folder not in self._names:
                with suppress(OSError, ValueError):
                    self._names[folder] = {_normal(name): name for name in names_in(folder)}
            return self._names.setdefault(folder, {})

    def __getstate__(self) -> dict[str, Any]:
        """Other processes list folders themselves."""
        return self.__dict__ | {"_names": {}, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_lock": threading.Lock()}


def reader_at(place: Place, name: str, names: FrameNames | None) -> FrameReader:
    """The reader of one video in a folder or file of its own."""
    suffix = place.suffix.lower()
    if isinstance(place, RemoteUrl):
        if is_folder(place):
            return RemoteFolderReader(place, names or FrameNames("", 1, ".jpg"))
        copied = CopiedVideo if suffix in VIDEOS else CopiedPictures
        return copied(place, partial(reader_at, name=name, names=names))
    if suffix in HDF5 and place.is_file():
        return Hdf5Reader(place, name, alone=True)
    if suffix in ARCHIVES and place.is_file():
        return ArchiveReader(Archive(place), name, names, alone=True)
    if suffix in VIDEOS and place.is_file():
        from gsm_bench.frames.sources.video import VideoReader

        return VideoReader(place)
    return FolderReader(place, names or FrameNames("", 1, ".jpg"))


def names_in(folder: Place) -> list[str]:
    """Names of what lies in a folder, sorted; raises OSError or ValueError, at a URL FrameError."""
    if isinstance(folder, RemoteUrl):
        return sorted(connection_to(folder).kept_listing(folder))
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def is_folder(place: Place) -> bool:
    if isinstance(place, RemoteUrl):
        return not place.below or _is_folder_at(place) is True
    try:
        return place.is_dir()
    except (OSError, ValueError):  # no folder can have this name
        return False


def is_file(place: Place) -> bool:
    if isinstance(place, RemoteUrl):
        return _is_folder_at(place) is False
    try:
        return place.is_file()
    except (OSError, ValueError):  # no file can have this name
        return False


def _is_folder_at(place: RemoteUrl) -> bool | None:
    """Whether there is a folder, and no file, below a URL; None if there is nothing."""
    entry = connection_to(place).kept_listing(place.parent).get(place.name) if place.below else None
    return None if entry is None else entry.is_folder


def _normal(name: str) -> str:
    """A name for comparisons: accents composed, and the suffix of a video or archive in lower case."""
    stem, dot, suffix = name.rpartition(".")
    text = f"{stem}.{suffix.lower()}" if dot and f".{suffix.lower()}" in KNOWN else name
    return composed(text)
