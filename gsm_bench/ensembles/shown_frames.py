"""Which frames of a video each member of an ensemble is shown; computed from its length, no frame is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.sampling import Indices, clip_offsets, in_order, indices_at
from gsm_bench.sampling_rules import TICKS
from gsm_bench.scorefile import ScoreHead
from gsm_bench.settings import FrameOrder


@dataclass(frozen=True)
class ShownClip:
    """The frames of one clip that a member is shown.

    Attributes:
        label: of the member.
        clip: number of the clip, from 1; clips: how many the member is shown.
        offset: of the clip in ticks.
        numbers: frame numbers int64 [T], from 1, in the order in which the network sees them.
    """

    label: str
    clip: int
    clips: int
    offset: float
    numbers: Indices


def shown_clips(member: MemberSpec, head: ScoreHead | None, num_frames: int, video: str = "") -> list[ShownClip]:
    """The clips that a member is shown of a video with `num_frames` frames; none where that is not known.

    Args:
        member: its entry gives the frames per clip.
        head: of its score file, if there is one: it says so where there is no entry, and it knows runs in another order.
        num_frames: frames of the video, at least 1.
        video: its id, which decides the order of shuffled runs.
    """
    frames = frames_per_clip(member, head)
    if not frames or (head is not None and np.isnan(head.views["offset"]).all()):
        return []
    if head is None and member.entry is not None and member.entry.sampling != TICKS:
        return []
    order = cast(FrameOrder, head.provenance.frame_order if head is not None else "forward")
    clips = member.clips or 1
    return [
        ShownClip(member.label, at, clips, offset, in_order(indices_at(num_frames, frames, offset), order, video))
        for at, offset in enumerate(clip_offsets(clips), start=1)
    ]


def frames_per_clip(member: MemberSpec, head: ScoreHead | None) -> int | None:
    """T of a member, from its entry or else from its score file; None if neither knows."""
    return member.entry.frames if member.entry else head.provenance.sampled_frames if head else None
