"""What the examinations say, as tables."""

from __future__ import annotations

from gsm_bench.tables.notes import counted, some_of
from gsm_bench.tables.table import Column, Table
from gsm_bench.trust.data_compare import DIFFERENCES, FramesComparison
from gsm_bench.trust.data_findings import KINDS
from gsm_bench.trust.data_report import FramesReport

SHOWN = 3
"""Ids, and details, of each kind in a summary."""


def summary_table(report: FramesReport) -> Table:
    """One row per kind of finding, with the first ids; the fingerprint as a note."""
    rows = tuple(
        {
            "kind": kind, "videos": len({exam.id for exam, _ in findings}),
            "first": some_of(list(dict.fromkeys(exam.id for exam, _ in findings)), SHOWN),
            "example": f"{findings[0][0].id}: {findings[0][1].what}", "meaning": KINDS.get(kind, ""),
        }
        for kind, findings in report.by_kind().items()
    )  # fmt: skip
    columns = (Column("kind", "Finding"), Column("videos", "Videos", "count"), Column("example", "For example"))
    place = f" of {report.dataset}/{report.split}" if report.dataset else ""
    title = f"{counted(len(report.videos), 'video')}{place}, {counted(report.decoded, 'frame')} decoded"
    return Table(title, columns, (rows,), tuple(_summary_notes(report)), name="doctor")


def _summary_notes(report: FramesReport) -> list[str]:
    prints = report.fingerprint
    notes = [
        f"{kind}: {KINDS[kind]}; first {some_of([exam.id for exam, _ in findings], SHOWN)}."
        for kind, findings in report.by_kind().items()
    ]
    notes.append(
        "Nothing wrong was found." if not report.wrong else f"{counted(len(report.wrong), 'video')} with findings."
    )
    notes.append(
        f"Fingerprint: videos {prints.videos}, counts {prints.counts}, sizes {prints.sizes}, pixels {prints.pixels}."
    )
    return notes


def findings_table(report: FramesReport) -> Table:
    """One row per finding."""
    rows = tuple(
        {
            "id": exam.id, "kind": finding.kind, "what": finding.what, "frames": " ".join(map(str, finding.frames)),
            "where": exam.where,
        }
        for exam in report.wrong
        for finding in exam.findings
    )  # fmt: skip
    columns = tuple(Column(key, key.capitalize()) for key in ("id", "kind", "what", "frames", "where"))
    return Table("", columns, (rows,), name="findings")


def comparison_table(comparison: FramesComparison) -> Table:
    """One row per kind of difference, with the first ids."""
    rows = tuple(
        {
            "kind": kind, "videos": len(differences), "first": some_of([one.id for one in differences], SHOWN),
            "yours": differences[0].yours, "theirs": differences[0].theirs,
        }
        for kind, differences in comparison.by_kind().items()
    )  # fmt: skip
    columns = (
        Column("kind", "Difference"), Column("videos", "Videos", "count"), Column("first", "First"),
        Column("yours", "Yours, of the first"), Column("theirs", "Theirs"),
    )  # fmt: skip
    notes = [f"{kind}: {DIFFERENCES[kind]}." for kind in comparison.by_kind()]
    yours, theirs = (decoder or "stored pictures" for decoder in comparison.decoders)
    if yours != theirs:
        notes.append(f"Decoded otherwise: yours {yours}, theirs {theirs}.")
    notes.append(f"{counted(comparison.same, 'video')} without a difference.")
    return Table("Yours and theirs", columns, (rows,), tuple(notes), name="frames-comparison")
