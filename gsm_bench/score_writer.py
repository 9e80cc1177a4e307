"""Write score files: block by block, atomically, with checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from gsm_bench.checksums import reserve, seal
from gsm_bench.errors import ScoreFileError
from gsm_bench.files import ensure_room, new_file
from gsm_bench.hdf5_writer import new_hdf5
from gsm_bench.score_head import SCORES, FileForm, ScoreHead, problem_of, write_head

MOST_IN_MEMORY = 32 << 20
"""Files up to this size in bytes are built in memory, which is faster."""
HEAD_BYTES = 16_384
"""Minimum size of a file without its rows."""


@dataclass(frozen=True)
class ClipScores(ScoreHead):
    """A score file in memory: `scores` is float32 [N, V, C] per task."""

    scores: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


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
    path: str | Path,
    head: ScoreHead,
    *,
    force: bool = False,
    final_head: Callable[[], ScoreHead] | None = None,
    form: FileForm = SCORES,
) -> Iterator[dict[str, h5py.Dataset]]:
    """Write a score file block by block: yields one dataset [N, V, C] per task; renamed into place at the end.

    Args:
        final_head: returns the head to write once the scores are written, if they decide it; same ids and shapes.
    """
    path = Path(path)
    if problem := problem_of(head):
        raise ScoreFileError(f"these scores cannot be written: {problem}", where=path)
    columns = sum(head.classes_per_task[task] for task in head.kinds)
    size = content_size(len(head), len(head.views), columns) + head.ids.texts.nbytes + HEAD_BYTES
    exists = ScoreFileError("this file exists", where=path, fix="replace it with --force, or choose another --out")
    with new_file(path, force=force, exists=exists) as written:
        ensure_room(path, size)
        with _new_hdf5(written, in_memory=size <= MOST_IN_MEMORY) as file:
            datasets = _create_datasets(file, head, form)
            yield datasets
            write_head(file, final_head() if final_head else head, form)
            rows = reserve(file, datasets)
        seal(written, rows)


@contextmanager
def _new_hdf5(path: Path, *, in_memory: bool) -> Iterator[h5py.File]:
    """A new HDF5 file; a small one is built in memory and written when it is complete."""
    if not in_memory:
        with new_hdf5(path) as file:
            yield file
        return
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)


def _create_datasets(file: h5py.File, head: ScoreHead, form: FileForm) -> dict[str, h5py.Dataset]:
    datasets = {}
    for task, kind in head.kinds.items():
        shape = (len(head.ids), len(head.views), head.classes_per_task[task])
        datasets[task] = file.create_dataset(f"{form.group}/{task}", shape, np.float32)
        datasets[task].attrs["kind"] = kind
    return datasets


def content_size(videos: int, views: int, classes: int) -> int:
    """Bytes of the scores of N videos, V views and C classes summed over tasks."""
    return videos * views * classes * np.dtype(np.float32).itemsize
