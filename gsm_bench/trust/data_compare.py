"""Compare the frames of two people: what one of them lacks, has encoded again, resized, or cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gsm_bench.errors import GsmBenchError
from gsm_bench.trust.data_findings import VideoExam
from gsm_bench.trust.data_looks import ALIKE_BITS, bits_between
from gsm_bench.trust.data_report import FramesReport

DIFFERENCES = {
    "only-theirs": "videos that you lack",
    "only-yours": "videos that they lack",
    "unreadable-here": "videos that only they can read",
    "unreadable-there": "videos that only you can read",
    "frames": "other numbers of frames",
    "size": "other sizes of pictures",
    "content": "other pictures: another video, or other frames of it",
    "encoded": "pictures that look the same with other pixels: encoded again, or by another decoder",
}
"""Kinds of differences with their meanings; a video has the first that applies."""


@dataclass(frozen=True)
class FramesDifference:
    """How a video differs between two reports."""

    id: str
    kind: str
    yours: str
    theirs: str


@dataclass(frozen=True)
class FramesComparison:
    """Two reports compared.

    Attributes:
        same: videos without a difference.
        decoders: how pixels were decoded, yours and theirs.
    """

    same: int
    differences: tuple[FramesDifference, ...]
    decoders: tuple[str, str]

    def by_kind(self) -> dict[str, list[FramesDifference]]:
        """Differences of each kind that occurs, in the order of `DIFFERENCES`."""
        kinds = {kind: [one for one in self.differences if one.kind == kind] for kind in DIFFERENCES}
        return {kind: differences for kind, differences in kinds.items() if differences}


def compare_reports(yours: FramesReport, theirs: FramesReport) -> FramesComparison:
    """Compare two reports video by video.

    Raises:
        GsmBenchError: they have no video in common.
    """
    mine, other = {exam.id: exam for exam in yours.videos}, {exam.id: exam for exam in theirs.videos}
    common = [name for name in mine if name in other]
    if not common:
        shown = [repr(next(iter(exams), "nothing")) for exams in (mine, other)]
        raise GsmBenchError(
            f"the reports have no video in common: yours begins with {shown[0]}, theirs with {shown[1]}",
            fix="compare reports of the same data set and split",
        )
    differences = [
        *(FramesDifference(name, "only-theirs", "", _described(other[name])) for name in other if name not in mine),
        *(FramesDifference(name, "only-yours", _described(mine[name]), "") for name in mine if name not in other),
        *(each for name in common for each in _difference(mine[name], other[name])),
    ]
    same = len(common) - sum(one.id in mine and one.id in other for one in differences)
    return FramesComparison(same, tuple(differences), (yours.decoder, theirs.decoder))


def _difference(mine: VideoExam, other: VideoExam) -> Iterator[FramesDifference]:
    kind = _kind(mine, other)
    if kind:
        yield FramesDifference(mine.id, kind, _described(mine), _described(other))


def _kind(mine: VideoExam, other: VideoExam) -> str:
    """The first difference of two exams of one video; empty for none."""
    if not (mine.decoded and other.decoded):
        return "" if mine.decoded == other.decoded else "unreadable-there" if mine.decoded else "unreadable-here"
    if mine.stored != other.stored:
        return "frames"
    if (mine.width, mine.height) != (other.width, other.height):
        return "size"
    marks = [(one, two) for one in mine.marks for two in other.marks if one.number == two.number]
    if all(one.pixels == two.pixels for one, two in marks) and mine.decoded == other.decoded:
        return ""
    bits = sum(bits_between(one.look, two.look) for one, two in marks)
    return "encoded" if bits <= ALIKE_BITS * len(marks) else "content"


def _described(exam: VideoExam) -> str:
    if not exam.decoded:
        return "unreadable"
    return f"{exam.stored:,} frames of {exam.width} x {exam.height}"
