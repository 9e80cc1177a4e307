"""Where pixels come from: the resized size of a frame and the crops taken from it. Numbers only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChannelOrder = Literal["RGB", "BGR"]


@dataclass(frozen=True)
class InputSpec:
    """All that turns a decoded RGB frame into a network's input.

    Attributes:
        size: S, side of the square crop in pixels.
        resize: length of the shorter side before the crop, in pixels.
        channel_order: order of the channels that the network was trained on.
        value_range: largest value of a pixel, 255 for bytes as they are, 1 for bytes divided by 255.
        mean: taken off each channel, in `channel_order` and on the scale of `value_range`.
        std: divides each channel after that.
        interpolation: the resize; ``bilinear`` is Pillow's, 8 bits, antialiased.
    """

    size: int
    resize: int
    channel_order: ChannelOrder
    value_range: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear"] = "bilinear"


def resized_size(width: int, height: int, shorter: int) -> tuple[int, int]:
    """(width, height) after the shorter side became `shorter`; the other is cut to a whole pixel."""
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def crop_corner(width: int, height: int, size: int, crop: int) -> tuple[int, int]:
    """(left, top) of a crop of `size` x `size`: -1 the one-crop centre, 0..3 the corners, 4 the centre of five.

    The one-crop centre rounds halves to even; the five crops go in quarters of the free space, so that crop 4 is
    not always crop -1.
    """
    if crop == -1:
        return int(round((width - size) / 2)), int(round((height - size) / 2))  # noqa: RUF046 - the released rounding
    step_x, step_y = (width - size) // 4, (height - size) // 4
    steps = ((0, 0), (4, 0), (0, 4), (4, 4), (2, 2))[crop]
    return steps[0] * step_x, steps[1] * step_y
