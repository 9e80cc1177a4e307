"""One model's share of a run: its rows to score, its folder of parts, its network, its answers."""

from __future__ import annotations

import time

import numpy as np
from torch import nn

from gsm_bench.errors import GsmBenchError
from gsm_bench.nets.cost import count_cost
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.scoring.batch_result import BatchResult, Rows, joined
from gsm_bench.scoring.chunks import MERGE, Chunk, ChunkFolder
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.merge import merge
from gsm_bench.scoring.resume import open_run, pending_rows

POLL_S = 0.3
LOOK_EVERY_S = POLL_S
"""How old a look at the finished parts may be for progress: a folder of thousands takes longer to list than a batch."""


class ModelRun:
    """One model of a run.

    Attributes:
        todo: rows without a sound score when the run began; `parts` has them by part.
        reused: clips of the finished parts that lay here when the run began.
        scored, decoded, bad: clips scored by this process, frames decoded for them, clips left unscored.
    """

    def __init__(self, job: Job, network: nn.Module) -> None:
        self.job = open_run(job)
        self.network = network
        self.folder = ChunkFolder(job.parts_path)
        self.todo = pending_rows(self.job)
        self.parts = _rows_by_part(self.todo, job.chunk_videos)
        self.is_todo = np.zeros(len(job.split), bool)
        self.is_todo[self.todo] = True
        self.scored = self.decoded = self.bad = 0
        self._pieces: dict[int, dict[int, Chunk]] = {}
        self._completed: set[int] = set()
        self._seen: tuple[float, set[int]] | None = None
        self.reused = self.done_clips()

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
        starts = range(part * self.job.chunk_videos, min((part + 1) * self.job.chunk_videos, clips), size)
        return [start for start in starts if self.is_todo[start : start + size].any()]

    def done_clips(self) -> int:
        """Clips to do that lie in finished parts, whoever finished them, or in parts on their way to the disk."""
        now = time.monotonic()
        if self._seen is None or now - self._seen[0] >= LOOK_EVERY_S:
            self._seen = now, self.folder.finished()
        return sum(self.parts[part].size for part in self._seen[1] | self._completed if part in self.parts)

    @property
    def in_hand(self) -> int:
        """Clips of unfinished parts that are scored."""
        return sum(len(result.rows) for results in self._pieces.values() for result in results.values())

    def keep(self, part: int, start: int, result: BatchResult) -> Chunk | None:
        """Keep a piece of a part in hand, in any order; returns the part when that was its last piece."""
        bad = int((result.part.status == NOT_SCORED).sum())
        self.scored += len(result.part.rows) - bad
        self.decoded += result.decoded
        self.bad += bad
        results = self._pieces.setdefault(part, {})
        results[start] = result.part
        if len(results) < len(self.needed_starts(part)):
            return None
        self._completed.add(part)
        return joined([result for _, result in sorted(self._pieces.pop(part).items())])

    def drop_parts_in_hand(self) -> None:
        """Forget what is not in a finished part, and let it go."""
        self._pieces = {}
        self._completed = set()
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
        if (
            self.folder.path.exists()
            or not self.job.target.exists()
            or pending_rows(self.job).size == len(self.job.split)
        ):
            raise GsmBenchError(
                f"the parts of this run were taken away while it was at work ({error})",
                where=self.folder.path,
                fix="run the same command again; start --fresh in one process only",
            ) from error


def _rows_by_part(rows: Rows, chunk_videos: int) -> dict[int, Rows]:
    numbers = rows // chunk_videos
    return {int(number): rows[numbers == number] for number in np.unique(numbers)}
