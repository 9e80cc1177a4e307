"""Frames x clips x crops of a result in short: ``8``, ``8x2``, ``8x2x5``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import MemberSpec, clips_of
from gsm_bench.sampling_rules import TICKS
from gsm_bench.scorefile import ScoreHead

UNKNOWN = "?"


def frames_text(head: ScoreHead, views: NDArray[np.int64]) -> str:
    """Frames, clips and crops of some views of a file, whose indices int64 [V] are given."""
    provenance = head.provenance
    if provenance.frames_text:
        return provenance.frames_text
    order, frames = provenance.frame_order, str(provenance.sampled_frames or UNKNOWN)
    clips = clips_of(head.views[views])
    return _joined(frames if order == "forward" else f"{order} {frames}", clips, len(views) // clips)


def planned_frames_text(spec: MemberSpec) -> str:
    """Frames and clips of a member that may have no scores yet."""
    entry = spec.entry
    if entry is not None and entry.sampling != TICKS:  # all clips and crops are averaged
        return _joined(str(entry.frames), entry.clips, entry.crops)
    return _joined(str(entry.frames) if entry else UNKNOWN, spec.clips or 1, 1)


def _joined(frames: str, clips: int, crops: int) -> str:
    return f"{frames}x{clips}x{crops}" if crops > 1 else f"{frames}x{clips}" if clips > 1 else frames


def joined_frames(texts: Iterable[str]) -> str:
    """The frames of an ensemble, such as ``8+12+16``; a question mark where no member's frames are known."""
    texts = list(texts)
    return UNKNOWN if set(texts) == {UNKNOWN} else "+".join(texts)
