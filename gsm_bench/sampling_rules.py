"""Which frames the K clips of a video have, by the rules of several projects.

Each rule gives the frames of its project, found by running their samplers at test time on a thousand lengths:
``slowfast`` PySlowFast on Kinetics, at 30 frames per second; ``slowfast-segments`` PySlowFast and TimeSformer on
Something-Something; ``tsm-dense`` TSM with dense sampling; ``mmaction2`` SampleFrames;
``videomae`` VideoMAE on Kinetics; ``vjepa2`` V-JEPA 2 with overlapping clips. ``ticks`` is the rule of GSM and
TSM; with two clips it is also that of VideoMAE on Something-Something, which takes every second of 2T frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from gsm_bench.sampling import Indices, clip_offsets, indices_at
from gsm_bench.settings import SamplingRule

STRIDED = ("slowfast", "mmaction2", "videomae", "vjepa2")
"""Rules that need a stride."""
TSM_WINDOW = 64
"""Frames that a dense clip of TSM spans."""


@dataclass(frozen=True)
class Sampling:
    """How clips are sampled.

    Attributes:
        rule: the project whose frames they are.
        stride: frames from one sampled frame to the next, of rules that need it; 0 for others.
    """

    rule: SamplingRule = "ticks"
    stride: Annotated[int, Meta(ge=0)] = 0

    def __str__(self) -> str:
        return f"{self.rule}:{self.stride}" if self.stride else self.rule


TICKS = Sampling()


def parse_sampling(text: str) -> Sampling:
    """The sampling that ``RULE`` or ``RULE:STRIDE`` names; raises ValueError with what is expected."""
    rule, colon, stride = text.partition(":")
    if rule not in get_args(SamplingRule):
        raise ValueError(f"no sampling {rule!r}; use one of {', '.join(get_args(SamplingRule))}")
    if colon and not (stride.isdecimal() and stride.isascii() and int(stride) > 0):
        raise ValueError(f"{stride!r} is not a stride; write it as {rule}:8")
    return Sampling(rule, int(stride or 0))  # type: ignore[arg-type]


def sampling_problem(sampling: Sampling, frames: int, clips: int) -> str:
    """Why T `frames` x K `clips` cannot be sampled so; empty if they can."""
    if sampling.rule in STRIDED and not sampling.stride:
        return f"sampling {sampling.rule} needs a stride, such as {sampling.rule}:8"
    if sampling.stride and sampling.rule not in STRIDED:
        return f"sampling {sampling.rule} has no stride"
    if sampling.rule == "tsm-dense" and frames > TSM_WINDOW:
        return f"sampling tsm-dense takes at most {TSM_WINDOW} frames"
    if sampling.rule == "videomae" and clips == 1:
        return "sampling videomae needs at least 2 clips"
    if sampling.rule == "slowfast-segments" and clips > 1:
        return "sampling slowfast-segments has one clip: further ones would be the same frames"
    return ""


def view_offsets(sampling: Sampling, clips: int) -> tuple[float, ...]:
    """Offsets in ticks of K clips; NaN where a rule has no ticks."""
    return clip_offsets(clips) if sampling == TICKS else (np.nan,) * clips


def clip_indices(sampling: Sampling, num_frames: int, frames: int, clips: int) -> Indices:
    """Frame numbers int64 [K, T], from 1, of the clips of a video of `num_frames` frames; all are in the video.

    Raises:
        ValueError: a number is below 1, or the rule cannot give such clips.
    """
    if min(num_frames, frames, clips) < 1:
        raise ValueError(f"cannot sample {clips} x {frames} frames from {num_frames}")
    problem = sampling_problem(sampling, frames, clips)
    if problem:
        raise ValueError(problem)
    if sampling.rule == "ticks":
        return np.stack([indices_at(num_frames, frames, offset) for offset in clip_offsets(clips)])
    if sampling.rule == "slowfast":
        return np.stack([_slowfast(num_frames, frames, sampling.stride, k, clips) for k in range(clips)])
    if sampling.rule == "slowfast-segments":
        return _segment_centres(num_frames, frames)[None]
    if sampling.rule == "tsm-dense":
        return _tsm_dense(num_frames, frames, clips)
    if sampling.rule == "videomae":
        return _videomae(num_frames, frames, sampling.stride, clips)
    if sampling.rule == "vjepa2":
        return _vjepa2(num_frames, frames, sampling.stride, clips)
    return _mmaction2(num_frames, frames, sampling.stride, clips)


def _numbers(places: NDArray[Any]) -> Indices:
    """Frame numbers from 1 of places from 0; fractions are dropped."""
    return np.asarray(places.astype(np.int64) + 1, np.int64)


def _slowfast(num_frames: int, frames: int, stride: int, clip: int, clips: int) -> Indices:
    """T frames at equal distances from the first to the last of a window of T x stride frames, in single precision.

    The distance is (T x stride - 1) / (T - 1), not the stride. Windows begin at k/K of what the video is longer.
    """
    window = frames * stride
    start = max(num_frames - window, 0) * clip / clips
    first, last = np.float32(start), np.float32(start + window - 1)
    if frames == 1:
        places = np.array([first])
    else:  # counted from both ends, as torch.linspace does
        step = (last - first) / np.float32(frames - 1)
        at = np.arange(frames, dtype=np.float32)
        places = np.where(at < frames // 2, first + step * at, last - step * (frames - 1 - at))
    return _numbers(np.clip(places, 0, num_frames - 1))


def _segment_centres(num_frames: int, frames: int) -> Indices:
    """The middle between the rounded ends of T equal segments from the first frame to the last."""
    ends = np.round((num_frames - 1) / frames * np.arange(frames + 1)).astype(np.int64)
    return _numbers((ends[:-1] + ends[1:]) // 2)


def _tsm_dense(num_frames: int, frames: int, clips: int) -> Indices:
    """Windows of 64 frames at equal distances over the video; what lies behind its end continues at its start."""
    stride, last = TSM_WINDOW // frames, max(0, num_frames - TSM_WINDOW)
    starts = np.linspace(0, last, num=clips, dtype=np.int64)
    return (starts[:, None] + stride * np.arange(frames)) % num_frames + 1


def _mmaction2(num_frames: int, frames: int, stride: int, clips: int) -> Indices:
    """Clips from the start to the end of the video, one in its middle; what lies behind its end continues at its start."""
    last = max(num_frames - (frames - 1) * stride - 1, 0)
    starts = np.round(np.arange(clips) * (last / (clips - 1))) if clips > 1 else np.array([last // 2])
    return (starts.astype(np.int64)[:, None] + stride * np.arange(frames)) % num_frames + 1


def _videomae(num_frames: int, frames: int, stride: int, clips: int) -> Indices:
    """Clips from the start to the end of every stride-th frame; a short video repeats the last of these."""
    taken = np.arange(0, num_frames, stride)
    step = max((len(taken) - frames) / (clips - 1), 0)
    starts = (step * np.arange(clips)).astype(np.int64)
    return _numbers(taken[np.minimum(starts[:, None] + np.arange(frames), len(taken) - 1)])


def _vjepa2(num_frames: int, frames: int, stride: int, clips: int) -> Indices:
    """A clip at the start of each of K equal parts, or clips that overlap where parts are shorter than a clip.

    The sampled places are T over the whole window, or one fewer and the last frame but one of the window.
    """
    window, part = frames * stride, num_frames // clips
    if part > window:
        places = np.clip(np.linspace(0, window, num=frames), 0, window - 1)
        step = part
    else:
        last = min(window, num_frames) - 1
        spread = np.linspace(0, last, num=last // stride)
        places = np.clip(np.concatenate([spread, np.full(frames - len(spread), last)]), 0, max(last - 1, 0))
        step = (num_frames - window) // (clips - 1) if num_frames > window else 0
    return places.astype(np.int64) + step * np.arange(clips)[:, None] + 1
