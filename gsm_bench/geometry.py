"""Geometry of resizing and cropping, without pixels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

ChannelOrder = Literal["RGB", "BGR"]
FIRST_OF_THREE = 5
"""Number of the first of three crops along the longer side."""


@dataclass(frozen=True)
class InputSpec:
    """Preprocessing from a decoded RGB frame to the input of a network.

    Attributes:
        size: S, side of the square crop in pixels.
        resize: length of the shorter side before the crop, in pixels.
        channel_order: order of the channels that the network was trained on.
        value_range: largest pixel value: 255 for bytes, 1 for bytes divided by 255.
        mean: subtracted per channel, in `channel_order` and on the scale of `value_range`.
        std: divisor per channel, after the mean.
        interpolation: of the resize; ``bilinear`` is that of Pillow, 8 bits, antialiased.
        stretch: height and width that every picture is resized to, whatever its shape; None to keep its shape.
    """

    size: int
    resize: int
    channel_order: ChannelOrder
    value_range: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear"] = "bilinear"
    stretch: tuple[int, int] | None = None


def input_settings(spec: InputSpec) -> dict[str, Any]:
    """The settings as JSON holds them; `stretch` only where it is used."""
    return {key: value for key, value in asdict(spec).items() if value is not None}


def size_for(width: int, height: int, spec: InputSpec) -> tuple[int, int]:
    """(width, height) in pixels of a resized picture of `width` x `height`."""
    return resized_size(width, height, spec.resize) if spec.stretch is None else (spec.stretch[1], spec.stretch[0])


def resized_size(width: int, height: int, shorter: int) -> tuple[int, int]:
    """(width, height) in pixels after resizing the shorter side to `shorter`; the longer side is truncated."""
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def crop_corner(width: int, height: int, size: int, crop: int) -> tuple[int, int]:
    """(left, top) in pixels of a `size` x `size` crop.

    Crop -1 is the centre of one crop, 0..3 are corners, 4 the centre of five, 5..7 start, middle and end of the longer side.
    Crop -1 rounds halves to even; the five crops use whole quarters of the margin, so crop 4 may differ from crop -1.
    """
    if crop == -1:
        return int(round((width - size) / 2)), int(round((height - size) / 2))  # noqa: RUF046 - the released rounding
    if crop >= FIRST_OF_THREE:
        left, top = crop_corner(width, height, size, -1)
        along = int((crop - FIRST_OF_THREE) * (max(width, height) - size) / 2)
        return (along, top) if width > height else (left, along)
    step_x, step_y = (width - size) // 4, (height - size) // 4
    steps = ((0, 0), (4, 0), (0, 4), (4, 4), (2, 2))[crop]
    return steps[0] * step_x, steps[1] * step_y
