"""Frames as encoded pictures in HDF5: a dataset per video with one variable-length uint8 row per frame.

A file of many videos stays open, once per process: h5py admits one thread at a time, but reading bytes takes little
time compared to decoding them. A file of one video is opened for each read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.names import spellings
from gsm_bench.frames.sources.pictures import reason
from gsm_bench.frames.sources.readers import ImageSequenceReader, gap_in
from gsm_bench.hdf5_check import own_dataset, own_item
from gsm_bench.hdf5_reader import CheckedHdf5, GuardedFile
from gsm_bench.hdf5_texts import check_texts, own_attribute, read_content, text_places

FORMAT = "gsm_bench.frames"
BYTES = h5py.vlen_dtype(np.uint8)
Places = NDArray[np.void]
ROWS_AT_ONCE = 64
BROKEN = (OSError, RuntimeError, KeyError, TypeError, ValueError)


class Hdf5Reader(ImageSequenceReader):
    """The frames of one video in an HDF5 file; an empty row is a frame that was missing when the file was written.

    Args:
        path: the file, which may hold many videos.
        name: name of the video.
        alone: whether the file holds this video only, under any name.
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
        with self._open() as (_, frames):
            return int(frames.shape[0]) - len(frames.attrs.get("missing", ()))

    def numbers(self) -> list[int]:
        with self._open() as (_, frames):
            missing = set(frames.attrs.get("missing", ()))
            return [number for number in range(1, len(frames) + 1) if number not in missing]

    def gap(self) -> str:
        return gap_in(self.numbers())

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        with self._open() as (source, frames):
            rows = frames.shape[0]
            places = text_places(source, frames) if frames.chunks is None else None
            for start in range(0, len(numbers), ROWS_AT_ONCE):
                some = numbers[start : start + ROWS_AT_ONCE]
                contents = self._rows(source, frames, places, [number for number in some if 1 <= number <= rows])
                for number in some:
                    yield number, contents.get(number) or FrameError(f"frame {number} is missing", where=self.where)

    def _rows(
        self, source: GuardedFile, frames: h5py.Dataset, places: Places | None, numbers: list[int]
    ) -> dict[int, bytes | FrameError]:
        """The bytes of some rows; one by one if that fails."""
        try:
            return dict(zip(numbers, _read_rows(source, frames, places, numbers), strict=True))
        except BROKEN as error:
            if len(numbers) > 1:
                return {number: self._rows(source, frames, places, [number])[number] for number in numbers}
            return {numbers[0]: FrameError(f"frame {numbers[0]} cannot be read: {reason(error)}", where=self.where)}

    @contextmanager
    def _open(self) -> Iterator[tuple[GuardedFile, h5py.Dataset]]:
        with open_frames(self.path) if self.alone else kept_open(self.path) as content:
            file = content.file
            try:
                name = name_in(file, self.name)
                frames = None if name is None else own_frames(file, name)
                if frames is None and self.alone and len(file) == 1:
                    frames = own_frames(file, next(iter(file)))
            except BROKEN as error:
                raise FrameError(f"its frames cannot be read: {reason(error)}", where=self.where) from error
            if frames is None:
                raise FrameError(f"no dataset {self.name!r} in this file", where=self.path)
            if not _holds_frames(frames):
                what = f"dataset {self.name!r} is {_described(frames)}, not one row of JPEG bytes per frame"
                raise FrameError(what, where=self.path)
            try:
                yield content.source, frames
            except BROKEN as error:
                raise FrameError(f"its frames cannot be read: {reason(error)}", where=self.where) from error


def name_in(file: h5py.File, name: str) -> str | None:
    """The name of a video in a file; accents may be composed in another way. Links are not followed."""
    return next((form for form in (name, *spellings(name)) if _has(file, form)), None)


def _has(file: h5py.File, name: str) -> bool:
    """Whether a file has an object or a link of this name; ``in`` of h5py would open the file that a link points to."""
    group = file
    for part in name.split("/")[:-1]:
        if not isinstance(group.get(part, getlink=True), h5py.HardLink) or not isinstance(group[part], h5py.Group):
            return False
        group = group[part]
    return group.get(name.rpartition("/")[2], getlink=True) is not None


def own_frames(file: h5py.File, name: str) -> h5py.Dataset | h5py.Group:
    """The object `name` of a file, whose data lie in the same file, complete.

    Raises:
        ValueError: it is a link to another place, or its data are elsewhere or were never written.
    """
    *folders, last = name.split("/")
    group = file
    for folder in folders:
        group = own_item(group, folder)
    item = own_item(group, last)
    return own_dataset(group, last) if isinstance(item, h5py.Dataset) else item


def _holds_frames(item: h5py.Dataset | h5py.Group) -> bool:
    """Whether this is one variable-length row of bytes per frame."""
    return isinstance(item, h5py.Dataset) and item.ndim == 1 and h5py.check_vlen_dtype(item.dtype) == np.uint8


def _described(item: h5py.Dataset | h5py.Group) -> str:
    if isinstance(item, h5py.Group):
        return f"a group of {', '.join(islice(item, 2)) or 'nothing'}"
    if h5py.check_string_dtype(item.dtype):
        return f"text {list(item.shape)}"
    inner = h5py.check_vlen_dtype(item.dtype)
    return f"{item.dtype if inner is None else f'rows of {np.dtype(inner)}'} {list(item.shape)}"


def _read_rows(source: GuardedFile, frames: h5py.Dataset, places: Places | None, numbers: list[int]) -> list[bytes]:
    """Rows by number; by way of HDF5 only where its file does not say where they lie."""
    if not numbers:
        return []
    if places is not None:
        return [read_content(source, places[number - 1]) for number in numbers]
    check_texts(source, frames)
    space = frames.id.get_space()
    space.select_elements(np.array(numbers)[:, None] - 1)
    out = np.empty(len(numbers), object)
    frames.id.read(h5py.h5s.create_simple(out.shape), space, out, h5py.h5t.py_create(BYTES))
    return [row.tobytes() for row in out]


def _open_file(path: Path) -> CheckedHdf5[None]:
    try:
        return CheckedHdf5(path)
    except ValueError as error:
        raise FrameError(f"this file is damaged: {reason(error)}", where=path) from error
    except OSError as error:
        raise FrameError("this is not an HDF5 file, or it is damaged", where=path) from error


@contextmanager
def open_frames(path: Path) -> Iterator[CheckedHdf5[None]]:
    """Open a file for reading; what HDF5 raises for a damaged one becomes a FrameError."""
    with _open_file(path) as content:
        try:
            yield content
        except BROKEN as error:
            raise FrameError(f"this file is damaged: {reason(error)}", where=path) from error


@contextmanager
def kept_open(path: Path) -> Iterator[CheckedHdf5[None]]:
    """A file that stays open for later readers of this process, until it is replaced."""
    try:
        state = path.stat()
    except OSError as error:
        raise FrameError(f"this file cannot be opened: {reason(error)}", where=path) from error
    yield _opened(path, (state.st_ino, state.st_mtime_ns, os.getpid()))


@lru_cache(maxsize=4)
def _opened(path: Path, state: tuple[int, int, int]) -> CheckedHdf5[None]:
    return _open_file(path)


def stored_encoding(path: Path) -> str:
    """How the pictures of a packed file differ from their originals; empty for copied bytes."""
    with open_frames(path) as content:
        return str(own_attribute(content.source, content.file, "encoding", ""))
