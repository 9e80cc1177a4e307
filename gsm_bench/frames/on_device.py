"""Frames of many sizes on a device: resized there once per geometry, equal to Pillow's bytes, and cut into views."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gsm_bench.frames.read_views import RawViews
from gsm_bench.frames.transform import Window, resize_exactly, sent_to
from gsm_bench.geometry import InputSpec, crop_corner, size_for

Size = tuple[int, int]
"""Height and width in pixels."""
Place = tuple[Size, int]
"""Position of a frame: its size, and its index among frames of that size."""
SCRATCH_BYTES = 1 << 28
"""Memory that a resize may use for its sums."""


class DeviceFrames:
    """Frames on a device; frames of one size are in one tensor.

    Args:
        frames: uint8 RGB [n, H, W, 3] by size.
        places: position of each frame, by its video's key and its number.
    """

    def __init__(self, frames: Mapping[Size, Tensor], places: Mapping[tuple[int, int], Place]) -> None:
        self._frames = frames
        self._places = places
        self._resized: dict[tuple[Size, tuple[int, Size | None], Window], Tensor] = {}
        self._lock = threading.Lock()

    def cut(self, videos: Sequence[tuple[int, RawViews] | None], view: int, spec: InputSpec) -> Tensor:
        """One view of B videos, equal to what the reading threads would cut.

        Args:
            videos: key and views of each video; None becomes black frames.
            view: index of the view.
            spec: the geometry.

        Returns:
            uint8 RGB [B, T, S, S, 3] on the device.
        """
        raw = next(video[1] for video in videos if video is not None)
        count, size = raw.numbers.shape[1], spec.size
        pairs_of: dict[Size, list[tuple[int, int]]] = {}  # (index in the view, index among frames of a size)
        for row, video in enumerate(videos):
            for at, number in enumerate(video[1].numbers[view] if video else ()):
                shape, source = self._places[video[0], int(number)]  # type: ignore[index]
                pairs_of.setdefault(shape, []).append((row * count + at, source))
        device = next(iter(self._frames.values())).device
        pixels = torch.zeros((len(videos) * count, size, size, 3), dtype=torch.uint8, device=device)
        for shape, pairs in pairs_of.items():
            targets, sources = sent_to(device, torch.tensor(pairs).T.contiguous())
            pixels.index_copy_(0, targets, self._view(shape, raw.views, view, spec).index_select(0, sources))
        if raw.views[view]["flip"]:
            pixels = pixels.flip(2)
        return pixels.view(len(videos), count, size, size, 3)

    def _view(self, shape: Size, views: NDArray[np.void], view: int, spec: InputSpec) -> Tensor:
        """All frames of one size, resized and cropped for a view: uint8 [n, S, S, 3]."""
        width, height = size_for(shape[1], shape[0], spec)
        corners = [crop_corner(width, height, spec.size, int(crop)) for crop in np.unique(views["crop"])]
        left, top = (min(corner[axis] for corner in corners) for axis in (0, 1))
        right, bottom = (max(corner[axis] for corner in corners) + spec.size for axis in (0, 1))
        resized = self._resize(shape, spec, (left, top, right, bottom))
        x, y = crop_corner(width, height, spec.size, int(views[view]["crop"]))
        return resized[:, y - top : y - top + spec.size, x - left : x - left + spec.size]

    def _resize(self, shape: Size, spec: InputSpec, window: Window) -> Tensor:
        """The part of all frames of one size that the views need: uint8 [n, h, w, 3]; computed once."""
        with self._lock:
            key = (shape, (spec.resize, spec.stretch), window)
            if key not in self._resized:
                at_once = max(1, SCRATCH_BYTES // (3 * 4 * 2 * max(shape[0] * shape[1], spec.resize**2)))
                parts = torch.split(self._frames[shape], at_once)
                self._resized[key] = torch.cat([resize_exactly(part, spec, window) for part in parts])
            return self._resized[key]
