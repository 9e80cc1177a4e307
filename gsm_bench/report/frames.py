"""The frames that models saw, as a page holds them: pictures of some videos, and what says which frames these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.shown_frames import shown_clips
from gsm_bench.report.payload import SplitPayload
from gsm_bench.sampling import Indices, indices_at

VIDEOS_PER_BLOB = 32
"""Videos whose pictures are inflated together."""


@dataclass(frozen=True)
class SampledClip:
    """A clip that some results see of every video.

    Attributes:
        frames: T.
        offset: of the clip in ticks.
        backwards: whether the networks saw its frames in reverse order.
        names: of the results.
    """

    frames: int
    offset: float
    backwards: bool
    names: tuple[str, ...]

    def numbers(self, num_frames: int) -> Indices:
        """Frame numbers int64 [T] from 1, in the order of time."""
        return indices_at(num_frames, self.frames, self.offset)


@dataclass(frozen=True)
class ReportedFrames:
    """Frames of the N videos of a split.

    Attributes:
        clips: that results see, by frames and offset.
        num_frames: int64 [N]; 0 unknown.
        media: type of the pictures, ``image/avif`` or ``image/webp``.
        inside: animation of each video that the page holds, by row; its frames are `needed_numbers`.
        folder: of sheets beside the page, named by row; empty for none.
        outside: rows of the videos in the folder.
        problems: why a video has no pictures, by row.
        bad: why a frame has none, by row and number.
        note: why no video has pictures; empty if some have.
    """

    clips: tuple[SampledClip, ...]
    num_frames: NDArray[np.int64]
    media: str = "image/avif"
    inside: Mapping[int, bytes] = field(default_factory=dict)
    folder: str = ""
    outside: Sequence[int] = ()
    problems: Mapping[int, str] = field(default_factory=dict)
    bad: Mapping[int, Mapping[int, str]] = field(default_factory=dict)
    note: str = ""


def sampled_clips(members: Sequence[tuple[str, OpenMember]]) -> tuple[SampledClip, ...]:
    """The different clips that results with names see; those of imports without a sampling are unknown."""
    names: dict[tuple[int, float, bool], list[str]] = {}
    for name, member in members:
        backwards = member.head.provenance.frame_order == "reversed"
        if member.head.provenance.frame_order not in ("forward", "reversed"):
            continue
        for clip in shown_clips(member.spec, member.head, 1):
            names.setdefault((len(clip.numbers), clip.offset, backwards), []).append(name)
    return tuple(SampledClip(*key, tuple(dict.fromkeys(users))) for key, users in sorted(names.items()))


def needed_numbers(clips: Sequence[SampledClip], num_frames: int) -> Indices:
    """Ascending frame numbers that any of the clips has."""
    return np.unique(np.concatenate([clip.numbers(num_frames) for clip in clips]))


def add_frames(payload: SplitPayload, frames: ReportedFrames) -> None:
    """Add pictures and their places.

    Fact ``frames``: clips, media, folder, note. Arrays in the blob ``frames``: ``frames/counts`` [N] frames of each
    video, ``frames/places`` [N, 3] blob, start and bytes of its animation, ``frames/outside`` [n] rows,
    ``frames/problems`` JSON. Animations lie in ``frames/0``, ``frames/1``, .., a blob each.
    """
    clips = [
        {"frames": clip.frames, "offset": clip.offset, "backwards": clip.backwards, "names": list(clip.names)}
        for clip in frames.clips
    ]
    payload.fact("frames", {"clips": clips, "media": frames.media, "folder": frames.folder, "note": frames.note})
    places = np.zeros((len(frames.num_frames), 3), np.uint32)
    rows = list(frames.inside)
    for number, start in enumerate(range(0, len(rows), VIDEOS_PER_BLOB)):
        at = 0
        for row in rows[start : start + VIDEOS_PER_BLOB]:
            places[row] = number, at, len(frames.inside[row])
            at += len(frames.inside[row])
        joined = b"".join(frames.inside[row] for row in rows[start : start + VIDEOS_PER_BLOB])
        payload.add(f"frames/{number}", np.frombuffer(joined, np.uint8), blob=f"frames-{number}")
    payload.add("frames/counts", frames.num_frames.astype(np.uint32), blob="frames")
    payload.add("frames/places", places, blob="frames")
    payload.add("frames/outside", np.asarray(frames.outside, np.uint32), blob="frames")
    problems = {"videos": {str(row): text for row, text in frames.problems.items()}, "frames": frames.bad}
    payload.add_json("frames/problems", problems, blob="frames")
