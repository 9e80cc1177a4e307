"""Turn decoded frames into a network's input, equal to Pillow's bytes on every device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gsm_bench.geometry import InputSpec, crop_corner, size_for

WEIGHT_BITS = 22
"""Fixed-point bits of Pillow's resize weights; each pass rounds back to a byte."""
Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are exclusive."""


def preprocess(images: Tensor | NDArray[np.uint8], spec: InputSpec) -> Tensor:
    """Resize, crop the centre, reorder channels, subtract the mean.

    Args:
        images: uint8 RGB [T, H, W, 3], on any device.
        spec: geometry and values that the network was trained with.

    Returns:
        float32 [T, 3, S, S] on the device of `images`.
    """
    pixels = torch.as_tensor(images)
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise ValueError(f"frames are uint8 [T, H, W, 3], not {pixels.dtype} {list(pixels.shape)}")
    resized = resize(pixels, spec)  # [T, H', W', 3]
    left, top = crop_corner(resized.shape[2], resized.shape[1], spec.size, -1)
    return normalise(resized[:, top : top + spec.size, left : left + spec.size], spec)


def resize(images: Tensor, spec: InputSpec) -> Tensor:
    """uint8 [T, H, W, 3] -> uint8 [T, H', W', 3] with the shorter side at `spec.resize`."""
    if images.device.type == "cpu":
        frames = [np.asarray(resize_image(Image.fromarray(image), spec)) for image in images.numpy()]
        return torch.from_numpy(np.stack(frames))
    return resize_exactly(images, spec)


def resize_image(image: Image.Image, spec: InputSpec) -> Image.Image:
    """One RGB picture with its shorter side at `spec.resize`, or of the size `spec.stretch`."""
    size = size_for(image.width, image.height, spec)
    return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)


def resize_exactly(images: Tensor, spec: InputSpec, window: Window | None = None) -> Tensor:
    """Pillow's resize in integer arithmetic, for devices that Pillow does not support.

    Args:
        images: uint8 [N, H, W, 3].
        spec: its `resize` is the shorter side of the result.
        window: the part of the resized picture to return; all of it by default.

    Returns:
        uint8 [N, h, w, 3]; h and w are the window's.
    """
    width, height = size_for(images.shape[2], images.shape[1], spec)
    left, top, right, bottom = window or (0, 0, width, height)
    across = _taps_on(images.shape[2], width, (left, right), images.device)
    down = _taps_on(images.shape[1], height, (top, bottom), images.device)
    # [N, rows, columns, 3] that the window is computed from
    source = images[:, down.lowest : down.highest + 1, across.lowest : across.highest + 1]
    passes = [(across, 2), (down, 1)]
    if _columns_come_first(images.shape[2], images.shape[1], width, height):
        passes.reverse()
    for taps, axis in passes:
        source = _resample(source, taps, axis)
    return source


def normalise(
    pixels: Tensor, spec: InputSpec, constants: tuple[Tensor, Tensor] | None = None, *, keep_layout: bool = False
) -> Tensor:
    """uint8 RGB [..., S, S, 3] -> float32 [..., 3, S, S] in the network's channel order, scale, mean and std.

    Args:
        pixels: on any device.
        spec: the values that the network was trained with.
        constants: its `channel_constants`, if they are on the device already.
        keep_layout: keep the channels of a pixel adjacent in memory (channels last).
    """
    values = pixels.movedim(-1, -3)
    if spec.channel_order == "BGR":
        values = values.flip(-3)
    layout = torch.preserve_format if keep_layout else torch.contiguous_format
    values = values.to(torch.float32, memory_format=layout)
    if spec.value_range != 255:
        values = values * (spec.value_range / 255)
    mean, std = constants or (constant.to(values.device) for constant in channel_constants(spec))
    values = values - mean
    return values if spec.std == (1, 1, 1) else values / std


def channel_constants(spec: InputSpec) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 [3, 1, 1] each."""
    return torch.tensor(spec.mean).view(3, 1, 1), torch.tensor(spec.std).view(3, 1, 1)


def _columns_come_first(width: int, height: int, new_width: int, new_height: int) -> bool:
    """Whether Pillow resizes rows before columns; the order changes the rounding between the two passes.

    Determined by trying sizes: Pillow 13 does so where a picture loses more than twice as many rows as columns.
    """
    fewer = height - new_height
    return fewer > 0 and fewer > 2 * (width - new_width) and _pillow_turns_tall_pictures()


