"""Export a score file: the writer of each format, and one function that calls it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gsm_bench.errors import ExportError
from gsm_bench.exporters import dumps, something, tables, torch_dumps
from gsm_bench.files import new_file
from gsm_bench.scorefile import ScoreFile, open_scores

Writer = Callable[[Path, ScoreFile, str], list[str]]
TARGETS: dict[str, tuple[Writer, str]] = {
    "npz": (tables.write_npz, ".npz"),
    "csv": (tables.write_csv, ".csv"),
    "parquet": (tables.write_parquet, ".parquet"),
    "mmaction2": (torch_dumps.write_mmaction2, ".pkl"),
    "epic-baseline": (dumps.write_epic_baseline, ".pkl"),
    "something-v1": (something.write_v1, ".csv"),
    "something-v2": (something.write_v2, ".csv"),
}
"""The writer of each format and the suffix of its files."""


def export(path: Path, scores: Path, target: str, *, task: str = "action", force: bool = False) -> list[str]:
    """Write scores in the format of another project.

    Args:
        path: the new file.
        scores: the score file.
        target: a key of TARGETS.
        task: for formats that hold one task.
        force: replace an existing file.

    Returns:
        Notes: what the format cannot hold, and what was changed for it.

    Raises:
        ExportError: the file exists (unless `force`), or the format cannot hold these scores.
        ScoreFileError: the score file is missing or damaged.
    """
    writer, _ = TARGETS[target]
    exists = ExportError("this file exists already", where=path, fix="--force to replace it, or another --out")
    with new_file(path, force=force, exists=exists) as written, open_scores(scores) as file:
        return writer(written, file, task)
