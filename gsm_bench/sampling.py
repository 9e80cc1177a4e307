"""Which frames of a video a clip is made of: the released test and validation rules, in IEEE double.

A clip of T frames from n cuts the video into T ticks of n / T frames and takes one frame per tick, at an offset
that is a fraction of a tick: 0.5 for the one-clip protocol, 0 and 0.5 for two clips.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

CENTRE = 0.5
"""The one-clip protocol's offset; also the second clip of two, so that a two-clip dump holds both protocols."""


def clip_offsets(clips: int) -> tuple[float, ...]:
    """Offsets, in ticks, of a set of `clips` clips: (0.5,), (0, 0.5), and k/K from three clips up."""
    if clips < 1:
        raise ValueError(f"a video is scored with at least one clip, not {clips}")
    return (CENTRE,) if clips == 1 else tuple(k / clips for k in range(clips))


def indices_at(num_frames: int, frames: int, offset: float) -> Indices:
    """Frame numbers [T], from 1, of the clip that starts `offset` ticks into a video of `num_frames` frames.

    The products are taken before the sum, as in the released code: the integer formula gives other frames.
    """
    if num_frames < 1 or frames < 1:
        raise ValueError(f"cannot take {frames} frames out of {num_frames}")
    tick = num_frames / frames
    return np.asarray(tick * np.arange(frames) + tick * offset, dtype=np.float64).astype(np.int64) + 1


def sample_indices(num_frames: int, frames: int, clips: int = 1) -> Indices:
    """Frame numbers [clips, frames], from 1, that the released test code takes from a video of `num_frames`.

    Videos shorter than a clip repeat frames. Two clips are equal, index by index, exactly when the clip length
    divides the number of frames of the video.

    Raises:
        ValueError: for a video, clip or number of clips below 1.
    """
    return np.stack([indices_at(num_frames, frames, offset) for offset in clip_offsets(clips)])


def validation_indices(num_frames: int, frames: int) -> Indices:
    """Frame numbers [T], from 1, at validation during training: frame 1 alone if the video has at most T frames."""
    if num_frames <= frames:
        return np.ones(frames, dtype=np.int64)
    return indices_at(num_frames, frames, CENTRE)
