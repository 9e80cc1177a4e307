"""The released random choices of a training clip: which crops, which frames, which label after mirroring.

Each function gives all the possible results, or takes its random numbers as an argument, so that a sampler of its own
decides. Crops and frames are drawn with equal chance from what is listed; equal entries count separately.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsm_bench.sampling import Indices

SCALES = (1.0, 0.875, 0.75, 0.66)
"""Sides of a crop against the shorter side of the stored picture."""

NEAR = 3
"""A side that differs by less than this from the network's input becomes the input's."""

STEPS = ((0, 0), (4, 0), (0, 4), (4, 4), (2, 2), (0, 2), (4, 2), (2, 4), (2, 0), (1, 1), (3, 1), (1, 3), (3, 3))
"""Places of a crop (x, y) in quarters of the free space: corners, centre, middles of the sides, four between."""

SOMETHING_SWAPS = {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}
"""Class ids of Something-V1 (names sorted) that say left or right: pulling, pushing, turning the camera."""


def crop_sizes(width: int, height: int, size: int) -> list[tuple[int, int]]:
    """The ten pairs (width, height) of a random crop of a picture, for a network input of `size` pixels.

    A shorter side 1 or 2 pixels below `size` gives crops larger than the picture, as in the released code.
    """
    sides = [int(min(width, height) * scale) for scale in SCALES]
    sides = [size if abs(side - size) < NEAR else side for side in sides]
    return [
        (across, down)
        for row, down in enumerate(sides)
        for column, across in enumerate(sides)
        if abs(row - column) <= 1
    ]


def crop_offsets(width: int, height: int, crop: tuple[int, int]) -> list[tuple[int, int]]:
    """The thirteen places (left, top) of a crop (width, height); negative where it is larger than the picture."""
    step_x, step_y = (width - crop[0]) // 4, (height - crop[1]) // 4
    return [(x * step_x, y * step_y) for x, y in STEPS]


def crop_picture(picture: Image.Image, crop: tuple[int, int], place: tuple[int, int], size: int) -> NDArray[np.uint8]:
    """Cut `crop` (width, height) at `place` (left, top), and resize both sides: uint8 RGB [size, size, 3].

    Pillow's bilinear filter with antialiasing; what lies outside the picture is black.
    """
    box = (place[0], place[1], place[0] + crop[0], place[1] + crop[1])
    return np.asarray(picture.crop(box).resize((size, size), Image.Resampling.BILINEAR))


def segment_starts(num_frames: int, frames: int) -> tuple[Indices, int]:
    """First frame numbers int64 [T], from 1, of the segments of a video, and how many frames each segment has.

    Segments have n // T frames, so the last n - T * (n // T) frames are never used. A video of fewer than T frames
    gives frame 1 T times.

    Raises:
        ValueError: an argument is below 1.
    """
    if num_frames < 1 or frames < 1:
        raise ValueError(f"cannot sample {frames} frames from {num_frames}")
    length = num_frames // frames
    return np.asarray(np.arange(frames) * length + 1, dtype=np.int64), max(1, length)


def released_indices(num_frames: int, frames: int, draws: NDArray[np.float64]) -> Indices:
    """One frame number from 1 of each segment, int64 [T]; `draws` are uniform numbers in [0, 1), float64 [T]."""
    starts, length = segment_starts(num_frames, frames)
    places = np.minimum((draws * length).astype(np.int64), length - 1)
    return np.asarray(starts + places, dtype=np.int64)


def spread_indices(num_frames: int, frames: int, draws: NDArray[np.float64]) -> Indices:
    """One frame number from 1 of each of T equal parts of a video, int64 [T]; `draws` as of `released_indices`.

    The parts are the n / T ticks of the test rule, so that every frame of a video is seen.
    """
    positions = (np.arange(frames) + draws) * (num_frames / frames)
    return np.asarray(np.minimum(positions.astype(np.int64), num_frames - 1) + 1, dtype=np.int64)


def is_mirrored(draw: float) -> bool:
    """Whether a clip is mirrored, from a uniform number in [0, 1)."""
    return draw < 0.5


def mirrored_label(label: int, dataset: str) -> int:
    """The class of a mirrored clip: left and right swap in Something-Something, all other classes stay.

    Every data set whose name has ``something`` in it takes the class ids of Something-V1, as in the released code.
    """
    return SOMETHING_SWAPS.get(label, label) if "something" in dataset else label
