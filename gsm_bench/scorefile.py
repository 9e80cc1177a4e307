"""The score file (HDF5), the interface between networks and the evaluation of their scores.

Format ``gsm_bench.scores`` version 2 holds float32 scores [N, V, C] per task, N video ids, V views, a status per video
and the provenance. Version 1, which calls the ids ``clip_ids``, is read too.

Scores are stored contiguously, so that a block of rows is one read. Ids are fixed-length UTF-8, which h5py reads about
fifty times faster than variable-length text.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import ScoreFileError
from gsm_bench.files import aside, commit, ensure_room, full_disk_named, sweep
from gsm_bench.id_array import IdArray
from gsm_bench.provenance import Provenance
from gsm_bench.settings import Space

FORMAT, VERSION = "gsm_bench.scores", 2
ROWS_AT_ONCE = 4096
"""Rows copied or hashed at once."""
HEAD_BYTES = 16_384
"""Minimum size of a file without its rows."""
Scores = NDArray[np.float32]
VIEW_TYPE = np.dtype([("clip", "<i2"), ("crop", "i1"), ("flip", "u1"), ("offset", "<f8")])
SCORED, SUBSTITUTED, NOT_SCORED = 0, 1, 2


@dataclass(frozen=True)
class ScoreHead:
    """Everything in a score file except the scores.

    Attributes:
        ids: N video ids; any sequence of strings is converted.
        kinds: kind of the scores per task.
        classes_per_task: C per task.
        views: structured array [V] of clip, crop, flip and offset in ticks; offset NaN for averaged views.
        status: uint8 [N]: 0 scored, 1 scored with a substituted frame, 2 not scored (its rows are NaN).
        labels: int32 [N] per task, only for an import with labels; -1 unknown.
        class_names: C names in column order per task, where known.
        order: ``ids``, or ``unverified`` for an import without ids.
        provenance: where the scores come from; a mapping is converted.
        problems: reason why a video was not scored or had a frame substituted, by id.
        num_frames: int64 [N] frames of each video, where known; 0 unknown.
    """

    ids: IdArray
    kinds: Mapping[str, Space]
    classes_per_task: Mapping[str, int]
    views: NDArray[np.void]
    status: NDArray[np.uint8]
    provenance: Provenance
    labels: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    order: Literal["ids", "unverified"] = "ids"
    problems: Mapping[str, str] = field(default_factory=dict)
    num_frames: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", IdArray.of(self.ids))
        object.__setattr__(self, "provenance", Provenance.of(self.provenance))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class ClipScores(ScoreHead):
    """A score file in memory: `scores` is float32 [N, V, C] per task."""

    scores: Mapping[str, Scores] = field(default_factory=dict)


class ScoreFile:
    """A score file: its head in memory, its scores read by blocks of rows.

    `ScoreFile.open` keeps the file open until the object is deleted; as a context manager, until the block ends.

    Attributes:
        path: the file; only a name where the scores are in memory.
        head: everything but the scores.
    """

    @classmethod
    def open(cls, path: str | Path) -> ScoreFile:
        """Open a score file for reading; raises ScoreFileError if it is missing, damaged or of another format."""
        path = Path(path)
        file = _open_hdf5(path)
        try:
            return ScoreFile(path, file)
        except BaseException:
            file.close()
            raise

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file
        self.head = _read_head(path, file)
        self._places = {task: _place(path, file, task) for task in self.head.kinds}
        self._descriptor = file.id.get_vfd_handle() if file.driver == "sec2" else -1

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
        self._file.close()

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
        place = self._places[task]
        if place is None:
            return np.asarray(self._file["scores"][task][start:stop], dtype=np.float32)
        return self._map_at(place, task, start, min(stop, len(self.head)))

    def will_read(self, task: str, start: int, stop: int) -> None:
        """Ask the system to read rows ahead; without effect where it cannot."""
        place, stop = self._places[task], min(stop, len(self.head))
        if place is not None and start < stop and hasattr(os, "posix_fadvise"):
            row_bytes = len(self.head.views) * self.head.classes_per_task[task] * 4
            at, size = place + start * row_bytes, (stop - start) * row_bytes
            os.posix_fadvise(self._descriptor, at, size, os.POSIX_FADV_WILLNEED)

    def _map_at(self, place: int, task: str, start: int, stop: int) -> Scores:
        """Scores float32 [stop - start, V, C] mapped from the file without a copy, in two thirds of the time of a read.

        Only these rows are mapped, and only as long as the array lives, so that they do not count as memory in use.
        """
        shape = (max(0, stop - start), len(self.head.views), self.head.classes_per_task[task])
        row_bytes = shape[1] * shape[2] * 4
        if not shape[0] or not row_bytes:
            return np.empty(shape, np.float32)
        at = place + start * row_bytes
        before = at % mmap.ALLOCATIONGRANULARITY
        size = before + shape[0] * row_bytes
        mapped = mmap.mmap(self._descriptor, size, flags=MAPPED, prot=mmap.PROT_READ, offset=at - before)
        return np.frombuffer(mapped, "<f4", offset=before).reshape(shape)

    def rows(self, task: str, rows: NDArray[np.int64]) -> Scores:
        """Scores float32 [n, V, C] of rows int64 [n] in any order."""
        low, high = int(rows.min()), int(rows.max()) + 1
        if high - low <= 4 * len(rows):
            return self.block(task, low, high)[rows - low]
        order = np.argsort(rows)
        out = np.empty((len(rows), *self._file["scores"][task].shape[1:]), np.float32)
        out[order] = self._file["scores"][task][rows[order]]
        return out


class InMemoryScores(ScoreFile):
    """Scores in memory that everything which reads a score file can use."""

    def __init__(self, content: ClipScores, name: str = "scores") -> None:
        self.path = Path(name)
        self.head = content
        self._content = content.scores

    def close(self) -> None:
        pass

    def block(self, task: str, start: int, stop: int) -> Scores:
        return self._content[task][start:stop]

    def will_read(self, task: str, start: int, stop: int) -> None:
        pass

    def rows(self, task: str, rows: NDArray[np.int64]) -> Scores:
        return self._content[task][rows]


def views_array(offsets: tuple[float, ...], crops: int) -> NDArray[np.void]:
    """Structured array [V] of the views of K clips x crops in scoring order: clip, then crop, then flip."""
    places = [-1] if crops == 1 else list(range(5))
    flips = (0, 1) if crops == 10 else (0,)
    rows = [(k, crop, flip, offset) for k, offset in enumerate(offsets) for crop in places for flip in flips]
    return np.array(rows, dtype=VIEW_TYPE)


MAPPED = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
"""Map all pages in one call where the system can, instead of one page per access."""

AVERAGED = np.array([(-1, -1, 0, np.nan)], dtype=VIEW_TYPE)
"""The single view of a file with averaged views."""


@contextmanager
def open_scores(path: str | Path) -> Iterator[ScoreFile]:
    """Open a score file for reading; raises ScoreFileError if it is missing, damaged or of another format."""
    with ScoreFile.open(path) as file:
        yield file


def _open_hdf5(path: Path) -> h5py.File:
    if not path.is_file():
        raise ScoreFileError("no such score file", where=path, fix="gsmbench score --model NAME")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ScoreFileError(
            "this file is not HDF5, or it is damaged", where=path, fix="copy it again, or score again with --fresh"
        ) from error


def read(path: str | Path) -> ClipScores:
    """A score file, read into memory."""
    with open_scores(path) as file:
        scores = {task: file.block(task, 0, len(file.head)).copy() for task in file.head.kinds}
        return ClipScores(**vars(file.head), scores=scores)


def write(path: str | Path, clip_scores: ClipScores, *, force: bool = False) -> None:
    """Write a score file atomically; `force` replaces an existing file.

    Raises:
        ScoreFileError: the file exists, or shapes and ids do not match.
    """
    with create(path, clip_scores, force=force) as datasets:
        for task, values in clip_scores.scores.items():
            if values.shape != datasets[task].shape:
                raise ScoreFileError(
                    f"{task} scores have shape {values.shape}, the head describes {datasets[task].shape}", where=path
                )
            datasets[task][...] = values


@contextmanager
def create(
    path: str | Path, head: ScoreHead, *, force: bool = False, final_head: Callable[[], ScoreHead] | None = None
) -> Iterator[dict[str, h5py.Dataset]]:
    """Write a score file block by block: yields one dataset [N, V, C] per task; renamed into place at the end.

    Args:
        final_head: returns the head to write once the scores are written, if they decide it; same ids and shapes.
    """
    path = Path(path)
    if path.exists() and not force:
        raise ScoreFileError("this file exists", where=path, fix="replace it with --force, or choose another --out")
    _check_head(head, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    columns = sum(head.classes_per_task[task] for task in head.kinds)
    ensure_room(path, content_size(len(head), len(head.views), columns) + head.ids.texts.nbytes + HEAD_BYTES)
    written = aside(path)
    try:
        with full_disk_named(path):
            with h5py.File(written, "w") as file:
                yield _create_datasets(file, head)
                _write_head(file, final_head() if final_head else head)
            commit(written, path)
    finally:
        written.unlink(missing_ok=True)


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


def _check_head(head: ScoreHead, path: Path) -> None:
    problem = None
    if head.ids.first_repeated() is not None:
        problem = "video ids are not unique"
    elif sum(lines.count(b"\n") for lines in head.ids.lines()) != len(head.ids):
        problem = "a video id contains a line break"
    elif head.status.shape != (len(head.ids),):
        problem = f"{len(head.ids)} ids but status of shape {head.status.shape}"
    elif any(len(names) != head.classes_per_task[task] for task, names in head.class_names.items()):
        problem = "the number of class names differs from the number of columns"
    if problem:
        raise ScoreFileError(f"these scores cannot be written: {problem}", where=path)


def _write_head(file: h5py.File, head: ScoreHead) -> None:
    file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
    file.attrs["order"] = head.order
    file.attrs["provenance"] = head.provenance.to_json()
    file["video_ids"] = head.ids.texts.astype(h5py.string_dtype("utf-8", head.ids.texts.dtype.itemsize))
    file["views"], file["status"] = head.views, head.status
    if head.num_frames is not None:
        file["num_frames"] = head.num_frames
    for task, labels in head.labels.items():
        file[f"labels/{task}"] = labels.astype(np.int32)
    for task, names in head.class_names.items():
        _write_texts(file, f"classes/{task}", names)
    if head.problems:
        _write_texts(file, "problems/video_ids", tuple(head.problems))
        _write_texts(file, "problems/reasons", tuple(head.problems.values()))


def _create_datasets(file: h5py.File, head: ScoreHead) -> dict[str, h5py.Dataset]:
    datasets = {}
    for task, kind in head.kinds.items():
        shape = (len(head.ids), len(head.views), head.classes_per_task[task])
        datasets[task] = file.create_dataset(f"scores/{task}", shape, np.float32)
        datasets[task].attrs["kind"] = kind
    return datasets


def _write_texts(file: h5py.File, name: str, texts: tuple[str, ...]) -> None:
    encoded = [text.encode() for text in texts]
    length = max(map(len, encoded), default=1) or 1
    file[name] = np.array(encoded, dtype=h5py.string_dtype("utf-8", length))


def _place(path: Path, file: h5py.File, task: str) -> int | None:
    """Offset of a task's scores in the file in bytes; None unless they are contiguous little-endian float32."""
    scores = file["scores"][task]
    plain = scores.chunks is None and scores.dtype == np.dtype("<f4") and not scores.external and not scores.is_virtual
    place = scores.id.get_offset() if plain and file.driver == "sec2" and not file.userblock_size else None
    if place is not None and place + scores.nbytes > path.stat().st_size:
        raise ScoreFileError("this score file is truncated", where=path, fix="copy it again")
    return None if place is None else int(place)


