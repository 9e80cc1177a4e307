"""Files of reports: written whole, read with care."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gsm_bench.errors import GsmBenchError
from gsm_bench.files import new_file, refuse_existing, write_whole
from gsm_bench.tables.render import render_all
from gsm_bench.trust.data_report import VERSION, FramesReport
from gsm_bench.trust.doctor_tables import findings_table

SUFFIXES = (".json", ".csv")


def check_report_path(path: Path, *, force: bool) -> None:
    """Refuse a report that could not be written, before the examination.

    Raises:
        GsmBenchError: the suffix is unknown, or the file exists.
    """
    if path.suffix.lower() not in SUFFIXES or path.is_dir():
        raise GsmBenchError("a report is a .json or .csv file", where=path, fix="--out report.json")
    refuse_existing(path, force=force, exists=_exists(path))


def write_report(report: FramesReport, path: Path, *, force: bool) -> None:
    """Write a report: .json holds everything, .csv one row per finding."""
    if path.suffix.lower() == ".csv":
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
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        reason = getattr(error, "strerror", None) or str(error)
        raise GsmBenchError(f"this is no report of doctor data: {reason}", where=path, fix=fix) from error
    if report.version > VERSION:
        raise GsmBenchError(
            f"this report has version {report.version}, this program reads up to {VERSION}", where=path,
            fix="pip install --upgrade gsm-bench",
        )  # fmt: skip
    return report
