"""Rows of a score file for the exporters: in blocks, and averaged over views where a format has one row per video."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import ExportError
from gsm_bench.scorefile import NOT_SCORED, ScoreFile, Scores

BLOCK_ROWS = 4096
"""Videos held in memory at once."""


def blocks(videos: int) -> Iterator[slice]:
    """Slices of at most `BLOCK_ROWS` rows that cover all videos."""
    for start in range(0, videos, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, videos))


def check_complete(file: ScoreFile, task: str) -> list[str]:
    """Check that every video has scores of a task; returns a note if views are averaged.

    Raises:
        ExportError: no such task, or videos without scores.
    """
    head = file.head
    if task not in head.kinds:
        raise ExportError(
            f"this score file has no {task} scores; it has {', '.join(head.kinds)}",
            fix=f"--task {next(iter(head.kinds))}",
        )
    unscored = np.flatnonzero(head.status == NOT_SCORED)
    if unscored.size:
        raise ExportError(
            f"{unscored.size:,} videos have no score, first {head.ids[int(unscored[0])]!r}; this format needs all of them",
            fix="score them; or --to csv, parquet or npz, which keep the status",
        )
    views = len(head.views)
    return [f"{task} scores are the mean over {views} views, as {head.kinds[task]}"] if views > 1 else []


def mean_rows(file: ScoreFile, task: str, rows: slice) -> Scores:
    """Scores float32 [n, C] of some rows: the mean over the views."""
    values = file.block(task, rows.start, rows.stop)
    return values[:, 0] if values.shape[1] == 1 else values.mean(axis=1, dtype=np.float64).astype(np.float32)


def complete_rows(file: ScoreFile, task: str) -> tuple[Scores, list[str]]:
    """Scores float32 [N, C], the mean over the views, with notes; raises as `check_complete`."""
    notes = check_complete(file, task)
    means = [mean_rows(file, task, rows) for rows in blocks(len(file.head))]
    return np.concatenate(means) if means else np.empty((0, file.head.classes_per_task[task]), np.float32), notes


def best_classes(scores: Scores, count: int) -> NDArray[np.int64]:
    """The `count` best classes of each row, int64 [N, count]; equal scores rank by the lower class index."""
    return np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :count]
