"""Bytes to a device and scores back: in parallel with computing on a GPU, directly on a CPU.

Videos that were read become a network's input on its device. Frames resized by the reader are stacked; others are
resized on the device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gsm_bench.frames.on_device import DeviceFrames, Place, Size
from gsm_bench.frames.read_views import Pixels, RawViews
from gsm_bench.geometry import InputSpec

PendingUpload = Callable[[], Tensor]
"""Returns the tensor on its device; later computing on it waits for the copy, the caller does not."""
PendingDownload = Callable[[], dict[str, NDArray[np.float32]]]
"""Waits for scores [b, C] per task and returns them."""
FILLERS = 4
"""Threads that fill a page-locked buffer: one copies 8 GB/s, and a GPU may take a batch of 157 MB every 11 ms."""
FILLED_ALONE = 8 << 20
"""Bytes up to which one thread fills it."""
Frames = dict[int, NDArray[np.uint8]]
"""uint8 RGB [H, W, 3] by frame number."""


class Copies(Protocol):
    """Copies to and from a device."""

    def stage(self, shape: tuple[int, ...]) -> Tensor:
        """A uint8 buffer of this shape on the host, to fill and send."""

    def send(self, staged: Tensor) -> PendingUpload:
        """Start copying to the device."""

    def fetch(self, scores: Mapping[str, Tensor]) -> PendingDownload:
        """Start copying scores [b, C] of each task back, as float32."""


def copies_for(device: torch.device) -> Copies:
    """Copies in parallel with computing on a GPU, plain copies elsewhere."""
    return StreamCopies(device) if device.type == "cuda" else PlainCopies(device)


class PlainCopies:
    """Copies that are complete when the call returns."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def stage(self, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=torch.uint8)

    def send(self, staged: Tensor) -> PendingUpload:
        sent = staged.to(self.device)
        return lambda: sent

    def fetch(self, scores: Mapping[str, Tensor]) -> PendingDownload:
        fetched = {task: values.float().cpu().numpy() for task, values in scores.items()}
        return lambda: fetched


