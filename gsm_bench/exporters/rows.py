"""What formats need of a score file: blocks of its rows, and for one row per clip the mean over its views, whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import ExportError
from gsm_bench.scorefile import NOT_SCORED, ScoreFile, Scores

BLOCK_ROWS = 4096
"""Clips held in memory at once."""


def blocks(clips: int) -> Iterator[slice]:
    """Rows of a file, block by block."""
    for start in range(0, clips, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, clips))


def check_whole(file: ScoreFile, task: str) -> list[str]:
    """What has to be said of a mean over views.

    Raises:
        ExportError: no such task, or clips without scores.
    """
    head = file.head
    if task not in head.kinds:
        raise ExportError(
            f"this score file has no {task} scores; it has {', '.join(head.kinds)}",
            fix=f"--task {next(iter(head.kinds))}",
        )
    lacking = np.flatnonzero(head.status == NOT_SCORED)
    if lacking.size:
        raise ExportError(
            f"{lacking.size:,} clips have no score, first {head.ids[int(lacking[0])]!r}, and this format cannot say so",
            fix="score them; or --to csv, parquet or npz, which keep the status",
        )
    views = len(head.views)
    return [f"{task} scores are the mean over {views} views, as {head.kinds[task]}"] if views > 1 else []


def mean_rows(file: ScoreFile, task: str, rows: slice) -> Scores:
    """Scores float32 [n, C] of some rows, the mean over the views."""
    values = file.block(task, rows.start, rows.stop)
    return values[:, 0] if values.shape[1] == 1 else values.mean(axis=1, dtype=np.float64).astype(np.float32)


def whole_rows(file: ScoreFile, task: str) -> tuple[Scores, list[str]]:
    """Scores float32 [N, C], the mean over the views, and what has to be said of them; raises as `check_whole`."""
    notes = check_whole(file, task)
    parts = [mean_rows(file, task, rows) for rows in blocks(len(file.head))]
    return np.concatenate(parts) if parts else np.empty((0, file.head.classes_per_task[task]), np.float32), notes


def best_classes(scores: Scores, count: int) -> NDArray[np.int64]:
    """The `count` best classes of each row, int64 [N, count]; equal scores rank by the lower class index."""
    return np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :count]
