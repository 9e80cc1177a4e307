"""Which frames of a video each member of an ensemble is shown; computed from its length, no frame is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

import numpy as np

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.provenance import Provenance
from gsm_bench.sampling import Indices, clip_offsets, in_order
from gsm_bench.sampling_rules import TICKS, Sampling, clip_indices, sampling_problem
from gsm_bench.scorefile import ScoreHead
from gsm_bench.settings import FrameOrder, SamplingRule


@dataclass(frozen=True)
class ShownClip:
    """The frames of one clip that a member is shown.

    Attributes:
        label: of the member.
        clip: number of the clip, from 1; clips: how many the member is shown.
        offset: of the clip in ticks; None where its sampling has no ticks.
        numbers: frame numbers int64 [T], from 1, in the order in which the network sees them.
        sampling: that gives these frames.
    """

    label: str
    clip: int
    clips: int
    offset: float | None
    numbers: Indices
    sampling: Sampling = TICKS


def shown_clips(member: MemberSpec, head: ScoreHead | None, num_frames: int, video: str = "") -> list[ShownClip]:
    """The clips that a member is shown of a video with `num_frames` frames; none where that is not known.

    Args:
        member: its entry gives the frames per clip, and how clips are sampled.
        head: of its score file, if there is one: what it says of its run counts before the entry.
        num_frames: frames of the video, at least 1.
        video: its id, which decides the order of shuffled runs.
    """
    frames, sampling = frames_per_clip(member, head), member_sampling(member, head)
    if not frames or sampling is None:
        return []
    clips = clips_shown(member, head, sampling)
    if sampling_problem(sampling, frames, clips):
        return []
    order = cast(FrameOrder, head.provenance.frame_order if head is not None else "forward")
    offsets: list[float | None] = [None] * clips if sampling != TICKS else [*clip_offsets(clips)]
    every = clip_indices(sampling, num_frames, frames, clips)
    return [
        ShownClip(member.label, at, clips, offset, in_order(numbers, order, video), sampling)
        for at, (offset, numbers) in enumerate(zip(offsets, every, strict=True), start=1)
    ]


def frames_per_clip(member: MemberSpec, head: ScoreHead | None) -> int | None:
    """T of a member, from its score file or else from its entry; None if neither knows."""
    stored = head.provenance.sampled_frames if head is not None else None
    return stored or (member.entry.frames if member.entry else None)


def member_sampling(member: MemberSpec, head: ScoreHead | None) -> Sampling | None:
    """How the clips of a member are sampled, from its score file or else from its entry; None if that is not known."""
    if head is None:
        return member.entry.sampling if member.entry is not None else None
    if head.provenance.other_rule:
        return _said_sampling(head.provenance)
    return None if np.isnan(head.views["offset"]).all() else TICKS


def clips_shown(member: MemberSpec, head: ScoreHead | None, sampling: Sampling) -> int:
    """Number of clips that are averaged: the requested ones of ticks, all of other samplings."""
    if sampling == TICKS:
        return member.clips or 1
    if head is not None:
        return int(head.views["clip"].max()) + 1
    return member.entry.clips if member.entry is not None else 1


def _said_sampling(provenance: Provenance) -> Sampling | None:
    """The sampling that a score file names; None for one of another version of this package."""
    rule, stride = provenance.other_rule, (provenance.sampling or {}).get("stride", 0)
    if rule not in get_args(SamplingRule) or not isinstance(stride, int):
        return None
    return Sampling(cast(SamplingRule, rule), stride)