class StreamCopies:
    """Copies from and to page-locked memory: uploads on a stream of their own, downloads after their forward pass.

    torch reuses page-locked memory for later batches, and not while a copy still reads it.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def stage(self, shape: tuple[int, ...]) -> Tensor:
        return _page_locked(shape, torch.uint8)

    def send(self, staged: Tensor) -> PendingUpload:
        with torch.cuda.stream(self._stream):
            sent = staged.to(self.device, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(self._stream)

        def upload() -> Tensor:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_event(done)
            sent.record_stream(computing)  # keeps the copying stream from reusing this memory earlier
            return sent

        return upload

    def fetch(self, scores: Mapping[str, Tensor]) -> PendingDownload:
        host = {task: _page_locked(tuple(values.shape), torch.float32) for task, values in scores.items()}
        for task, values in scores.items():
            host[task].copy_(values, non_blocking=True)
        # A blocking event: threads that wait for it sleep.
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(self.device))

        def download() -> dict[str, NDArray[np.float32]]:
            done.synchronize()
            return {task: values.numpy().copy() for task, values in host.items()}

        return download


def _page_locked(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=True)


class NetworkInput(Protocol):
    """B videos of V views for one network.

    Attributes:
        present: bool [B]; absent videos are black frames, so that passes keep their shape.
    """

    present: NDArray[np.bool_]
    views: int

    def pixels(self, view: int, rows: slice) -> Tensor:
        """One view of some of the videos: uint8 RGB [b, T, S, S, 3] on the device."""


class Loader:
    """Copies batches to a device; the models of one batch share its frames."""

    def __init__(self, device: torch.device) -> None:
        self.copies = copies_for(device)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="copies")
        self.fillers = ThreadPoolExecutor(FILLERS, thread_name_prefix="fillers") if device.type == "cuda" else None

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        if self.fillers is not None:
            self.fillers.shutdown()

    def load(self, clips: Sequence[Sequence[Pixels | None]], specs: Sequence[InputSpec]) -> list[NetworkInput | None]:
        """Start copying a batch to the device.

        Args:
            clips: pixels of the B videos of each model.
            specs: the input of each model.

        Returns:
            The input of each model, None where none of its videos could be read.
        """
        raw = [clip for batch in clips for clip in batch if isinstance(clip, RawViews)]
        frames = {id(clip.frames): clip.frames for clip in raw}
        sent = self._pool.submit(send_frames, frames, self.copies, self.fillers) if raw else None
        return [self._input(batch, spec, sent) for batch, spec in zip(clips, specs, strict=True)]

    def _input(
        self, clips: Sequence[Pixels | None], spec: InputSpec, sent: Future[SentFrames] | None
    ) -> NetworkInput | None:
        if all(clip is None for clip in clips):
            return None
        if sent is None:
            return StackedPixels([None if clip is None else np.asarray(clip) for clip in clips], self.copies)
        return RawInput([clip if isinstance(clip, RawViews) else None for clip in clips], spec, sent, self.copies)


class StackedPixels:
    """Videos uint8 RGB [V, T, S, S, 3] that the reader resized."""

    def __init__(self, clips: Sequence[NDArray[np.uint8] | None], copies: Copies) -> None:
        self.present = np.array([clip is not None for clip in clips])
        self._clips, self._copies = clips, copies
        self._shape = next(clip.shape for clip in clips if clip is not None)
        self.views = self._shape[0]

    def pixels(self, view: int, rows: slice) -> Tensor:
        clips = self._clips[rows]
        staged = self._copies.stage((len(clips), *self._shape[1:]))
        pixels = staged.numpy()
        for at, clip in enumerate(clips):
            pixels[at] = 0 if clip is None else clip[view]
        return self._copies.send(staged)()


class HeldPixels:
    """Videos uint8 RGB [V, B, T, S, S, 3] already on the device, to time networks without reading."""

    def __init__(self, pixels: Tensor) -> None:
        self._pixels = pixels
        self.views = len(pixels)
        self.present = np.ones(pixels.shape[1], bool)

    def pixels(self, view: int, rows: slice) -> Tensor:
        return self._pixels[view, rows]


class RawInput:
    """Decoded videos whose frames are being copied to the device, which resizes them."""

    def __init__(
        self, clips: Sequence[RawViews | None], spec: InputSpec, sent: Future[SentFrames], copies: Copies
    ) -> None:
        self.present = np.array([clip is not None for clip in clips])
        self.views = next(len(clip.views) for clip in clips if clip is not None)
        self._clips, self._spec, self._sent, self._copies = clips, spec, sent, copies

    def pixels(self, view: int, rows: slice) -> Tensor:
        clips = self._clips[rows]
        keyed = [None if clip is None else (id(clip.frames), clip) for clip in clips]
        if not any(keyed):
            raw = next(clip for clip in self._clips if clip is not None)
            black = self._copies.stage((len(clips), raw.numbers.shape[1], self._spec.size, self._spec.size, 3))
            return self._copies.send(black.zero_())()
        return self._frames(clips).cut(keyed, view, self._spec)

    def _frames(self, clips: Sequence[RawViews | None]) -> DeviceFrames:
        """The frames of the batch; where memory does not hold them, those of `clips` alone."""
        try:
            return self._sent.result().wait()
        except torch.OutOfMemoryError:
            needed = {id(clip.frames): clip.frames for clip in clips if clip is not None}
            return send_frames(needed, self._copies).wait()


@dataclass
class SentFrames:
    """Frames being copied to the device, by size, and the place of each."""

    uploads: dict[Size, PendingUpload]
    places: dict[tuple[int, int], Place]
    _frames: DeviceFrames | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> DeviceFrames:
        """The frames on the device."""
        with self._lock:
            if self._frames is None:
                self._frames = DeviceFrames({size: upload() for size, upload in self.uploads.items()}, self.places)
            return self._frames


def send_frames(clips: dict[int, Frames], copies: Copies, fillers: Executor | None = None) -> SentFrames:
    """Send the frames of videos, each once, frames of one size together; `fillers` divide large buffers."""
    by_size: dict[Size, list[NDArray[np.uint8]]] = {}
    places_by_id: dict[int, Place] = {}
    places: dict[tuple[int, int], Place] = {}
    for clip, frames in clips.items():
        for number, frame in frames.items():
            if id(frame) not in places_by_id:
                size = (frame.shape[0], frame.shape[1])
                same_size = by_size.setdefault(size, [])
                places_by_id[id(frame)] = (size, len(same_size))
                same_size.append(frame)
            places[clip, number] = places_by_id[id(frame)]
    sent = {size: copies.send(_stacked(same_size, copies, fillers)) for size, same_size in by_size.items()}
    return SentFrames(sent, places)


def _stacked(frames: Sequence[NDArray[np.uint8]], copies: Copies, fillers: Executor | None) -> Tensor:
    staged = copies.stage((len(frames), *frames[0].shape))
    into = staged.numpy()
    parts = 1 if fillers is None or into.nbytes <= FILLED_ALONE else FILLERS

    def fill(part: int) -> None:
        for at in range(part, len(frames), parts):
            into[at] = frames[at]

    if fillers is None or parts == 1:
        fill(0)
    else:
        list(fillers.map(fill, range(parts)))
    return staged
