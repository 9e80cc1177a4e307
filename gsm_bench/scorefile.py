"""The score file (HDF5), the interface between networks and the evaluation of their scores.

Format ``gsm_bench.scores`` version 2 holds float32 scores [N, V, C] per task, N video ids, V views, a status per video
and the provenance. Version 1, which calls the ids ``clip_ids``, is read too.

Scores are stored contiguously, so that a block of rows is one read. Ids are fixed-length UTF-8, which h5py reads about
fifty times faster than variable-length text.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from gsm_bench.checksums import MOST_BLOCK_ROWS, Checksums, Covered, checked_rows, read_checksums
from gsm_bench.errors import ScoreFileError
from gsm_bench.hdf5_check import own_group
from gsm_bench.hdf5_reader import CheckedHdf5
from gsm_bench.hdf5_texts import own_attribute
from gsm_bench.id_array import IdArray
from gsm_bench.row_windows import BlockSums, RowWindow, Scores
from gsm_bench.score_head import (
    AVERAGED,
    FEATURES,
    NOT_SCORED,
    SCORED,
    SCORES,
    SUBSTITUTED,
    VIEW_TYPE,
    FileForm,
    ScoreHead,
    read_head,
    views_array,
)
from gsm_bench.score_writer import ClipScores, content_size, create, write

__all__ = [
    "AVERAGED", "NOT_SCORED", "SCORED", "SUBSTITUTED", "VIEW_TYPE", "ClipScores", "InMemoryScores", "ScoreFile",
    "ScoreHead", "Scores", "content_hash", "content_size", "create", "form_of", "open_scores", "read", "views_array",
    "write",
]  # fmt: skip

ROWS_AT_ONCE = 4096
"""Rows copied or hashed at once."""
WINDOW_BYTES, WINDOWS = 8 << 20, 2
"""Bytes mapped at once where blocks are read one after the other; windows of a file that are kept."""
DAMAGE = (
    KeyError, ValueError, TypeError, AttributeError, RuntimeError, OSError, MemoryError, OverflowError, RecursionError,
    struct.error,
)  # fmt: skip
"""What h5py, numpy and json raise for a damaged file."""
MOST_REASON = 300
"""Characters of a library's own message that are shown."""
COPY_AGAIN = "copy it again, or run the command again with --fresh"


