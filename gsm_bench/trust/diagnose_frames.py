"""The frames of some videos, each decoded once, and the clips that any settings make of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import IO

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources import FrameSource
from gsm_bench.geometry import crop_corner, size_for
from gsm_bench.sampling import in_order, indices_at
from gsm_bench.sampling_rules import TICKS, clip_indices
from gsm_bench.splits import Split
from gsm_bench.trust.diagnose_settings import Filter, Trial

IN_MEMORY = 1 << 30
"""Bytes of decoded frames that are kept in memory; further ones go to a temporary file."""
Pixels = NDArray[np.uint8]
PILLOW_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


class FrameStore:
    """Decoded frames of some videos of a split.

    Args:
        source: where the frames are.
        split: the split.
        rows: int64 [n], the videos.

    Attributes:
        bad: reason by id, of videos that cannot be read.
        longer: how many videos have more stored frames than their list says.
    """

    def __init__(self, source: FrameSource, split: Split, rows: NDArray[np.int64]) -> None:
        self.source = source
        self.videos = [split.video(int(row)) for row in rows]
        self.bad: dict[str, str] = {}
        self._frames: list[dict[int, Pixels]] = [{} for _ in rows]
        self._counts = [(0, 0)] * len(rows)  # listed, stored
        self._bytes = 0
        self._file: IO[bytes] | None = None

    @property
    def longer(self) -> int:
        return sum(stored > listed for listed, stored in self._counts)

    def load(
        self, trials: Callable[[int, bool], Sequence[Trial]], workers: int, progress: Callable[[int, int], None]
    ) -> NDArray[np.bool_]:
        """Decode every frame that one of the trials needs; bool [n], the videos that can be used.

        Args:
            trials: what will be tried, by the number of frames of a video and whether it has more than listed.
            progress: called with the videos that are read, and all.
        """
        usable = np.zeros(len(self.videos), bool)
        with ThreadPoolExecutor(workers, "frames") as pool:
            for place, frames in enumerate(pool.map(lambda place: self._read(place, trials), range(len(self.videos)))):
                usable[place] = bool(frames)
                self._keep(place, frames)
                progress(place + 1, len(self.videos))
        return usable

    def _read(self, place: int, trials: Callable[[int, bool], Sequence[Trial]]) -> dict[int, Pixels]:
        video = self.videos[place]
        try:
            listed = stored = self.source.count(video)
            if not video.video:
                with suppress(FrameError):
                    stored = max(stored, self.source.available(video))
            self._counts[place] = listed, stored
            numbers = sorted(
                {n for trial in trials(stored, stored > listed) for n in self.numbers(place, trial).tolist()}
            )
            frames: dict[int, Pixels] = {}
            for number, picture in self.source.pictures(video, numbers):
                if isinstance(picture, FrameError):
                    raise picture
                frames[number] = np.asarray(picture)
        except FrameError as error:
            self.bad[video.id] = error.what
            return {}
        return frames

    def _keep(self, place: int, frames: dict[int, Pixels]) -> None:
        for number, frame in frames.items():
            self._bytes += frame.nbytes
            self._frames[place][number] = frame if self._bytes <= IN_MEMORY else self._on_disk(frame)

    def _on_disk(self, frame: Pixels) -> Pixels:
        self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the store
        start = self._file.seek(0, 2)
        self._file.write(frame.tobytes())
        self._file.flush()
        return np.memmap(self._file, np.uint8, "r", start, frame.shape)

    def holds(self, trial: Trial, places: Iterable[int]) -> bool:
        """Whether every frame that a trial shows of some videos is here."""
        return all(self._frames[place].keys() >= set(self.numbers(place, trial).tolist()) for place in places)

    def numbers(self, place: int, trial: Trial) -> NDArray[np.int64]:
        """Frame numbers int64 [T], from 1, that a trial shows of a video."""
        listed, stored = self._counts[place]
        total = stored if trial.counts == "stored" else listed
        numbers = np.clip(sampled(total, trial) + trial.shift, 1, total)
        if trial.numbering == "sorted as text":
            numbers = place_in_text_order(total)[numbers - 1]
        return in_order(numbers, trial.order, self.videos[place].id)

    def clips(self, places: Iterable[int], trial: Trial) -> Tensor:
        """The clips of some videos: uint8 RGB [B, T, S, S, 3]."""
        return torch.from_numpy(np.stack([self._clip(place, trial) for place in places]))

    def _clip(self, place: int, trial: Trial) -> Pixels:
        numbers = self.numbers(place, trial)
        frames = self._frames[place]
        across = (
            -1 if trial.flip else 1
        )  # before the crop, which is off the centre by half a pixel where the margin is odd
        shown = {number: squares(frames[number][:, ::across], trial) for number in set(numbers.tolist())}
        return np.stack([shown[number] for number in numbers.tolist()])


def sampled(total: int, trial: Trial) -> NDArray[np.int64]:
    """Frame numbers int64 [T], from 1, by the rule of a trial in a video of `total` frames.

    Of several clips that an entry's rule gives, it is the middle one.
    """
    frames = trial.frames
    if trial.rule == "the entry's":
        numbers: NDArray[np.int64] = clip_indices(trial.sampling, total, frames, trial.clips)[trial.clips // 2]
        return numbers
    if trial.rule == "middle of ticks":
        return indices_at(total, frames, 0.5)
    if trial.rule == "start of ticks":
        return indices_at(total, frames, 0.0)
    if trial.rule == "first half":
        half = -(-total // 2)
        if trial.sampling != TICKS:
            return sampled(half, replace(trial, rule="the entry's"))
        return indices_at(half, frames, 0.5)
    if trial.rule == "first to last frame":
        return np.rint(np.linspace(1, total, frames)).astype(np.int64)
    stride = 2 if trial.rule == "every second frame" else 1
    first = max(1, (total - stride * (frames - 1)) // 2 + 1)
    return np.minimum(first + stride * np.arange(frames), total)


def place_in_text_order(total: int) -> NDArray[np.int64]:
    """Where frames 1..n are in the text order of their numbers (1, 10, 11, .., 2): int64 [n], from 1."""
    order = np.array(sorted(range(1, total + 1), key=str))
    places = np.empty(total, np.int64)
    places[order - 1] = np.arange(1, total + 1)
    return places


def squares(frame: Pixels, trial: Trial) -> Pixels:
    """One frame uint8 [H, W, 3] as uint8 [S, S, 3]: resized and cropped as a trial says."""
    height, width = frame.shape[:2]
    if trial.shape == "squash":
        return _resized(frame, (trial.size, trial.size), trial.filter)
    resized = _resized(frame, size_for(width, height, trial.spec), trial.filter)
    left, top = crop_corner(resized.shape[1], resized.shape[0], trial.size, -1)
    return resized[top : top + trial.size, left : left + trial.size]


def _resized(frame: Pixels, size: tuple[int, int], kernel: Filter) -> Pixels:
    if size == (frame.shape[1], frame.shape[0]):
        return frame
    if kernel != "bilinear, not antialiased":
        return np.asarray(Image.fromarray(np.asarray(frame)).resize(size, PILLOW_FILTERS[kernel]))
    values = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(values, size=size[::-1], mode="bilinear", align_corners=False)
    return resized[0].permute(1, 2, 0).round_().to(torch.uint8).numpy()
