"""The report of an examination: a file that programs read, and that two people compare."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from gsm_bench.errors import GsmBenchError
from gsm_bench.files import new_file, write_whole
from gsm_bench.trust.data_findings import KINDS, Finding, VideoExam

VERSION = 1
SUFFIXES = (".json", ".csv")
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

    def by_kind(self) -> dict[str, list[tuple[VideoExam, Finding]]]:
        """Findings of each kind that occurs, in the order of `KINDS`."""
        kinds: dict[str, list[tuple[VideoExam, Finding]]] = {kind: [] for kind in KINDS}
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


def check_report_path(path: Path, *, force: bool) -> None:
    """Refuse a report that could not be written, before the examination.

    Raises:
        GsmBenchError: the suffix is unknown, or the file exists.
    """
    if path.suffix.lower() not in SUFFIXES or path.is_dir():
        raise GsmBenchError("a report is a .json or .csv file", where=path, fix="--out report.json")
    if path.exists() and not force:
        raise _exists(path)


def write_report(report: FramesReport, path: Path, *, force: bool) -> None:
    """Write a report: .json holds everything, .csv one row per finding."""
    if path.suffix.lower() == ".csv":
        from gsm_bench.tables.render import render_all
        from gsm_bench.trust.doctor_tables import findings_table

        content = f"{render_all([findings_table(report)], 'csv')}\n".encode(errors="surrogateescape")
    else:
        content = msgspec.json.encode(report)
    with new_file(path, force=force, exists=_exists(path)) as written:
        written.write_bytes(content)


def keep_report(report: FramesReport, path: Path) -> None:
    """Write the report of the last examination in its place in the workspace."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.encode(report))


def _exists(path: Path) -> GsmBenchError:
    return GsmBenchError("this report exists already", where=path, fix="name another file, or use --force")


def read_report(path: Path) -> FramesReport:
    """Read a report in JSON.

    Raises:
        GsmBenchError: it is missing, damaged, or no report.
    """
    fix = "give the .json file that gsmbench doctor data --out FILE.json wrote"
    try:
        report = msgspec.json.decode(path.read_bytes(), type=FramesReport)
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise GsmBenchError(f"this is no report of doctor data: {reason}", where=path, fix=fix) from error
    if report.version > VERSION:
        raise GsmBenchError(
            f"this report has version {report.version}, this program reads up to {VERSION}", where=path,
            fix="pip install --upgrade gsm-bench",
        )  # fmt: skip
    return report
