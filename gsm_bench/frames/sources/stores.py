"""Files and folders that hold the frames of many videos: archives, HDF5 and LMDB files, GulpIO chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Protocol

import h5py

from gsm_bench.frames.sources.archive import Archive, ArchiveReader
from gsm_bench.frames.sources.forms import ARCHIVES, HDF5, LMDB
from gsm_bench.frames.sources.gulp import META, GulpStore
from gsm_bench.frames.sources.hdf5 import Hdf5Reader, name_in, open_frames, stored_encoding
from gsm_bench.frames.sources.lmdb import DATA, LmdbStore
from gsm_bench.frames.sources.names import FrameNames
from gsm_bench.frames.sources.readers import FrameReader
from gsm_bench.frames.sources.remote_readers import RemoteArchive, RemoteArchiveReader
from gsm_bench.places import Place, RemoteUrl

SHOWN = 3
"""Number of names in a message."""


class VideoStore(Protocol):
    """One file or folder with the frames of many videos; safe to send to other processes.

    Attributes:
        form: what it has to hold, in words.
    """

    @property
    def path(self) -> Place: ...

    @property
    def form(self) -> str: ...

    @property
    def encoding(self) -> str:
        """See `FrameSource`."""

    def names(self) -> Sequence[str]:
        """Some names of what is in it, for messages; raises FrameError if it is damaged as a whole."""

    def holds_any(self, names: Iterable[str]) -> bool:
        """Whether it has a video of one of these names."""

    def reader(self, name: str, names: FrameNames | None, first: int | None = None) -> FrameReader:
        """The reader of a video; `names` are those of its frames, None infers them, numbered from `first`."""


class ArchiveStore:
    """A tar or zip file with a folder per video, on this machine or at a URL."""

    form = "pictures in a folder per video, anywhere in the archive"
    encoding = ""

    def __init__(self, path: Place) -> None:
        self.path = path
        self._archive = RemoteArchive(path) if isinstance(path, RemoteUrl) else Archive(path)

    def names(self) -> Sequence[str]:
        return [folder or "(no folder)" for folder in self._archive.folders()]

    def holds_any(self, names: Iterable[str]) -> bool:
        return any(self._archive.folders_called(name) for name in names)

    def reader(self, name: str, names: FrameNames | None, first: int | None = None) -> FrameReader:
        if isinstance(self._archive, RemoteArchive):
            return RemoteArchiveReader(self._archive, name, names, first=first)
        return ArchiveReader(self._archive, name, names, first=first)


class Hdf5Store:
    """An HDF5 file with a dataset per video."""

    form = "one variable-length row of bytes per frame, in a dataset per video"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.encoding = stored_encoding(path)

    def names(self) -> Sequence[str]:
        with open_frames(self.path) as content:
            file = content.file
            return [f"{name}/.." if isinstance(file[name], h5py.Group) else name for name in islice(file, SHOWN)]

    def holds_any(self, names: Iterable[str]) -> bool:
        with open_frames(self.path) as content:
            return any(name_in(content.file, name) is not None for name in names)

    def reader(self, name: str, names: FrameNames | None, first: int | None = None) -> FrameReader:
        return Hdf5Reader(self.path, name)


def is_store(place: Place) -> bool:
    """Whether a folder of this machine is a database or holds chunks, and no videos."""
    if isinstance(place, RemoteUrl):
        return False
    with suppress(OSError, ValueError):  # no folder can have this name, or it cannot be read
        return (place / DATA).is_file() or (place.is_dir() and next(place.glob(f"*{META}"), None) is not None)
    return False


def store_at(place: Place) -> VideoStore | None:
    """The store at a place; None if it is a folder of videos, or a file that cannot hold the frames of several.

    Of what lies at a URL, archives alone are read.

    Raises:
        FrameError: the file is damaged as a whole.
    """
    if isinstance(place, RemoteUrl):
        return ArchiveStore(place) if place.suffix.lower() in ARCHIVES else None
    if place.is_dir():
        if not is_store(place):
            return None
        return LmdbStore(place) if (place / DATA).is_file() else GulpStore(place)
    stores: dict[str, Callable[[Path], VideoStore]] = {
        **dict.fromkeys(ARCHIVES, ArchiveStore), **dict.fromkeys(HDF5, Hdf5Store), **dict.fromkeys(LMDB, LmdbStore),
    }  # fmt: skip
    store = stores.get(place.suffix.lower())
    return store(place) if store else None
