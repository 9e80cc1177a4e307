"""Which frames of a video each member of an ensemble is shown; computed from its length, no frame is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.sampling import Indices, clip_offsets, indices_at
from gsm_bench.scorefile import ScoreHead


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


def shown_clips(member: MemberSpec, head: ScoreHead | None, num_frames: int) -> list[ShownClip]:
    """The clips that a member is shown of a video with `num_frames` frames; none where that is not known.

    Args:
        member: its entry gives the frames per clip.
        head: of its score file, if there is one: it says so where there is no entry, and it knows reversed runs.
        num_frames: frames of the video, at least 1.
    """
    frames = frames_per_clip(member, head)
    if not frames or (head is not None and np.isnan(head.views["offset"]).all()):
        return []
    backwards = head is not None and head.provenance.frame_order == "reversed"
    clips = member.clips or 1
    return [
        ShownClip(member.label, at, clips, offset, indices_at(num_frames, frames, offset)[:: -1 if backwards else 1])
        for at, offset in enumerate(clip_offsets(clips), start=1)
    ]


def frames_per_clip(member: MemberSpec, head: ScoreHead | None) -> int | None:
    """T of a member, from its entry or else from its score file; None if neither knows."""
    return member.entry.frames if member.entry else head.provenance.sampled_frames if head else None
