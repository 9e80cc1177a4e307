"""An ensemble in words: the frames of each member's clips, and how scores are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.ensembles.shown_frames import ShownClip, clips_shown, frames_per_clip, member_sampling, shown_clips
from gsm_bench.sampling_rules import TICKS
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
    video, length = _example(list(heads.values()))
    lines = [f"{title} = weighted mean of {len(members)} members", ""]
    for member in members:
        lines += _member_lines(member, heads.get(member.path), (video, length), member.weight / total)
    lines += [
        f"frame numbers are for {f'video {video}' if video else 'a video'}, {length} frames"
        + _formula(members, heads, length),
        "",
        "score(video) = " + " + ".join(_term(member, heads.get(member.path), total) for member in members),
        f"averaged as {space or 'the score files hold them'}; the predicted class has the highest score; ties take the lower index",
    ]
    return "\n".join(lines)


def _formula(members: Sequence[MemberSpec], heads: Mapping[Path, ScoreHead], length: int) -> str:
    """How frame numbers follow from ticks, if a member has them."""
    if any(member_sampling(member, heads.get(member.path)) == TICKS for member in members):
        return f": int(tick*x + tick*offset) + 1 for x = 0..T-1, tick = {length}/T"
    return ""


def _member_lines(member: MemberSpec, head: ScoreHead | None, example: tuple[str, int], share: float) -> list[str]:
    frames, clips = frames_per_clip(member, head), _clips(member, head)
    scores = "scores here" if head else "no scores yet"
    lines = [
        f"{member.label}: {frames or '?'} frames x {clips} clip{'s' * (clips > 1)}, "
        f"weight {share:.4g}{_temperature(member)}, {member.path} ({scores})"
    ]
    video, length = example
    shown = shown_clips(member, head, length, video)
    if head is not None and np.isnan(head.views["offset"]).all():
        lines.append(f"  {_averaged(head)}")
    lines += [f"  clip {one.clip}, {_place(one)}: frames {' '.join(map(str, one.numbers))}" for one in shown]
    if head is not None and len(shown) > 1:
        lines.append(f"  {_identical(member, head)}")
    return [*lines, ""]


def _clips(member: MemberSpec, head: ScoreHead | None) -> int:
    """Clips that are averaged; those that were asked for where the sampling is not known."""
    sampling = member_sampling(member, head)
    return clips_shown(member, head, sampling) if sampling else member.clips or 1


def _averaged(head: ScoreHead) -> str:
    """What is averaged of a file whose views have no offsets in ticks."""
    views = len(head.views)
    if rule := head.provenance.other_rule:
        return f"mean over its {views} views; its clips are sampled by {rule}"
    average = f"mean over its {views} views" if views > 1 else "one view, averaged before the import"
    return f"{average}; their clip offsets are unknown"


def _place(shown: ShownClip) -> str:
    return f"by {shown.sampling}" if shown.offset is None else f"offset {shown.offset:g} ticks"


def _temperature(member: MemberSpec) -> str:
    return "" if member.temperature == 1 else f", scores divided by {member.temperature:.4g}"


def _identical(member: MemberSpec, head: ScoreHead) -> str:
    """How many videos have the same frames in every clip; more clips of these add cost but no information."""
    known = head.num_frames[head.num_frames > 0] if head.num_frames is not None else np.array([], np.int64)
    lengths, counts = np.unique(known, return_counts=True)
    clips = [[shown.numbers.tobytes() for shown in shown_clips(member, head, length)] for length in lengths.tolist()]
    same = sum(int(count) for numbers, count in zip(clips, counts, strict=True) if len(set(numbers)) == 1)
    return f"for {same:,} of {len(known):,} videos all {_clips(member, head)} clips have the same frames"


def _term(member: MemberSpec, head: ScoreHead | None, total: float) -> str:
    clips = _clips(member, head)
    views = f"mean over {clips} clips of " if clips > 1 else ""
    return f"{member.weight / total:.4g} * {views}{member.label}"


def _head(member: MemberSpec) -> ScoreHead | None:
    if not member.path.is_file():
        return None
    with open_scores(member.path) as file:
        return file.head


def _example(heads: Sequence[ScoreHead]) -> tuple[str, int]:
    """Id and number of frames of a scored video; an empty id where no file knows one."""
    for head in heads:
        if head.num_frames is not None and head.num_frames.any():
            row = int(np.flatnonzero(head.num_frames)[0])
            return head.ids[row], int(head.num_frames[row])
    return "", EXAMPLE_FRAMES