def _read_ids(dataset: h5py.Dataset) -> IdArray:
    values = dataset[()]
    if values.dtype.kind != "S":
        values = IdArray.of(_texts(values)).texts
    return _ids_of(values.tobytes(), values.dtype.itemsize)


@lru_cache(maxsize=2)
def _ids_of(raw: bytes, width: int) -> IdArray:
    """Ids from their bytes; cached, since the members of an ensemble usually share them."""
    if not raw.isascii():
        raw.decode()
    ids = IdArray(np.frombuffer(raw, f"S{width}"))
    if ids.first_repeated() is not None:
        raise ValueError("video ids are not unique")
    return ids


def _read_texts(dataset: h5py.Dataset) -> tuple[str, ...]:
    return _texts(dataset[()])


def _texts(values: NDArray[Any]) -> tuple[str, ...]:
    joined = b"\n".join(values.tolist()).decode()
    return tuple(joined.split("\n")) if len(values) else ()


def _read_head(path: Path, file: h5py.File) -> ScoreHead:
    if file.attrs.get("format") != FORMAT:
        raise ScoreFileError("this HDF5 file is not a score file", where=path, fix="import it with gsmbench import")
    try:
        number = int(file.attrs["version"])
        if number <= VERSION:
            return _parse_head(file)
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError, OSError) as error:
        raise ScoreFileError(
            f"this score file is damaged ({error})", where=path, fix="copy it again, or score again with --fresh"
        ) from error
    raise ScoreFileError(
        f"this score file has format version {number}, newer than {VERSION}", where=path, fix="pip install -U gsm-bench"
    )


