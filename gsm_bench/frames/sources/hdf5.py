"""Frames as encoded pictures in HDF5: one variable-length uint8 row per frame in a dataset under the video's name.

Files are opened anew for every clip, which costs a fraction of one frame's decoding and leaves nothing that threads
or processes could share by mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.reels import StillsReel, reason

FORMAT = "gsm_bench.frames"
BROKEN = (OSError, RuntimeError, KeyError, TypeError, ValueError)


class Hdf5Reel(StillsReel):
    """The frames of one video in an HDF5 file; an empty row is a frame that was missing when the file was made.

    Args:
        path: the file, which may hold many videos.
        name: the video's.
        alone: whether the file holds this video only, under whatever name.
    """

    def __init__(self, path: Path, name: str, *, alone: bool = False) -> None:
        self.path = path
        self.name = name
        self.alone = alone
        self.where = f"{path}, {name}"

    @property
    def encoding(self) -> str:
        try:
            return stored_encoding(self.path)
        except FrameError:
            return ""

    def count(self) -> int:
        with self._open() as frames:
            return int(frames.shape[0]) - len(frames.attrs.get("missing", ()))

    def numbers(self) -> list[int]:
        with self._open() as frames:
            missing = set(frames.attrs.get("missing", ()))
            return [number for number in range(1, len(frames) + 1) if number not in missing]

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        with self._open() as frames:
            for number in numbers:
                yield number, self._row(frames, number)

    def _row(self, frames: h5py.Dataset, number: int) -> bytes | FrameError:
        if not 1 <= number <= len(frames):
            return FrameError(f"frame {number} is missing", where=self.where)
        try:
            content: bytes = frames[number - 1].tobytes()
        except BROKEN as error:
            return FrameError(f"frame {number} cannot be read: {reason(error)}", where=self.where)
        return content or FrameError(f"frame {number} is missing", where=self.where)

    @contextmanager
    def _open(self) -> Iterator[h5py.Dataset]:
        with open_frames(self.path) as file:
            try:
                frames = file.get(self.name)
                if frames is None and self.alone and len(file) == 1:
                    frames = file[next(iter(file))]
            except BROKEN as error:
                raise FrameError(f"its frames cannot be read: {reason(error)}", where=self.where) from error
            if not (isinstance(frames, h5py.Dataset) and h5py.check_vlen_dtype(frames.dtype) and frames.ndim == 1):
                wanted = "no variable-length rows of bytes" if frames is not None else "nothing"
                raise FrameError(f"there is {wanted} under the name {self.name!r}", where=self.path)
            yield frames


@contextmanager
def open_frames(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; without a lock, which some network file systems refuse."""
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise FrameError("this is not an HDF5 file, or it is damaged", where=path) from error
    with file:
        yield file


def stored_encoding(path: Path) -> str:
    """How the pictures of a packed file differ from what they were made of; empty for bytes that were copied."""
    with open_frames(path) as file:
        return str(file.attrs.get("encoding", ""))
