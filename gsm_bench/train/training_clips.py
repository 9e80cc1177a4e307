"""Random training clips of a split, read by processes."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gsm_bench.errors import FrameError, GsmBenchError, WorkerError
from gsm_bench.frames.sources import FrameSource
from gsm_bench.frames.sources.pictures import as_image
from gsm_bench.sampling import Indices
from gsm_bench.splits import Split, Video
from gsm_bench.train.augment import (
    crop_offsets,
    crop_picture,
    crop_sizes,
    is_mirrored,
    released_indices,
    spread_indices,
)
from gsm_bench.train.draws import ClipDraws, Key, clip_draws
from gsm_bench.train.mirror import Swaps
from gsm_bench.train.rules import TrainingRecipe

LOST = re.compile(r"DataLoader worker|shared memory|No space left on device")
"""Messages of torch for a reading process that died, or could not hand over what it read."""


@dataclass(frozen=True)
class ClipSettings:
    """What decides the clips: T, the network's input in pixels, the recipe, and class numbers that a mirror swaps."""

    frames: int
    size: int
    recipe: TrainingRecipe
    swaps: Swaps


@dataclass(frozen=True)
class ClipBatch:
    """A micro-batch: uint8 RGB [B, T, S, S, 3] and labels int64 [B] per task."""

    pixels: Tensor
    labels: dict[str, Tensor]


@dataclass(frozen=True)
class _Sample:
    pixels: NDArray[np.uint8]
    labels: dict[str, int]


class TrainingClips(Dataset[Any]):
    """Random clips by (epoch, row): uint8 RGB [T, S, S, 3] and a label per task.

    Errors are returned, not raised, so that they reach the main process as they are.
    """

    def __init__(self, split: Split, source: FrameSource, settings: ClipSettings) -> None:
        self.split, self.settings = split, settings
        # A process that reads opens files of its own: offsets of shared ones would move under its hands.
        self._packed = pickle.dumps(source)
        self._source: FrameSource | None = None

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key) -> _Sample | GsmBenchError:
        if self._source is None:
            self._source = pickle.loads(self._packed)  # our own bytes, made above
        try:
            return self._sample(self._source, key)
        except FrameError as error:
            fix = error.fix or "gsmbench doctor data finds all such videos; take them out of the list"
            return FrameError(error.what, where=error.where, fix=fix)
        except GsmBenchError as error:
            return error

    def _sample(self, source: FrameSource, key: Key) -> _Sample:
        row, settings = key[1], self.settings
        draws = clip_draws(settings.recipe.seed, key, settings.frames)
        pixels = training_clip(source, self.split.video(row), settings, draws)
        labels = {task: int(values[row]) for task, values in self.split.labels.items()}
        if settings.recipe.mirror and is_mirrored(draws.mirror):
            pixels = np.ascontiguousarray(pixels[:, :, ::-1])
            labels = {task: settings.swaps.get(task, {}).get(label, label) for task, label in labels.items()}
        return _Sample(pixels, labels)


def training_clip(source: FrameSource, video: Video, settings: ClipSettings, draws: ClipDraws) -> NDArray[np.uint8]:
    """One random clip, not mirrored: uint8 RGB [T, S, S, 3].

    Raises:
        FrameError: a frame cannot be read, and the recipe does not replace it.
    """
    total = source.count(video)
    numbers = frame_numbers(total, settings, draws)
    cut: dict[int, NDArray[np.uint8]] = {}
    for number, picture in source.pixels(video, np.unique(numbers).tolist()):
        if isinstance(picture, FrameError):
            picture = _replaced(source, video, number, total, picture, settings.recipe)
        image = as_image(picture)
        size = _one_of(_crops(image.width, image.height, settings), draws.size)
        place = _one_of(crop_offsets(image.width, image.height, size), draws.place)
        cut[number] = crop_picture(image, size, place, settings.size)
    return np.stack([cut[int(number)] for number in numbers])


def frame_numbers(total: int, settings: ClipSettings, draws: ClipDraws) -> Indices:
    """The frame numbers int64 [T] of a clip from a video of `total` frames, from 1."""
    if settings.recipe.segments == "whole":
        return released_indices(total, settings.frames, draws.frames)
    return spread_indices(total, settings.frames, draws.frames)


def _crops(width: int, height: int, settings: ClipSettings) -> list[tuple[int, int]]:
    sizes = crop_sizes(width, height, settings.size)
    if settings.recipe.crops_beyond:
        return sizes
    return [(min(across, width), min(down, height)) for across, down in sizes]


def _one_of(choices: Sequence[tuple[int, int]], draw: float) -> tuple[int, int]:
    return choices[min(int(draw * len(choices)), len(choices) - 1)]


def _replaced(
    source: FrameSource, video: Video, bad: int, total: int, error: FrameError, recipe: TrainingRecipe
) -> Any:
    """The picture that stands for a bad frame: the first one, or the nearest that can be read, the earlier of two."""
    near = sorted(range(1, total + 1), key=lambda number: (abs(number - bad), number))
    candidates: Iterable[int] = {"first": [1], "nearest": near, "error": []}[recipe.bad_frame]
    for number in candidates:
        for _, picture in source.pixels(video, [number]):
            if not isinstance(picture, FrameError):
                return picture
    fix = "gsmbench doctor data finds all such frames; --on-bad-frame nearest replaces them"
    if recipe.bad_frame != "error":
        fix = "take the video out of the list: no frame can stand for this one"
    what = error.what if repr(video.id) in error.what else f"video {video.id!r}: {error.what}"
    raise FrameError(what, where=error.where, fix=fix)


def batches_of(
    clips: TrainingClips, order: Iterable[list[Key]], workers: int, *, pinned: bool
) -> Iterable[ClipBatch | GsmBenchError]:
    """Read micro-batches ahead, in order, by `workers` processes; by this process if there are none.

    Raises:
        WorkerError: a reading process died.
    """
    settings = {"collate_fn": _joined, "pin_memory": pinned}
    return read_ahead(clips, workers, batch_sampler=order, **settings)  # any iterable of lists is a batch sampler


def read_ahead(videos: Dataset[Any], workers: int, **settings: Any) -> Iterator[Any]:
    """What torch's loader reads with `settings`, without its warning that there are more processes than cores.

    Raises:
        WorkerError: a reading process died, or shared memory is full.
    """
    with lost_readers_named():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            batches = iter(DataLoader(videos, num_workers=workers, worker_init_fn=one_thread, **settings))
        yield from batches


@contextmanager
def lost_readers_named() -> Iterator[None]:
    """Turn torch's error for a reading process that died into a WorkerError.

    A signal handler raises it wherever the main process is, also inside a backward pass.
    """
    try:
        yield
    except RuntimeError as error:
        if not LOST.search(str(error)):
            raise
        raise WorkerError(
            f"a reading process died: {str(error).splitlines()[-1]}",
            fix="give it more memory, also in /dev/shm, or fewer --workers; then run the same command again",
        ) from error


def _joined(samples: Sequence[_Sample | GsmBenchError]) -> ClipBatch | GsmBenchError:
    for sample in samples:
        if isinstance(sample, GsmBenchError):
            return sample
    sound = [sample for sample in samples if isinstance(sample, _Sample)]
    labels = {task: torch.tensor([sample.labels[task] for sample in sound]) for task in sound[0].labels}
    return ClipBatch(torch.from_numpy(np.stack([sample.pixels for sample in sound])), labels)


def one_thread(_: int) -> None:
    """Start a reading process: it decodes in one thread."""
    torch.set_num_threads(1)
