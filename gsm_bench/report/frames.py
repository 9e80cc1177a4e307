"""The frames that models saw, as a page holds them: pictures of some videos, and what says which frames these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.shown_frames import ShownClip, shown_clips
from gsm_bench.report.payload import SplitPayload, smallest_unsigned
from gsm_bench.sampling import Indices, indices_at
from gsm_bench.sampling_rules import TICKS, Sampling, clip_indices

VIDEOS_PER_BLOB = 32
"""Videos whose pictures are inflated together."""


@dataclass(frozen=True)
class SampledClip:
    """A clip that some results see of every video.

    Attributes:
        frames: T.
        offset: of the clip in ticks; None where its sampling has no ticks.
        backwards: whether the networks saw its frames in reverse order.
        names: of the results.
        sampling: that gives the frames.
        clip: its number from 1, of a sampling without ticks; else 0.
        clips: how many belong together, of a sampling without ticks; else 0.
    """

    frames: int
    offset: float | None
    backwards: bool
    names: tuple[str, ...]
    sampling: Sampling = TICKS
    clip: int = 0
    clips: int = 0

    def numbers(self, num_frames: int) -> Indices:
        """Frame numbers int64 [T] from 1, forwards."""
        if self.offset is not None:
            return indices_at(num_frames, self.frames, self.offset)
        every: Indices = _all_clips(self.sampling, num_frames, self.frames, self.clips)
        numbers: Indices = every[self.clip - 1]
        return numbers


@lru_cache(maxsize=4096)
def _all_clips(sampling: Sampling, num_frames: int, frames: int, clips: int) -> Indices:
    """Frame numbers int64 [K, T] of `clip_indices`, which each of the K clips asks for."""
    return clip_indices(sampling, num_frames, frames, clips)


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
    names: dict[SampledClip, list[str]] = {}
    for name, member in members:
        order = member.head.provenance.frame_order
        if order in ("forward", "reversed"):
            for shown in shown_clips(member.spec, member.head, 1):
                names.setdefault(_sampled(shown, order == "reversed"), []).append(name)
    return tuple(
        replace(clip, names=tuple(dict.fromkeys(users))) for clip, users in sorted(names.items(), key=_by_sampling)
    )


def _sampled(shown: ShownClip, backwards: bool) -> SampledClip:
    """A clip without names; one of ticks is the same in all protocols that have its offset."""
    place = (shown.clip, shown.clips) if shown.offset is None else (0, 0)
    return SampledClip(len(shown.numbers), shown.offset, backwards, (), shown.sampling, *place)


def _by_sampling(item: tuple[SampledClip, list[str]]) -> tuple[Any, ...]:
    clip = item[0]
    return clip.frames, clip.offset is None, str(clip.sampling), clip.clips, clip.clip, clip.offset or 0, clip.backwards


def needed_numbers(clips: Sequence[SampledClip], num_frames: int) -> Indices:
    """Ascending frame numbers that any of the clips has."""
    return np.unique(np.concatenate([clip.numbers(num_frames) for clip in clips]))


def add_frames(payload: SplitPayload, frames: ReportedFrames) -> None:
    """Add pictures and their places.

    Fact ``frames``: clips, media, folder, note. Arrays in the blob ``frames``: ``frames/counts`` [N] frames of each
    video, ``frames/places`` [N, 3] blob, start and bytes of its animation, ``frames/outside`` [n] rows,
    ``frames/problems`` JSON. Animations lie in ``frames/0``, ``frames/1``, .., a blob each. The page computes the frames
    of clips in ticks; those of others are in ``frames/listed`` [L, columns] for the lengths ``frames/lengths`` [L].
    """
    columns = np.cumsum([0, *(clip.frames * (clip.offset is None) for clip in frames.clips)]).tolist()
    clips = [_clip_fact(clip, column) for clip, column in zip(frames.clips, columns, strict=False)]
    payload.fact("frames", {"clips": clips, "media": frames.media, "folder": frames.folder, "note": frames.note})
    if columns[-1]:
        lengths = np.unique(frames.num_frames[frames.num_frames > 0])
        kind = smallest_unsigned(int(lengths.max(initial=0)))
        listed = np.empty((len(lengths), columns[-1]), kind)
        for clip, column in zip(frames.clips, columns, strict=False):
            if clip.offset is None:
                listed[:, column : column + clip.frames] = [clip.numbers(length) for length in lengths.tolist()]
        payload.add("frames/lengths", lengths.astype(np.uint32), blob="frames")
        payload.add("frames/listed", listed, blob="frames")
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


def _clip_fact(clip: SampledClip, column: int) -> dict[str, Any]:
    """What the page's scripts know of a clip; `column` is the first of its listed frames."""
    fact = {"frames": clip.frames, "offset": clip.offset, "backwards": clip.backwards, "names": list(clip.names)}
    if clip.offset is not None:
        return fact
    return {**fact, "rule": str(clip.sampling), "clip": clip.clip, "clips": clip.clips, "column": column}
