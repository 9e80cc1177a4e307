"""The report of an examination: a file that programs read, and that two people compare."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gsm_bench.trust.data_findings import KINDS, FrameFinding, VideoExam

VERSION = 1
DIGITS = 12
"""Hexadecimal digits of each part of a fingerprint."""


@dataclass(frozen=True)
class FramesPrint:
    """Fingerprints of the frames of many videos, which two people can compare by eye.

    Attributes:
        videos: of their ids, in any order.
        counts: of their numbers of frames; sizes: of their pictures; pixels: of the decoded bytes of some frames.
    """

    videos: str
    counts: str
    sizes: str
    pixels: str


@dataclass(frozen=True, kw_only=True)
class FramesReport:
    """What an examination saw of every video.

    Attributes:
        dataset, split: empty where no list was read.
        decoder: how pixels may differ from the stored ones; empty for stored pictures.
        started, finished: in UTC.
    """

    format: Literal["gsm_bench.frames_report"] = "gsm_bench.frames_report"
    version: int = VERSION
    dataset: str = ""
    split: str = ""
    decoder: str = ""
    started: str = ""
    finished: str = ""
    fingerprint: FramesPrint
    videos: tuple[VideoExam, ...]

    @property
    def wrong(self) -> list[VideoExam]:
        """Videos with findings."""
        return [exam for exam in self.videos if exam.findings]

    @property
    def decoded(self) -> int:
        """Number of frames that were decoded."""
        return sum(exam.decoded for exam in self.videos)

    def by_kind(self) -> dict[str, list[tuple[VideoExam, FrameFinding]]]:
        """Findings of each kind that occurs, in the order of `KINDS`."""
        kinds: dict[str, list[tuple[VideoExam, FrameFinding]]] = {kind: [] for kind in KINDS}
        for exam in self.wrong:
            for finding in exam.findings:
                kinds.setdefault(finding.kind, []).append((exam, finding))
        return {kind: findings for kind, findings in kinds.items() if findings}


def fingerprint_of(exams: Iterable[VideoExam]) -> FramesPrint:
    """Fingerprints of some videos, whatever their order."""
    ordered = sorted(exams, key=lambda exam: exam.id)

    def digest(text_of: Callable[[VideoExam], str]) -> str:
        lines = "\n".join(f"{exam.id}\t{text_of(exam)}" for exam in ordered)
        return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:DIGITS]

    return FramesPrint(
        videos=digest(lambda _: ""),
        counts=digest(lambda exam: str(exam.stored)),
        sizes=digest(lambda exam: f"{exam.width} {exam.height}"),
        pixels=digest(lambda exam: " ".join(mark.pixels for mark in exam.marks)),
    )


def without_kinds(report: FramesReport, accepted: Sequence[str]) -> FramesReport:
    """The report without findings of some kinds."""
    videos = (
        replace(exam, findings=tuple(one for one in exam.findings if one.kind not in accepted))
        for exam in report.videos
    )
    return replace(report, videos=tuple(videos))
