"""Answers of a network to a batch, judged clip by clip: a piece of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.entries import ModelEntry
from gsm_bench.frames.clip_reader import ClipPixels
from gsm_bench.scorefile import NOT_SCORED, SCORED, SUBSTITUTED, Scores
from gsm_bench.scoring.forward import Lanes, Passes, Scorer, collect
from gsm_bench.scoring.parts import Part

Rows = NDArray[np.int64]
Clips = Sequence[ClipPixels | None]
"""B clips of a batch, None where a row is not wanted."""


@dataclass(frozen=True)
class Piece:
    """The wanted rows of a batch as a part of their own, and the frames that were decoded for them."""

    part: Part
    decoded: int


def start_passes(scorers: Sequence[Scorer], clips: Sequence[Clips], lanes: Lanes) -> list[Passes]:
    """Send a batch through its networks; no pass where none of a network's clips could be read."""
    pixels = [[clip.pixels if clip else None for clip in some] for some in clips]
    inputs = lanes.loader.load(pixels, [scorer.entry.input for scorer in scorers])
    return [scorer.submit(batch) if batch else [] for scorer, batch in zip(scorers, inputs, strict=True)]


def make_piece(rows: Rows, clips: Clips, passes: Passes, scorer: Scorer, views: int) -> Piece:
    """Wait for the answers to a batch and keep those for its wanted rows: the ones that come with a clip."""
    wanted = np.array([clip is not None for clip in clips])
    read = [clip for clip in clips if clip is not None]
    scores = _answers(clips, passes, wanted) if passes else _nothing(scorer.entry, len(read), views)
    status, problems = _judge(rows[wanted], read, scores)
    counts = np.array([clip.num_frames for clip in read], np.int64)
    part = Part(rows[wanted], status, counts, problems, scores, scorer.halved_to, scorer.eager)
    return Piece(part, sum(clip.decoded for clip in read))


def joined(pieces: Sequence[Part]) -> Part:
    """Pieces in the order of their rows as one part."""
    smaller = [piece.pass_clips for piece in pieces if piece.pass_clips]
    return Part(
        rows=np.concatenate([piece.rows for piece in pieces]),
        status=np.concatenate([piece.status for piece in pieces]),
        num_frames=np.concatenate([piece.num_frames for piece in pieces]),
        problems={row: reason for piece in pieces for row, reason in piece.problems.items()},
        scores={task: np.concatenate([piece.scores[task] for piece in pieces]) for task in pieces[0].scores},
        pass_clips=min(smaller, default=0),
        eager=next((piece.eager for piece in pieces if piece.eager), ""),
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
