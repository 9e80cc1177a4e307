"""Find all videos below a folder, in any form, without a list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.archive import Archive, ArchiveReader
from gsm_bench.frames.sources.folder import FolderReader
from gsm_bench.frames.sources.forms import ARCHIVES, HDF5, LMDB, READABLE, VIDEOS
from gsm_bench.frames.sources.hdf5 import Hdf5Reader, open_frames
from gsm_bench.frames.sources.names import INFER_NAMES, Naming, is_picture
from gsm_bench.frames.sources.readers import FrameReader
from gsm_bench.frames.sources.stores import is_store, store_at

Named = tuple[str, str, FrameReader]
"""Name of a video's own folder or file, name of the folder above, and its reader."""
GENERIC_NAMES = {"frames", "frame", "images", "imgs", "img", "rgb", "rgb_frames", "jpg", "jpgs"}
"""Folder names that do not name a video."""


def discover(place: Path, naming: Naming = INFER_NAMES, *, without: Path | None = None) -> dict[str, FrameReader]:
    """Readers of all videos below `place` by name, sorted.

    A video has the name of its folder or file; if all are called ``frames`` or similar, that of the folder above.

    Args:
        naming: file names of pictures.
        without: a file to leave out.

    Raises:
        FrameError: there are no videos, or two have the same name.
    """
    candidates = list(_Discovery(naming, without).readers(place))
    own = {name.lower() for name, _, _ in candidates}
    generic = len(candidates) > 1 and len(own) == 1 and own <= GENERIC_NAMES
    readers: dict[str, FrameReader] = {}
    for own_name, above, reader in candidates:
        name = above if generic else own_name
        if name in readers:
            raise FrameError(
                f"two videos are called {name!r}: {readers[name].where} and {reader.where}", where=place,
                fix="give the folder of one of them",
            )  # fmt: skip
        readers[name] = reader
    if not readers:
        raise FrameError("there are no frames and no videos here", where=place, fix=READABLE)
    return dict(sorted(readers.items()))


class _Discovery:
    def __init__(self, naming: Naming, without: Path | None) -> None:
        self.names, self.first = naming.names, naming.first
        self.without = without.absolute() if without else None

    def readers(self, place: Path) -> Iterator[Named]:
        suffix = place.suffix.lower()
        if is_store(place) or suffix in LMDB:
            yield from self._in_store(place)
        elif place.is_dir():
            yield from self._below(place)
        elif place.absolute() == self.without:
            return
        elif suffix in VIDEOS:
            from gsm_bench.frames.sources.video import VideoReader

            yield place.stem, place.absolute().parent.name, VideoReader(place)
        elif suffix in HDF5:
            yield from self._in_hdf5(place)
        elif suffix in ARCHIVES:
            yield from self._in_archive(place)

    def _in_store(self, place: Path) -> Iterator[Named]:
        store = store_at(place)
        names = store.names() if store else ()
        yield from ((name, place.stem, store.reader(name, self.names, self.first)) for name in names if store)

    def _in_hdf5(self, place: Path) -> Iterator[Named]:
        try:
            with open_frames(place) as content:
                names = list(content.file)
        except FrameError:
            names = [place.stem]  # reading it reports the error
        yield from ((name, place.stem, Hdf5Reader(place, name)) for name in names)

    def _in_archive(self, place: Path) -> Iterator[Named]:
        archive = Archive(place)
        try:
            folders = archive.folders()
        except FrameError:
            yield place.stem, place.absolute().parent.name, ArchiveReader(archive, place.stem, None, alone=True)
            return
        for folder, places in folders.items():
            if any(map(is_picture, places.names)):
                above, _, name = folder.rpartition("/")
                reader = ArchiveReader(archive, name or place.stem, self.names, first=self.first, folder=folder)
                yield name or place.stem, above.rpartition("/")[2] or place.stem, reader

    def _below(self, folder: Path) -> Iterator[Named]:
        """A folder with numbered pictures is a video; everything else in it is searched."""
        inside, pictures = [], False
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_picture(entry.name):
                    pictures = pictures or any(map(str.isdecimal, entry.name))
                elif not entry.name.startswith("."):
                    inside.append(entry.path)
        if pictures:
            path = folder.absolute()
            yield path.name, path.parent.name, FolderReader(folder, self.names, self.first)
        for entry_path in sorted(inside):
            yield from self.readers(Path(entry_path))
