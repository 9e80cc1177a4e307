"""Answers of a network to a batch, judged clip by clip: a piece of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.entries import ModelEntry
from gsm_bench.frames.clip_reader import ClipPixels
from gsm_bench.scorefile import NOT_SCORED, SCORED, SUBSTITUTED, Scores
from gsm_bench.scoring.chunks import Chunk
from gsm_bench.scoring.forward import ForwardPool, Passes, Scorer, collect

Rows = NDArray[np.int64]
Clips = Sequence[ClipPixels | None]
"""B clips of a batch, None where a row is not wanted."""


@dataclass(frozen=True)
class BatchResult:
    """The wanted rows of a batch as a part of their own, and the frames that were decoded for them."""

    part: Chunk
    decoded: int


def start_passes(scorers: Sequence[Scorer], clips: Sequence[Clips], forward_pool: ForwardPool) -> list[Passes]:
    """Send a batch through its networks; no pass where none of a network's clips could be read."""
    pixels = [[clip.pixels if clip else None for clip in some] for some in clips]
    inputs = forward_pool.loader.load(pixels, [scorer.entry.input for scorer in scorers])
    return [scorer.submit(batch) if batch else [] for scorer, batch in zip(scorers, inputs, strict=True)]


def batch_result(rows: Rows, clips: Clips, passes: Passes, scorer: Scorer, views: int) -> BatchResult:
    """Wait for the answers to a batch and keep those for its wanted rows: the ones that come with a clip."""
    wanted = np.array([clip is not None for clip in clips])
    read = [clip for clip in clips if clip is not None]
    scores = _answers(clips, passes, wanted) if passes else _nothing(scorer.entry, len(read), views)
    status, problems = _judge(rows[wanted], read, scores)
    counts = np.array([clip.num_frames for clip in read], np.int64)
    part = Chunk(rows[wanted], status, counts, problems, scores, scorer.halved_to, scorer.compile_fallback)
    return BatchResult(part, sum(clip.decoded for clip in read))


def joined(results: Sequence[Chunk]) -> Chunk:
    """Pieces in the order of their rows as one part."""
    smaller = [result.pass_clips for result in results if result.pass_clips]
    return Chunk(
        rows=np.concatenate([result.rows for result in results]),
        status=np.concatenate([result.status for result in results]),
        num_frames=np.concatenate([result.num_frames for result in results]),
        problems={row: reason for result in results for row, reason in result.problems.items()},
        scores={task: np.concatenate([result.scores[task] for result in results]) for task in results[0].scores},
        pass_clips=min(smaller, default=0),
        compile_fallback=next((result.compile_fallback for result in results if result.compile_fallback), ""),
    )


def _answers(clips: Clips, passes: Passes, wanted: NDArray[np.bool_]) -> dict[str, Scores]:
    """Scores float32 [n, V, C] per task of the wanted rows."""
    answers = collect(passes, np.array([clip is not None and clip.pixels is not None for clip in clips]))
    return {task: values[wanted] for task, values in answers.items()}


def _nothing(entry: ModelEntry, rows: int, views: int) -> dict[str, Scores]:
    return {task: np.full((rows, views, width), np.nan, np.float32) for task, width in entry.tasks.items()}


def _judge(
    rows: Rows, read: Sequence[ClipPixels], scores: dict[str, Scores]
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Status and problems of rows; scores of those that are not sound become NaN."""
    problems = {int(row): clip.problem for row, clip in zip(rows, read, strict=True) if clip.problem}
    status = np.array([_status(clip) for clip in read], np.uint8)
    for at in np.flatnonzero(status != NOT_SCORED):
        if not all(np.isfinite(values[at]).all() for values in scores.values()):
            status[at] = NOT_SCORED
            problems[int(rows[at])] = "the network answered with numbers that are not finite"
    for values in scores.values():
        values[status == NOT_SCORED] = np.nan
    return status, problems


def _status(clip: ClipPixels) -> int:
    if clip.pixels is None:
        return NOT_SCORED
    return SUBSTITUTED if clip.problem else SCORED
