"""Frame numbers of a clip: the released test and validation rules, in IEEE double precision.

A clip of T frames divides a video of n frames into T ticks of n / T frames and takes one frame per tick, at an offset
in ticks: 0.5 for the one-clip protocol, 0 and 0.5 for two clips.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from gsm_bench.settings import FrameOrder

Indices = NDArray[np.int64]

CENTRE = 0.5
"""Offset of the one-clip protocol in ticks. The second of two clips has it too, so a two-clip file serves both protocols."""


def clip_offsets(clips: int) -> tuple[float, ...]:
    """Offsets in ticks of K clips: (0.5,) for one, else k/K."""
    if clips < 1:
        raise ValueError(f"the number of clips must be at least 1, not {clips}")
    return (CENTRE,) if clips == 1 else tuple(k / clips for k in range(clips))


def indices_at(num_frames: int, frames: int, offset: float) -> Indices:
    """Frame numbers int64 [T], from 1, of the clip at `offset` ticks in a video of `num_frames` frames.

    Both products are rounded before the sum, as in the released code; the integer formula gives other frames.
    """
    if num_frames < 1 or frames < 1:
        raise ValueError(f"cannot sample {frames} frames from {num_frames}")
    tick = num_frames / frames
    return np.asarray(tick * np.arange(frames) + tick * offset, dtype=np.float64).astype(np.int64) + 1


def sample_indices(num_frames: int, frames: int, clips: int = 1) -> Indices:
    """Frame numbers int64 [clips, frames], from 1, of the released test code for a video of `num_frames` frames.

    Videos shorter than a clip repeat frames. Two clips are equal exactly when `frames` divides `num_frames`.

    Raises:
        ValueError: an argument is below 1.
    """
    return np.stack([indices_at(num_frames, frames, offset) for offset in clip_offsets(clips)])


def validation_indices(num_frames: int, frames: int) -> Indices:
    """Frame numbers int64 [T], from 1, of validation during training; only frame 1 if the video has at most T frames."""
    if num_frames <= frames:
        return np.ones(frames, dtype=np.int64)
    return indices_at(num_frames, frames, CENTRE)


def in_order(numbers: Indices, order: FrameOrder, video: str = "") -> Indices:
    """The frame numbers int64 [T] of a clip in the order in which a network is shown them.

    Args:
        order: ``reversed`` from the last to the first; ``frozen`` repeats the middle one; ``shuffled`` is a permutation
            that the id alone decides, the same on every machine and in every version.
        video: id of the video.
    """
    if order == "reversed":
        return numbers[::-1]
    if order == "frozen":
        return np.full_like(numbers, numbers[len(numbers) // 2])
    if order == "shuffled":
        return numbers[sorted(range(len(numbers)), key=lambda at: hashlib.sha256(f"{video} {at}".encode()).digest())]
    return numbers
