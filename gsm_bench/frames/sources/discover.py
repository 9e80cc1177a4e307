"""Every video below a place, whatever form its frames have, without a list that names them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.archive import Archive, ArchiveReader
from gsm_bench.frames.sources.folder import FolderReader
from gsm_bench.frames.sources.hdf5 import Hdf5Reader, open_frames
from gsm_bench.frames.sources.names import AS_FOUND, Naming, is_picture
from gsm_bench.frames.sources.open import ARCHIVES, HDF5, READABLE, VIDEOS
from gsm_bench.frames.sources.readers import FrameReader

Named = tuple[str, str, FrameReader]
"""The name of a video's own folder or file, the name of the folder above, and its reader."""


SAY_NOTHING = {"frames", "frame", "images", "imgs", "img", "rgb", "rgb_frames", "jpg", "jpgs"}
"""Names of folders that do not name a video."""


def survey(place: Path, naming: Naming = AS_FOUND, *, without: Path | None = None) -> dict[str, FrameReader]:
    """The reels below `place` by the names of their videos, sorted.

    A video is called as its folder or file; where all are called ``frames`` or the like, as the folder above.

    Args:
        naming: of pictures.
        without: a file that is none of them.

    Raises:
        FrameError: nothing is there, or two videos have one name.
    """
    all_found = list(_Survey(naming, without).readers(place))
    own = {name.lower() for name, _, _ in all_found}
    alike = len(all_found) > 1 and len(own) == 1 and own <= SAY_NOTHING
    found: dict[str, FrameReader] = {}
    for name, above, reader in all_found:
        called = above if alike else name
        if called in found:
            raise FrameError(
                f"two videos are called {called!r}: {found[called].where} and {reader.where}", where=place,
                fix="give the folder of one of them",
            )  # fmt: skip
        found[called] = reader
    if not found:
        raise FrameError("there are no frames and no videos here", where=place, fix=READABLE)
    return dict(sorted(found.items()))


class _Survey:
    def __init__(self, naming: Naming, without: Path | None) -> None:
        self.names, self.first = naming.names, naming.first
        self.without = without.absolute() if without else None

    def readers(self, place: Path) -> Iterator[Named]:
        suffix = place.suffix.lower()
        if place.is_dir():
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

    def _in_hdf5(self, place: Path) -> Iterator[Named]:
        try:
            with open_frames(place) as file:
                names = list(file)
        except FrameError:
            names = [place.stem]  # whoever reads it learns what is wrong
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
        """A folder with numbered pictures is a video; whatever else lies there is searched."""
        inside, pictures = [], False
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_picture(entry.name):
                    pictures = pictures or any(map(str.isdecimal, entry.name))
                elif not entry.name.startswith("."):
                    inside.append(entry.path)
        if pictures:
            whole = folder.absolute()
            yield whole.name, whole.parent.name, FolderReader(folder, self.names, self.first)
        for path in sorted(inside):
            yield from self.readers(Path(path))