class ScoreFile:
    """A score file: its head in memory, its scores read by blocks of rows.

    Rows are compared with their checksums when they are first read. `ScoreFile.open` keeps the file open until the object
    is deleted; as a context manager, until the block ends.

    Attributes:
        path: the file; only a name where the scores are in memory.
        head: everything but the scores.
        covered: what is compared with checksums.
    """

    covered: Covered = "nothing"

    @classmethod
    def open(cls, path: str | Path, form: FileForm = SCORES) -> ScoreFile:
        """Open a score file for reading; raises ScoreFileError if it is missing, damaged or of another format."""
        path = Path(path)
        content = _open_hdf5(path, form)
        try:
            return ScoreFile(path, content, form)
        except BaseException:
            content.close()
            raise

    def __init__(self, path: Path, content: CheckedHdf5[Checksums], form: FileForm = SCORES) -> None:
        self.path = path
        self._hdf5, self._form = content, form
        with _damage_named(path, form):
            _check_version(path, content, form)
            self._datasets = own_group(content.file, form.group)
            sums, self.covered = checked_rows(content, self._datasets)
            crc32 = {task: rows.sums() for task, rows in sums.items()}
            self.head = read_head(content, self._datasets, form)
            self._sums = {
                task: BlockSums(
                    rows.rows, rows.block_rows, crc32[task], partial(_rows_damaged, path, form, self.head, task)
                )
                for task, rows in sums.items()
            }
            self._places = {task: _place(dataset) for task, dataset in self._datasets.items()}
        self._windows: dict[tuple[str, int], Scores] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> ScoreFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.head)

    def __repr__(self) -> str:
        shapes = (
            f"{task} {kind} ({len(self):,}, {len(self.head.views)}, {self.head.classes_per_task[task]})"
            for task, kind in self.head.kinds.items()
        )
        return f"<ScoreFile {self.path}: {', '.join(shapes)}>"

    def close(self) -> None:
        """Close the file; its head stays."""
        self._windows = {}
        self._hdf5.close()

    @property
    def ids(self) -> IdArray:
        """The N video ids, a sequence of strings."""
        return self.head.ids

    @property
    def scores(self) -> dict[str, Scores]:
        """Scores float32 [N, V, C] per task."""
        return {task: self.block(task, 0, len(self)) for task in self.head.kinds}

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the scores to a score file and return its path; an existing file needs `force`."""
        with create(path, self.head, force=force) as datasets:
            for task, dataset in datasets.items():
                for start in range(0, len(self), ROWS_AT_ONCE):
                    block = self.block(task, start, start + ROWS_AT_ONCE)
                    dataset[start : start + len(block)] = block
        return Path(path)

    def block(self, task: str, start: int, stop: int) -> Scores:
        """Scores float32 [stop - start, V, C] of rows, possibly read-only; safe to call from several threads."""
        return self.window(task, start, stop).compared()

    def window(self, task: str, start: int, stop: int) -> RowWindow:
        """Rows as `block` gives them, whose user decides when they are compared with their checksums."""
        stop, sums = min(stop, len(self.head)), self._sums.get(task)
        if sums is None or start >= stop or sums.matching[sums.blocks(start, stop)].all():
            return RowWindow(self._stored(task, start, stop))
        first, last = sums.rows_of(sums.blocks(start, stop))
        whole = self._stored(task, first, last)
        return RowWindow(whole[start - first : stop - first], start, sums, whole, first)

    def block_rows(self, task: str) -> int:
        """Rows that share a checksum, or 1024 where a file states more; 0 without checksums."""
        return min(self._sums[task].block_rows, MOST_BLOCK_ROWS) if task in self._sums else 0

    def damaged_rows(self, task: str) -> list[tuple[int, int]]:
        """First and last row of each block of a task that does not match its checksum; empty without checksums."""
        damaged: list[tuple[int, int]] = []
        sums = self._sums.get(task)
        for start, stop in sums.all_rows() if sums else ():
            try:
                self.block(task, start, stop)
            except ScoreFileError:
                damaged.append((start, stop - 1))
        return damaged

    def blocks_compared(self, task: str) -> int:
        """Number of blocks of rows that matched their checksums so far."""
        return int(self._sums[task].matching.sum()) if task in self._sums else 0

    def will_read(self, task: str, start: int, stop: int) -> None:
        """Ask the system to read rows ahead; without effect where it cannot."""
        place, stop = self._places[task], min(stop, len(self.head))
        if place is not None and start < stop and hasattr(os, "posix_fadvise"):
            row_bytes = len(self.head.views) * self.head.classes_per_task[task] * 4
            at, size = place + start * row_bytes, (stop - start) * row_bytes
            os.posix_fadvise(self._hdf5.source.descriptor, at, size, os.POSIX_FADV_WILLNEED)

    def _stored(self, task: str, start: int, stop: int) -> Scores:
        """Scores float32 [stop - start, V, C] as the file has them, which nothing has compared."""
        place = self._places[task]
        return self._read(task, slice(start, stop)) if place is None else self._window(place, task, start, stop)

    def _window(self, place: int, task: str, start: int, stop: int) -> Scores:
        """Scores float32 [stop - start, V, C] as `_map_at` maps them; of a few blocks at once, which saves a tenth of the time."""
        row_bytes = len(self.head.views) * self.head.classes_per_task[task] * 4
        size = WINDOW_BYTES // max(1, row_bytes) // MOST_BLOCK_ROWS * MOST_BLOCK_ROWS
        number = start // size if size else 0
        if not size or stop > (number + 1) * size or (stop - start) * row_bytes < WINDOW_BYTES // 16:
            return self._map_at(place, task, start, stop)
        with self._lock:
            window = self._windows.get((task, number))
            if window is None:
                window = self._map_at(place, task, number * size, min((number + 1) * size, len(self.head)))
                self._windows = dict([*self._windows.items()][1 - WINDOWS :]) | {(task, number): window}
        return window[start - number * size : stop - number * size]

    def _map_at(self, place: int, task: str, start: int, stop: int, *, at_once: bool = True) -> Scores:
        """Scores float32 [stop - start, V, C] mapped from the file without a copy, in two thirds of the time of a read.

        Only these rows are mapped, and only as long as the array lives, so that they do not count as memory in use.

        Args:
            at_once: whether all of these rows will be read.
        """
        shape = (max(0, stop - start), len(self.head.views), self.head.classes_per_task[task])
        row_bytes = shape[1] * shape[2] * 4
        if not shape[0] or not row_bytes:
            return np.empty(shape, np.float32)
        at = place + start * row_bytes
        before = at % mmap.ALLOCATIONGRANULARITY
        size = before + shape[0] * row_bytes
        flags = MAPPED if at_once else mmap.MAP_SHARED
        mapped = mmap.mmap(self._hdf5.source.fileno(), size, flags=flags, prot=mmap.PROT_READ, offset=at - before)
        return np.frombuffer(mapped, "<f4", offset=before).reshape(shape)

    def rows(self, task: str, rows: NDArray[np.int64]) -> Scores:
        """Scores float32 [n, V, C] of rows int64 [n] in any order."""
        low, high = int(rows.min()), int(rows.max()) + 1
        if high - low <= 4 * len(rows):
            return self.block(task, low, high)[rows - low]
        self._compare_rows(task, rows)
        place = self._places[task]
        if place is not None:
            return self._map_at(place, task, low, high, at_once=False)[rows - low]
        order = np.argsort(rows)
        out = np.empty((len(rows), *self._datasets[task].shape[1:]), np.float32)
        out[order] = self._read(task, rows[order])
        return out

    def _compare_rows(self, task: str, rows: NDArray[np.int64]) -> None:
        """Compare all blocks that hold some of the rows with their checksums."""
        if task in self._sums:
            size = self._sums[task].block_rows
            for block in np.unique(rows // size):
                self.block(task, int(block) * size, int(block) * size + 1)

    def _read(self, task: str, rows: slice | NDArray[np.int64]) -> Scores:
        """Scores float32 [n, V, C] of rows in rising order, by way of HDF5."""
        with _damage_named(self.path, self._form):
            return np.asarray(self._datasets[task][rows], dtype=np.float32)


class InMemoryScores(ScoreFile):
    """Scores in memory that everything which reads a score file can use."""

    covered: Covered = "everything"

    def __init__(self, content: ClipScores, name: str = "scores") -> None:
        self.path = Path(name)
        self.head = content
        self._content = content.scores

    def close(self) -> None:
        pass

    def window(self, task: str, start: int, stop: int) -> RowWindow:
        return RowWindow(self._content[task][start:stop])

    def block_rows(self, task: str) -> int:
        return 0

    def will_read(self, task: str, start: int, stop: int) -> None:
        pass

    def rows(self, task: str, rows: NDArray[np.int64]) -> Scores:
        return self._content[task][rows]


MAPPED = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
"""Map all pages in one call where the system can, instead of one page per access."""


@contextmanager
def open_scores(path: str | Path, form: FileForm = SCORES) -> Iterator[ScoreFile]:
    """Open a score file for reading; raises ScoreFileError if it is missing, damaged or of another format."""
    with ScoreFile.open(path, form) as file:
        yield file


def form_of(path: str | Path) -> FileForm:
    """What an HDF5 file of this package holds: scores, or features; scores for a file of another format."""
    with _open_hdf5(Path(path), SCORES) as content, _damage_named(Path(path), SCORES):
        name = own_attribute(content.source, content.file, "format")
    return FEATURES if name == FEATURES.format else SCORES


def _open_hdf5(path: Path, form: FileForm) -> CheckedHdf5[Checksums]:
    if not path.is_file():
        raise ScoreFileError(f"no such {form.noun}", where=path, fix=form.command)
    try:
        return CheckedHdf5(path, read_checksums)
    except ValueError as error:
        raise _damaged(path, form, str(error)) from error
    except OSError as error:
        raise ScoreFileError("this file is not HDF5, or it is damaged", where=path, fix=COPY_AGAIN) from error


@contextmanager
def _damage_named(path: Path, form: FileForm) -> Iterator[None]:
    """Turn what a damaged file raises into a ScoreFileError."""
    try:
        yield
    except DAMAGE as error:
        raise _damaged(path, form, " ".join(str(error).split()) or type(error).__name__) from error


def _damaged(path: Path, form: FileForm, reason: str) -> ScoreFileError:
    return ScoreFileError(f"this {form.noun} is damaged: {reason[:MOST_REASON]}", where=path, fix=COPY_AGAIN)


def _rows_damaged(path: Path, form: FileForm, head: ScoreHead, task: str, start: int, stop: int) -> ScoreFileError:
    videos = f"{head.ids[start]!r} to {head.ids[stop - 1]!r}"
    what = f"{task} {form.values} of rows {start} to {stop - 1} ({videos}) do not match their checksum"
    return _damaged(path, form, what)


def _check_version(path: Path, content: CheckedHdf5[Checksums], form: FileForm) -> None:
    name = own_attribute(content.source, content.file, "format")
    if name != form.format:
        others = [other for other in (SCORES, FEATURES) if name == other.format]
        what, fix = (f"but a {others[0].noun}", form.command) if others else ("", form.another)
        raise ScoreFileError(f"this HDF5 file is not a {form.noun} {what}".strip(), where=path, fix=fix)
    number = int(own_attribute(content.source, content.file, "version"))
    if number > form.version:
        what = f"this {form.noun} has format version {number}, newer than {form.version}"
        raise ScoreFileError(what, where=path, fix="pip install -U gsm-bench")


def _place(scores: h5py.Dataset) -> int | None:
    """Offset of scores in their file in bytes; None unless they are contiguous little-endian float32."""
    plain = scores.chunks is None and scores.dtype == np.dtype("<f4")
    place = scores.id.get_offset() if plain and not scores.file.userblock_size else None
    return None if place is None else int(place)


def read(path: str | Path) -> ClipScores:
    """A score file, read into memory."""
    with open_scores(path) as file:
        scores = {task: file.block(task, 0, len(file.head)).copy() for task in file.head.kinds}
        return ClipScores(**vars(file.head), scores=scores)


def content_hash(path: str | Path) -> str:
    """Hexadecimal sha256 of the results: ids, views, status, kinds, classes and scores, without provenance."""
    digest = hashlib.sha256()
    with open_scores(path) as file:
        head = file.head
        for lines in head.ids.lines():
            digest.update(lines)
        for text in (head.order, *(f"{t}={k}" for t, k in sorted(head.kinds.items()))):
            digest.update(text.encode() + b"\n")
        digest.update(head.views.tobytes() + head.status.tobytes())
        for task in sorted(head.kinds):
            digest.update("\n".join(head.class_names.get(task, ())).encode())
            for start in range(0, len(head), ROWS_AT_ONCE):
                digest.update(file.block(task, start, start + ROWS_AT_ONCE).tobytes())
    return digest.hexdigest()