def _parse_head(file: h5py.File) -> ScoreHead:
    tasks = file["scores"]
    ids = _read_ids(_renamed(file, "video_ids", "clip_ids"))
    views = file["views"][()].astype(VIEW_TYPE)
    for task, dataset in tasks.items():
        if dataset.ndim != 3 or dataset.shape[:2] != (len(ids), len(views)):
            raise ValueError(f"{task} scores of shape {dataset.shape} for {len(ids)} videos and {len(views)} views")
        if dataset.attrs["kind"] not in get_args(Space):
            raise ValueError(f"{task} scores have the unknown kind {dataset.attrs['kind']!r}")
    return ScoreHead(
        ids=ids,
        kinds={task: str(dataset.attrs["kind"]) for task, dataset in tasks.items()},  # type: ignore[misc]
        classes_per_task={task: dataset.shape[2] for task, dataset in tasks.items()},
        views=views,
        status=_per_video(file["status"], len(ids)),
        provenance=Provenance.of(json.loads(file.attrs["provenance"])),
        labels={
            task: _labels(dataset, len(ids), tasks[task].shape[2]) for task, dataset in file.get("labels", {}).items()
        },
        class_names={task: _read_texts(dataset) for task, dataset in file.get("classes", {}).items()},
        order=str(file.attrs.get("order", "ids")),  # type: ignore[arg-type]
        problems=_read_problems(file),
        num_frames=_per_video(file["num_frames"], len(ids)) if "num_frames" in file else None,
    )


