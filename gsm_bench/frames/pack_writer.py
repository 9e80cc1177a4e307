"""Write packed videos into parts: HDF5 files of bounded size, each written completely or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from gsm_bench.errors import FrameError
from gsm_bench.files import aside, commit, ensure_room
from gsm_bench.frames.sources.hdf5 import BYTES
from gsm_bench.hdf5_writer import Hdf5Writer

LIBVER = ("v110", "v110")
"""HDF5 1.10 and later can read it; older layouts slow down with hundreds of thousands of names in one group."""
PART_BYTES = 256_000_000
PART_VIDEOS = 256
"""Limits of a part: a kill loses at most one part."""
ROOM_BYTES = 1_000_000
"""Free space needed in addition to the pictures, for the directory of a part."""


@dataclass(frozen=True)
class VideoRows:
    """Some frames of a video.

    Attributes:
        rows: encoded bytes by frame number.
        first, last: whether this is the first or the last chunk of its video.
        total: number of rows of the video.
    """

    name: str
    rows: dict[int, bytes]
    first: bool
    last: bool
    total: int


class PartWriter:
    """Writes videos into parts, one HDF5 file each; a full part is renamed into place."""

    def __init__(self, folder: Path, first_part: int) -> None:
        self.folder = folder
        self.number = first_part
        self.frames = 0
        self._writer: Hdf5Writer | None = None
        self._bytes = self._videos = 0
        self._current: str | None = None

    def add(self, name: str, chunks: Iterator[VideoRows | FrameError]) -> str:
        """Write one video; returns the problem of a bad one, of which nothing is kept."""
        file, frames, problem, present = self._open(), None, "", list[int]()
        self._current = name
        for chunk in chunks:
            if isinstance(chunk, FrameError):
                problem = problem or f"{chunk.what} ({chunk.where})"
            elif not problem:
                frames = file.create_dataset(name, chunk.total, BYTES) if frames is None else frames
                present += chunk.rows
                self._put(frames, chunk.rows)
        if problem or frames is None:
            self._drop()
            return problem or "there are no frames"
        missing = sorted(set(range(1, len(frames) + 1)) - set(present))
        if missing:
            frames.attrs["missing"] = missing
        self._current = None
        self.frames += len(present)
        self._videos += 1
        if self._bytes > PART_BYTES or self._videos >= PART_VIDEOS:
            self.close()
        return ""

    def _put(self, frames: h5py.Dataset, rows: dict[int, bytes]) -> None:
        ensure_room(self._path, ROOM_BYTES + sum(map(len, rows.values())))
        for number, content in rows.items():  # row by row: h5py stacks rows of equal length into one array
            frames[number - 1] = np.frombuffer(content, np.uint8)
        if self._writer is not None:
            self._writer.check()
        self._bytes += sum(map(len, rows.values()))

    def _open(self) -> h5py.File:
        if self._writer is None:
            self._path = self.folder / f"{self.number:06d}.h5"
            while self._path.exists():
                self.number += 1
                self._path = self.folder / f"{self.number:06d}.h5"
            self._written = aside(self._path)
            self._writer = Hdf5Writer(self._written, libver=LIBVER)
        return self._writer.file

    def _drop(self) -> None:
        if self._writer is not None and self._current is not None and self._current in self._writer.file:
            del self._writer.file[self._current]
        self._current = None

    def close(self) -> None:
        """Rename the current part into place, without a video that is incomplete; one that does not fit is removed."""
        if self._writer is None:
            return
        writer = self._writer
        try:
            try:
                self._drop()
            finally:
                self._writer, self._bytes, self._videos = None, 0, 0
                writer.close()
            commit(self._written, self._path)
        finally:
            self._written.unlink(missing_ok=True)
