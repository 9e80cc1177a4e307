"""Every video below a place, whatever form its frames have, without a list that names them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.archive import Archive, ArchiveReel
from gsm_bench.frames.sources.folder import FolderReel
from gsm_bench.frames.sources.hdf5 import Hdf5Reel, open_frames
from gsm_bench.frames.sources.opening import ARCHIVES, HDF5, READABLE, VIDEOS
from gsm_bench.frames.sources.reels import FrameNames, Reel, is_picture


def survey(place: Path, first_frame: int = 1) -> dict[str, Reel]:
    """The reels below `place` by the names of their videos, sorted; `first_frame` as in `DatasetEntry`.

    Raises:
        FrameError: nothing is there, or two videos have one name.
    """
    found: dict[str, Reel] = {}
    for name, reel in _reels(place, first_frame):
        if name in found:
            raise FrameError(
                f"two videos are called {name!r}: {found[name].where} and {reel.where}", where=place,
                fix="give the folder of one of them",
            )  # fmt: skip
        found[name] = reel
    if not found:
        raise FrameError("there are no frames and no videos here", where=place, fix=READABLE)
    return dict(sorted(found.items()))


def _reels(place: Path, first: int) -> Iterator[tuple[str, Reel]]:
    if place.is_dir():
        yield from _below(place, first)
    elif place.suffix.lower() in VIDEOS:
        from gsm_bench.frames.sources.video import VideoReel

        yield place.stem, VideoReel(place)
    elif place.suffix.lower() in HDF5:
        yield from _in_hdf5(place)
    elif place.suffix.lower() in ARCHIVES:
        yield from _in_archive(place, first)


def _in_hdf5(place: Path) -> Iterator[tuple[str, Reel]]:
    try:
        with open_frames(place) as file:
            names = list(file)
    except FrameError:
        names = [place.stem]  # whoever reads it learns what is wrong
    yield from ((name, Hdf5Reel(place, name)) for name in names)


def _in_archive(place: Path, first: int) -> Iterator[tuple[str, Reel]]:
    archive = Archive(place)
    try:
        folders = archive.folders()
    except FrameError:
        yield place.stem, ArchiveReel(archive, place.stem, None, alone=True)
        return
    for folder, places in folders.items():
        if any(map(is_picture, places.names)):
            name = PurePosixPath(folder).name or place.stem
            yield name, ArchiveReel(archive, name, None, alone=True, first=first)


def _below(folder: Path, first: int) -> Iterator[tuple[str, Reel]]:
    """A folder with pictures is a video; others are searched."""
    inside = sorted(entry.name for entry in os.scandir(folder))
    if names := FrameNames.guessed(inside, first):
        yield folder.name, FolderReel(folder, names)
        return
    for name in inside:
        if not name.startswith("."):
            yield from _reels(folder / name, first)