def _renamed(group: h5py.Group, name: str, version_1: str) -> h5py.Dataset:
    """A dataset by its name, or by its name in version 1."""
    return group[name if name in group else version_1]


def _per_video(dataset: h5py.Dataset, videos: int) -> NDArray[Any]:
    """Values of a dataset [N]."""
    if dataset.shape != (videos,):
        raise ValueError(f"{dataset.name} of shape {dataset.shape} for {videos} videos")
    return np.asarray(dataset[()])


def _labels(dataset: h5py.Dataset, videos: int, classes: int) -> NDArray[np.int32]:
    values = _per_video(dataset, videos).astype(np.int32)
    if videos and not (values.min() >= -1 and values.max() < classes):
        raise ValueError(f"{dataset.name} not in -1..{classes - 1}")
    return values


def _read_problems(file: h5py.File) -> dict[str, str]:
    if "problems" not in file:
        return {}
    problems = file["problems"]
    ids = _read_texts(_renamed(problems, "video_ids", "clip_ids"))
    return dict(zip(ids, _read_texts(problems["reasons"]), strict=True))


def content_size(videos: int, views: int, classes: int) -> int:
    """Bytes of the scores of N videos, V views and C classes summed over tasks."""
    return videos * views * classes * np.dtype(np.float32).itemsize
