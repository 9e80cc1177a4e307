"""One model's share of a run: its rows to score, its folder of parts, its network, its answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray
from torch import nn

from gsm_bench.errors import GsmBenchError
from gsm_bench.frames.clip_reader import ClipPixels
from gsm_bench.nets.cost import count_cost
from gsm_bench.scorefile import NOT_SCORED, SCORED, SUBSTITUTED, Scores
from gsm_bench.scoring.begin import begin, todo_rows
from gsm_bench.scoring.forward import Scorer, collect
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.merge import merge
from gsm_bench.scoring.parts import MERGE, Part, PartsFolder

Rows = NDArray[np.int64]
Passes = list[Future[dict[str, Scores]]]
POLL_S = 0.3


class Member:
    """One model of a run.

    Attributes:
        todo: rows without a sound score when the run began; `parts` has them by part.
        reused: clips of the finished parts that lay here when the run began.
        scored, decoded, bad: clips scored by this process, frames decoded for them, clips left unscored.
    """

    def __init__(self, job: Job, network: nn.Module) -> None:
        self.job = begin(job)
        self.network = network
        self.folder = PartsFolder(job.parts_path)
        self.todo = todo_rows(self.job)
        self.parts = _rows_by_part(self.todo, job.part_clips)
        self.is_todo = np.zeros(len(job.split), bool)
        self.is_todo[self.todo] = True
        self.reused = self.done_clips()
        self.scored = self.decoded = self.bad = 0
        self._pieces: list[Part] = []

    def missing_parts(self) -> list[int]:
        """Parts that nobody has finished; those of other shards among them."""
        finished = self.folder.finished()
        return [part for part in self.parts if part not in finished]

    def is_mine(self, part: int) -> bool:
        """Whether a part belongs to this process's shard."""
        shard = self.job.settings.shard
        return shard is None or part % shard[1] == shard[0] - 1

    def claim(self, part: int) -> bool:
        """Take a part in hand, if it is to be done and free."""
        if part not in self.parts or not self.folder.claim(str(part)):
            return False
        if part in self.folder.finished():  # done between the look and the claim
            self.folder.release(str(part))
            return False
        return True

    def needed_starts(self, part: int) -> list[int]:
        """First rows of the batches of a part that hold something to do."""
        size, clips = self.job.settings.batch, len(self.job.split)
        starts = range(part * self.job.part_clips, min((part + 1) * self.job.part_clips, clips), size)
        return [start for start in starts if self.is_todo[start : start + size].any()]

    def done_clips(self) -> int:
        """Clips to do that lie in finished parts, whoever finished them."""
        return sum(self.parts[part].size for part in self.folder.finished() if part in self.parts)

    @property
    def in_hand(self) -> int:
        """Clips of the part in hand that are scored."""
        return sum(len(piece.rows) for piece in self._pieces)

    def take(self, rows: Rows, clips: Sequence[ClipPixels | None], passes: Passes, scorer: Scorer) -> None:
        """Keep the answers for the wanted rows of a batch: those that come with a clip."""
        wanted = np.array([clip is not None for clip in clips])
        read = [clip for clip in clips if clip is not None]
        scores = self._answers(clips, passes, wanted)
        status, problems = _judge(rows[wanted], read, scores)
        self.scored += len(read)
        self.decoded += sum(clip.decoded for clip in read)
        self.bad += int((status == NOT_SCORED).sum())
        counts = np.array([clip.num_frames for clip in read], np.int64)
        self._pieces.append(Part(rows[wanted], status, counts, problems, scores, scorer.halved_to))

    def finished_part(self) -> Part:
        """The part in hand, whole."""
        pieces, self._pieces = self._pieces, []
        return _joined(pieces)

    def drop_part_in_hand(self) -> None:
        """Forget what is not in a finished part, and let it go."""
        self._pieces = []
        self.folder.let_go()

    def merge_when_whole(self) -> None:
        """Write the score file if all parts are there; other shards that have some to finish do it else."""
        while self.folder.path.exists() and not self.missing_parts():
            if self.folder.claim(MERGE):
                cost = count_cost(self.network, self.job.entry.frames, self.job.entry.input.size)
                merge(self.job, self.folder, self.parts, cost)
                self.folder.remove()
            else:
                time.sleep(POLL_S)

    def check_merged_elsewhere(self, error: FileNotFoundError) -> None:
        """The folder went away under our hands: fine if another process wrote the score file."""
        if self.folder.path.exists() or not self.job.target.exists() or todo_rows(self.job).size == len(self.job.split):
            raise GsmBenchError(
                f"the parts of this run were taken away while it was at work ({error})",
                where=self.folder.path,
                fix="run the same command again; start --fresh in one process only",
            ) from error

    def _answers(
        self, clips: Sequence[ClipPixels | None], passes: Passes, wanted: NDArray[np.bool_]
    ) -> dict[str, Scores]:
        """Scores float32 [n, V, C] per task of the wanted rows, once their passes have come back."""
        if passes:
            answers = collect(passes, [clip.pixels if clip else None for clip in clips])
            return {task: values[wanted] for task, values in answers.items()}
        views, tasks = len(self.job.views), self.job.entry.tasks
        return {task: np.full((int(wanted.sum()), views, width), np.nan, np.float32) for task, width in tasks.items()}


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


def _rows_by_part(rows: Rows, part_clips: int) -> dict[int, Rows]:
    numbers = rows // part_clips
    return {int(number): rows[numbers == number] for number in np.unique(numbers)}


def _joined(pieces: list[Part]) -> Part:
    smaller = [piece.pass_clips for piece in pieces if piece.pass_clips]
    return Part(
        rows=np.concatenate([piece.rows for piece in pieces]),
        status=np.concatenate([piece.status for piece in pieces]),
        num_frames=np.concatenate([piece.num_frames for piece in pieces]),
        problems={row: reason for piece in pieces for row, reason in piece.problems.items()},
        scores={task: np.concatenate([piece.scores[task] for piece in pieces]) for task in pieces[0].scores},
        pass_clips=min(smaller, default=0),
    )
