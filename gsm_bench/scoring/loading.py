"""Clips that were read become a network's input on its device: stacked where the reader resized, resized there else."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gsm_bench.frames.clip_reader import Pixels, RawViews
from gsm_bench.frames.on_device import DeviceFrames, Place, Size
from gsm_bench.geometry import InputSpec
from gsm_bench.scoring.transfer import Copies, PendingUpload, copies_for

Frames = dict[int, NDArray[np.uint8]]


class NetworkInput(Protocol):
    """B clips of V views for one network.

    Attributes:
        present: bool [B]; a clip that is not goes through as black frames to keep the pass in shape.
    """

    present: NDArray[np.bool_]
    views: int

    def pixels(self, view: int, rows: slice) -> Tensor:
        """One view of some of the clips: uint8 RGB [b, T, S, S, 3] on the device."""


class Loader:
    """Brings batches to a device; models of one batch share its frames. A context manager."""

    def __init__(self, device: torch.device) -> None:
        self.copies = copies_for(device)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="copies")

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def load(self, clips: Sequence[Sequence[Pixels | None]], specs: Sequence[InputSpec]) -> list[NetworkInput | None]:
        """Start bringing a batch to the device.

        Args:
            clips: for each model its B clips.
            specs: the input of each model.

        Returns:
            For each model its input, None where none of its clips could be read.
        """
        raw = [clip for some in clips for clip in some if isinstance(clip, RawViews)]
        frames = {id(clip.frames): clip.frames for clip in raw}
        sent = self._pool.submit(send_frames, frames, self.copies) if raw else None
        return [self._input(some, spec, sent) for some, spec in zip(clips, specs, strict=True)]

    def _input(
        self, clips: Sequence[Pixels | None], spec: InputSpec, sent: Future[SentFrames] | None
    ) -> NetworkInput | None:
        if all(clip is None for clip in clips):
            return None
        if sent is None:
            return StackedPixels([None if clip is None else np.asarray(clip) for clip in clips], self.copies)
        return RawInput([clip if isinstance(clip, RawViews) else None for clip in clips], spec, sent, self.copies)


class StackedPixels:
    """Clips uint8 RGB [V, T, S, S, 3] that the reader resized."""

    def __init__(self, clips: Sequence[NDArray[np.uint8] | None], copies: Copies) -> None:
        self.present = np.array([clip is not None for clip in clips])
        self._clips, self._copies = clips, copies
        self._shape = next(clip.shape for clip in clips if clip is not None)
        self.views = self._shape[0]

    def pixels(self, view: int, rows: slice) -> Tensor:
        some = self._clips[rows]
        staged = self._copies.stage((len(some), *self._shape[1:]))
        pixels = staged.numpy()
        for at, clip in enumerate(some):
            pixels[at] = 0 if clip is None else clip[view]
        return self._copies.send(staged)()


class HeldPixels:
    """Clips uint8 RGB [V, B, T, S, S, 3] that are on the device already: to measure networks without their frames."""

    def __init__(self, pixels: Tensor) -> None:
        self._pixels = pixels
        self.views = len(pixels)
        self.present = np.ones(pixels.shape[1], bool)

    def pixels(self, view: int, rows: slice) -> Tensor:
        return self._pixels[view, rows]


class RawInput:
    """Clips as they were decoded, in frames that are on their way to the device."""

    def __init__(
        self, clips: Sequence[RawViews | None], spec: InputSpec, sent: Future[SentFrames], copies: Copies
    ) -> None:
        self.present = np.array([clip is not None for clip in clips])
        self.views = next(len(clip.views) for clip in clips if clip is not None)
        self._clips, self._spec, self._sent, self._copies = clips, spec, sent, copies

    def pixels(self, view: int, rows: slice) -> Tensor:
        some = self._clips[rows]
        named = [None if clip is None else (id(clip.frames), clip) for clip in some]
        if not any(named):
            raw = next(clip for clip in self._clips if clip is not None)
            black = self._copies.stage((len(some), raw.numbers.shape[1], self._spec.size, self._spec.size, 3))
            return self._copies.send(black.zero_())()
        return self._frames(some).cut(named, view, self._spec)

    def _frames(self, clips: Sequence[RawViews | None]) -> DeviceFrames:
        """The batch's frames; where memory does not hold them, those of `clips` alone."""
        try:
            return self._sent.result().arrived()
        except torch.OutOfMemoryError:
            needed = {id(clip.frames): clip.frames for clip in clips if clip is not None}
            return send_frames(needed, self._copies).arrived()


@dataclass
class SentFrames:
    """Frames on their way, by size, and where each will lie."""

    arriving: dict[Size, PendingUpload]
    places: dict[tuple[int, int], Place]
    _here: DeviceFrames | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self) -> DeviceFrames:
        """The frames on the device."""
        with self._lock:
            if self._here is None:
                self._here = DeviceFrames({size: arrive() for size, arrive in self.arriving.items()}, self.places)
            return self._here


def send_frames(clips: dict[int, Frames], copies: Copies) -> SentFrames:
    """Send the frames of clips, those of one size together; each once, however many numbers it stands for."""
    by_size: dict[Size, list[NDArray[np.uint8]]] = {}
    known: dict[int, Place] = {}
    places: dict[tuple[int, int], Place] = {}
    for clip, frames in clips.items():
        for number, frame in frames.items():
            if id(frame) not in known:
                size = (frame.shape[0], frame.shape[1])
                alike = by_size.setdefault(size, [])
                known[id(frame)] = (size, len(alike))
                alike.append(frame)
            places[clip, number] = known[id(frame)]
    return SentFrames({size: copies.send(_stacked(alike, copies)) for size, alike in by_size.items()}, places)


def _stacked(frames: Sequence[NDArray[np.uint8]], copies: Copies) -> Tensor:
    staged = copies.stage((len(frames), *frames[0].shape))
    into = staged.numpy()
    for at, frame in enumerate(frames):
        into[at] = frame
    return staged