@lru_cache(maxsize=1)
def _pillow_turns_tall_pictures() -> bool:
    """Whether the installed Pillow does so at all: older versions always resize columns first."""
    picture = np.random.default_rng(0).integers(0, 256, (1, 60, 20, 3), np.uint8)
    rows_first = torch.from_numpy(picture)
    for axis, taps in (
        (2, _taps_on(20, 15, (0, 15), rows_first.device)),
        (1, _taps_on(60, 45, (0, 45), rows_first.device)),
    ):
        rows_first = _resample(rows_first, taps, axis)
    pillows = np.asarray(Image.fromarray(picture[0]).resize((15, 45), Image.Resampling.BILINEAR))
    return not np.array_equal(rows_first[0].numpy(), pillows)


@dataclass(frozen=True)
class Taps:
    """The source pixels and weights of each pixel of a resized line.

    Attributes:
        places: int64 [K, n], counted from the lowest; unused taps have weight 0.
        weights: int32 [K, n], in units of 2**-22.
        lowest, highest: first and last source pixel used.
    """

    places: Tensor
    weights: Tensor
    lowest: int
    highest: int


def _resample(values: Tensor, taps: Taps, axis: int) -> Tensor:
    """One of Pillow's two passes: resample uint8 values along `axis`, which begins at the taps' lowest place.

    A byte times the weights of a pixel stays below 2**31, so int32 sums are exact.
    """
    if values.is_cuda and (fused := fused_resample()) is not None:
        return fused(values, taps.places, taps.weights, axis, WEIGHT_BITS)
    shape = [-1 if at == axis else 1 for at in range(values.ndim)]
    sums: Tensor | None = None
    for places, weights in zip(taps.places, taps.weights, strict=True):
        part = values.index_select(axis, places).to(torch.int32).mul_(weights.view(shape))
        sums = part.add_(1 << (WEIGHT_BITS - 1)) if sums is None else sums.add_(part)
    assert sums is not None
    return sums.bitwise_right_shift_(WEIGHT_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=1)
def fused_resample() -> Callable[[Tensor, Tensor, Tensor, int, int], Tensor] | None:
    """The pass as one kernel, where Triton can compile it; the bytes are the same."""
    try:
        from gsm_bench.frames.fused import resample

        sample = torch.zeros((1, 2, 2, 3), dtype=torch.uint8, device="cuda")
        resample(
            sample,
            torch.zeros((1, 2), dtype=torch.int64, device="cuda"),
            sample.new_ones((1, 2), dtype=torch.int32),
            1,
            22,
        )
    except Exception:  # no Triton, or no compiler for it: plain torch gives the same bytes
        return None
    return resample


def sent_to(device: torch.device, values: Tensor) -> Tensor:
    """Copy a small tensor of any shape to a device without waiting; a plain copy to a GPU waits for all queued work."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


@lru_cache(maxsize=512)
def _taps_on(before: int, after: int, part: tuple[int, int], device: torch.device) -> Taps:
    """Taps of the pixels `part` of a line resized from `before` to `after` pixels, on a device."""
    first, weights = filter_taps(before, after)
    first, weights = first[slice(*part)], weights[slice(*part)]
    places = np.minimum(first + np.arange(weights.shape[1])[:, None], before - 1)  # [K, n]
    used = places[weights.T > 0]
    return Taps(
        sent_to(device, torch.from_numpy(places.clip(used.min(), used.max()) - used.min())),
        sent_to(device, torch.from_numpy(np.ascontiguousarray(weights.T))),
        int(used.min()), int(used.max()),
    )  # fmt: skip


@lru_cache(maxsize=128)
def filter_taps(before: int, after: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Pillow's triangle filter in fixed point: first tap int64 [after] and weights int32 [after, K] of each pixel.

    Every operation is in the order of Pillow's C code, so doubles round the same way.
    """
    scale = before / after
    support = max(scale, 1.0)
    centre = (np.arange(after) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), before)
    taps = first[:, None] + np.arange((last - first).max())  # [after, K]
    weights = np.maximum(1.0 - np.abs((taps - centre[:, None] + 0.5) * (1.0 / support)), 0.0)
    weights[taps >= last[:, None]] = 0.0
    total = np.zeros(after)
    for column in weights.T:
        total += column
    weights /= total[:, None]
    return first, (weights * (1 << WEIGHT_BITS) + 0.5).astype(np.int32)
