"""What the one-row-per-clip formats need of a score file: the mean over its views, whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import ExportError
from gsm_bench.scorefile import NOT_SCORED, ClipScores, Scores


def whole_rows(content: ClipScores, task: str) -> tuple[Scores, list[str]]:
    """Scores float32 [N, C], the mean over the views, and what has to be said of them.

    Raises:
        ExportError: no such task, or clips without scores.
    """
    if task not in content.scores:
        have = ", ".join(content.scores)
        raise ExportError(
            f"this score file has no {task} scores; it has {have}", fix=f"--task {next(iter(content.scores))}"
        )
    lacking = np.flatnonzero(content.status == NOT_SCORED)
    if lacking.size:
        raise ExportError(
            f"{lacking.size:,} clips have no score, first {content.ids[int(lacking[0])]!r}, and this format cannot say so",
            fix="score them; or --to csv, parquet or npz, which keep the status",
        )
    values = content.scores[task]
    views = values.shape[1]
    if views == 1:
        return values[:, 0], []
    mean = values.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mean, [f"{task} scores are the mean over {views} views, as {content.kinds[task]}"]


def best_classes(scores: Scores, count: int) -> NDArray[np.int64]:
    """The `count` best classes of each row, int64 [N, count]; equal scores rank by the lower class index."""
    return np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :count]
