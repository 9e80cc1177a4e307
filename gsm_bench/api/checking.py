"""Files checked: score files against their checksums, submissions as their server would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.results import FileCheckResult, VerdictResult
from gsm_bench.errors import ScoreFileError
from gsm_bench.hdf5_check import SIGNATURE
from gsm_bench.scorefile import COPY_AGAIN, ROWS_AT_ONCE, ScoreFile, form_of
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from gsm_bench.manifest import Manifest
    from gsm_bench.workspace import Workspace

COLUMNS = (
    Column("scores", ""), Column("videos", "Videos", "count"), Column("views", "Views", "count"),
    Column("classes", "Classes", "count"), Column("blocks", "Blocks compared", "count"),
)  # fmt: skip
NOTES = {
    "everything": "all checksums match: of every block of scores, and of everything else in the file",
    "scores": "another program changed this file: checksums of scores match, those of the rest no longer apply",
    "nothing": "this file has no checksums (an older version, or another program, wrote it): it is complete and readable",
}
MOST_NAMED = 5


def check_any(
    path: Path, manifest: Manifest, workspace: Workspace, data: Path | None
) -> VerdictResult | FileCheckResult:
    """Check a score file or a submission; see `Bench.check`."""
    if is_hdf5(path):
        return check_score_file(path)
    from gsm_bench.api.submitting import check_submission

    return check_submission(path, manifest, workspace, data)


def is_hdf5(path: Path) -> bool:
    """Whether this is an HDF5 file, or named like one."""
    if path.suffix in (".h5", ".hdf5") or not path.is_file():
        return path.suffix in (".h5", ".hdf5")
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def check_score_file(path: Path) -> FileCheckResult:
    """Read a whole score file or feature file and compare it with its checksums.

    Raises:
        ScoreFileError: it is damaged; names tasks and rows.
    """
    form = form_of(path)
    with ScoreFile.open(path, form) as file:
        damaged = {task: file.damaged_rows(task) for task in file.head.kinds}
        named = [
            f"{task} {form.values} of rows {first} to {last}" for task, rows in damaged.items() for first, last in rows
        ]
        if named:
            more = f" and {len(named) - MOST_NAMED:,} more blocks" if len(named) > MOST_NAMED else ""
            what = f"this {form.noun} is damaged: {', '.join(named[:MOST_NAMED])}{more} do not match their checksums"
            raise ScoreFileError(what, where=path, fix=COPY_AGAIN)
        for task in file.head.kinds:
            for start in range(0, len(file), ROWS_AT_ONCE):
                file.block(task, start, start + ROWS_AT_ONCE)
        rows = tuple(
            {
                "scores": task, "videos": len(file), "views": len(file.head.views),
                "classes": file.head.classes_per_task[task], "blocks": file.blocks_compared(task),
            }
            for task in file.head.kinds
        )  # fmt: skip
    note = NOTES[file.covered]
    return FileCheckResult((Table(f"{path.name}: sound", COLUMNS, (rows,), (note,), "check"),), covered=file.covered)
