"""From decoded frames to a network's input, equal to Pillow's bytes on every device."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gsm_bench.geometry import InputSpec, crop_corner, resized_size

WEIGHT_BITS = 22
"""Fixed-point bits of Pillow's resize weights; each pass rounds back to a byte."""


def preprocess(images: Tensor | NDArray[np.uint8], spec: InputSpec) -> Tensor:
    """Resize, crop the centre, reorder channels, take the mean off.

    Args:
        images: uint8 RGB [T, H, W, 3], on any device.
        spec: the geometry and values that the network was trained with.

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
    """One RGB picture with its shorter side at `spec.resize`."""
    size = resized_size(image.width, image.height, spec.resize)
    return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)


def resize_exactly(images: Tensor, spec: InputSpec) -> Tensor:
    """Pillow's resize as two matrix products, for devices that Pillow does not run on; uint8 in and out.

    Byte times 22-bit weight sums stay far below 2**53, so float64 products are exact and their rounding is Pillow's.
    """
    width, height = resized_size(images.shape[2], images.shape[1], spec.resize)
    horizontal = torch.from_numpy(_weights(images.shape[2], width)).to(images.device)  # [W', W]
    vertical = torch.from_numpy(_weights(images.shape[1], height)).to(images.device)  # [H', H]
    rows = _to_bytes(torch.einsum("ow,thwc->thoc", horizontal, images.double()))  # [T, H, W', 3]
    return _to_bytes(torch.einsum("oh,thwc->towc", vertical, rows)).to(torch.uint8)  # [T, H', W', 3]


def normalise(pixels: Tensor, spec: InputSpec) -> Tensor:
    """uint8 RGB [..., S, S, 3] -> float32 [..., 3, S, S] in the network's channel order, scale, mean and std."""
    values = pixels.movedim(-1, -3)
    if spec.channel_order == "BGR":
        values = values.flip(-3)
    values = values.to(torch.float32, memory_format=torch.contiguous_format)
    if spec.value_range != 255:
        values = values * (spec.value_range / 255)
    mean = torch.tensor(spec.mean, device=values.device).view(3, 1, 1)
    values = values - mean
    if spec.std == (1, 1, 1):
        return values
    return values / torch.tensor(spec.std, device=values.device).view(3, 1, 1)


def _to_bytes(sums: Tensor) -> Tensor:
    half = 1 << (WEIGHT_BITS - 1)
    return torch.floor((sums + half) / (1 << WEIGHT_BITS)).clamp_(0, 255)


@lru_cache(maxsize=64)
def _weights(before: int, after: int) -> NDArray[np.float64]:
    """Pillow's fixed-point triangle-filter weights [after, before], as whole numbers in float64."""
    scale = before / after
    support = max(scale, 1.0)
    matrix = np.zeros((after, before))
    for out in range(after):
        centre = (out + 0.5) * scale
        first, last = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), before)
        taps = np.array([max(0.0, 1.0 - abs((tap - centre + 0.5) / support)) for tap in range(first, last)])
        matrix[out, first:last] = [math.floor(weight * (1 << WEIGHT_BITS) + 0.5) for weight in taps / taps.sum()]
    return matrix
