"""An ensemble in words: the frames of each member's clips, and how scores are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.ensembles.shown_frames import frames_per_clip, shown_clips
from gsm_bench.sampling import clip_offsets, indices_at
from gsm_bench.scorefile import ScoreFile, ScoreHead, open_scores
from gsm_bench.settings import Space

EXAMPLE_FRAMES = 40


def explain_ensemble(
    title: str, members: Sequence[MemberSpec], space: Space | None, opened: Mapping[Path, ScoreFile] | None = None
) -> str:
    """Members with their weights, views and frame numbers for one example video, and the formula.

    Args:
        opened: score files that are open, by the path in their member's spec.
    """
    total = sum(member.weight for member in members)
    heads = {path: file.head for path, file in (opened or {}).items()}
    for member in members:
        if member.path not in heads and (head := _head(member)) is not None:
            heads[member.path] = head
    name, length = _example(list(heads.values()))
    lines = [f"{title} = weighted mean of {len(members)} members", ""]
    for member in members:
        lines += _member_lines(member, heads.get(member.path), length, member.weight / total)
    lines += [
        f"frame numbers are for {name}, {length} frames: int(tick*x + tick*offset) + 1 for x = 0..T-1, tick = {length}/T",
        "",
        "score(video) = " + " + ".join(_term(member, total) for member in members),
        f"averaged as {space or 'the score files hold them'}; the predicted class has the highest score; ties take the lower index",
    ]
    return "\n".join(lines)


def _member_lines(member: MemberSpec, head: ScoreHead | None, length: int, share: float) -> list[str]:
    clips = member.clips or 1
    frames = frames_per_clip(member, head)
    scores = "scores here" if head else "no scores yet"
    lines = [
        f"{member.label}: {frames or '?'} frames x {clips} clip{'s' * (clips > 1)}, "
        f"weight {share:.4g}{_temperature(member)}, {member.path} ({scores})"
    ]
    if head is not None and np.isnan(head.views["offset"]).all():
        views = len(head.views)
        if rule := head.provenance.other_rule:
            return [*lines, f"  mean over its {views} views; its clips are sampled by {rule}", ""]
        average = f"mean over its {views} views" if views > 1 else "one view, averaged before the import"
        return [*lines, f"  {average}; their clip offsets are unknown", ""]
    if not frames:
        return [*lines, ""]
    lines += [
        f"  clip {shown.clip}, offset {shown.offset:g} ticks: frames {' '.join(map(str, shown.numbers))}"
        for shown in shown_clips(member, head, length)
    ]
    if head is not None and clips > 1:
        lines.append(f"  {_identical(head, frames, clips)}")
    return [*lines, ""]


def _temperature(member: MemberSpec) -> str:
    return "" if member.temperature == 1 else f", scores divided by {member.temperature:.4g}"


def _identical(head: ScoreHead, frames: int, clips: int) -> str:
    """How many videos have the same frames in every clip; more clips of these add cost but no information."""
    known = head.num_frames[head.num_frames > 0] if head.num_frames is not None else np.array([], np.int64)
    lengths, counts = np.unique(known, return_counts=True)
    same = sum(
        int(count)
        for length, count in zip(lengths, counts, strict=True)
        if len({indices_at(int(length), frames, offset).tobytes() for offset in clip_offsets(clips)}) == 1
    )
    return f"for {same:,} of {len(known):,} videos all {clips} clips have the same frames"


def _term(member: MemberSpec, total: float) -> str:
    views = f"mean over {member.clips} clips of " if (member.clips or 1) > 1 else ""
    return f"{member.weight / total:.4g} * {views}{member.label}"


def _head(member: MemberSpec) -> ScoreHead | None:
    if not member.path.is_file():
        return None
    with open_scores(member.path) as file:
        return file.head


def _example(heads: Sequence[ScoreHead]) -> tuple[str, int]:
    for head in heads:
        if head.num_frames is not None and head.num_frames.any():
            row = int(np.flatnonzero(head.num_frames)[0])
            return f"video {head.ids[row]}", int(head.num_frames[row])
    return "a video", EXAMPLE_FRAMES
