"""One model's share of a run: its rows to score, its network, and its chunks, with their state kept in memory."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from torch import nn

from gsm_bench.errors import GsmBenchError
from gsm_bench.nets.cost import count_cost
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.scoring.chunks import BatchResult, Chunk, ChunkFolder, joined
from gsm_bench.scoring.claims import MERGE
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.merge import merge
from gsm_bench.scoring.resume import open_run, pending_rows
from gsm_bench.scoring.waiting import Waiting

LOOK_EVERY_S = 5.0
"""Time between listings of the folder for chunks of other processes; listing thousands takes longer than a batch."""
LISTING_SHARE = 50
"""A listing is repeated no sooner than after this many times its own duration."""


class ModelRun:
    """One model of a run.

    Attributes:
        pending: rows without a sound score when the run started; `chunks` has them by chunk.
        is_pending: bool [N], the same as a mask.
        unfinished: chunks of this process's shard that nobody has finished, as far as is known here.
        reused: videos of finished chunks that were there when the run started.
        scored, decoded, bad: videos scored by this process, frames decoded for them, videos that it left unscored.
    """

    def __init__(self, job: Job, network: nn.Module) -> None:
        self.job = open_run(job)
        self.network = network
        self.folder = ChunkFolder(job.chunks_path)
        self.pending = pending_rows(self.job)
        self.chunks = _rows_by_chunk(self.pending, job.chunk_videos)
        self.is_pending = np.zeros(len(job.split), bool)
        self.is_pending[self.pending] = True
        self.scored = self.decoded = self.bad = 0
        self.unfinished: set[int] = set()
        self._claimed: set[int] = set()
        self._completed: set[int] = set()
        self._results: dict[int, dict[int, BatchResult]] = {}
        self._done = self._in_work = 0
        self._look_at = 0.0
        self.look_for_finished()
        self.reused = self._done

    def look_for_finished(self) -> None:
        """List the folder for finished chunks, those of other processes included."""
        started = time.monotonic()
        finished = self.folder.finished() | self._completed
        self.unfinished = {chunk for chunk in self.chunks if chunk not in finished and self._in_shard(chunk)}
        self._done = sum(rows.size for chunk, rows in self.chunks.items() if chunk in finished)
        now = time.monotonic()
        self._look_at = now + max(LOOK_EVERY_S, LISTING_SHARE * (now - started))

    def _in_shard(self, chunk: int) -> bool:
        shard = self.job.settings.shard
        return shard is None or chunk % shard[1] == shard[0] - 1

    def claim(self, chunk: int) -> bool:
        """Claim a chunk for this process, if it is unfinished and free."""
        if chunk not in self.unfinished or chunk in self._claimed or self.folder.is_finished(chunk):
            return False
        if not self.folder.claim(str(chunk)):
            return False
        if self.folder.is_finished(chunk):  # finished by another process just before the claim
            self.folder.release(str(chunk))
            return False
        self._claimed.add(chunk)
        return True

    def batch_starts(self, chunk: int) -> list[int]:
        """First rows of the batches of a chunk that have pending rows."""
        size, videos = self.job.settings.batch, len(self.job.split)
        starts = range(chunk * self.job.chunk_videos, min((chunk + 1) * self.job.chunk_videos, videos), size)
        return [start for start in starts if self.is_pending[start : start + size].any()]

    @property
    def done_videos(self) -> int:
        """Pending videos that are done: in finished chunks of any process, or in work here with their scores."""
        if time.monotonic() >= self._look_at:
            self.look_for_finished()
        return self._done + self._in_work

    def keep(self, number: int, start: int, result: BatchResult) -> Chunk | None:
        """Keep the result of a batch, in any order; returns the chunk if that completes it."""
        bad = int((result.status == NOT_SCORED).sum())
        self.scored += len(result.rows) - bad
        self.decoded += result.decoded
        self.bad += bad
        self._in_work += len(result.rows)
        results = self._results.setdefault(number, {})
        results[start] = result
        if len(results) < len(self.batch_starts(number)):
            return None
        chunk = joined([result for _, result in sorted(self._results.pop(number).items())])
        self._in_work -= len(chunk.rows)
        self._done += len(chunk.rows)
        self._completed.add(number)
        self.unfinished.discard(number)
        self._claimed.discard(number)
        return chunk

    def drop_unfinished(self) -> None:
        """Forget results that are in no finished chunk, and release the claims."""
        self._results, self._in_work = {}, 0
        self._claimed, self._completed = set(), set()
        self.folder.release_all()
        self.look_for_finished()

    def is_complete(self) -> bool:
        """Whether the folder lacks no chunk of this shard, or is merged; to be asked while no chunk is being written.

        Raises:
            FileNotFoundError: the folder is gone and there is no score file.
        """
        self._completed = set()
        if not self.folder.path.exists():
            if not self.job.target.exists():
                raise FileNotFoundError(self.folder.path)
            return True
        self.look_for_finished()
        return not self.unfinished

    def chunks_left(self) -> int:
        """Chunks in the folder that nobody has finished, those of other shards included; 0 once it is merged."""
        return len(self.chunks.keys() - self.folder.finished()) if self.folder.path.exists() else 0

    def merge_when_complete(self, waiting: Waiting) -> None:
        """Write the score file if all chunks are finished; else the last shard to finish writes it."""
        while self.folder.path.exists() and not self.chunks_left():
            if self.folder.claim(MERGE):
                cost = count_cost(self.network, self.job.entry.frames, self.job.entry.input.size)
                merge(self.job, self.folder, self.chunks, cost)
                self.folder.remove()
            else:
                waiting.wait([self.folder])

    def check_merged_elsewhere(self, error: FileNotFoundError) -> None:
        """Accept a folder that disappeared if another process wrote the score file.

        Raises:
            GsmBenchError: the folder disappeared without a score file.
        """
        if (
            self.folder.path.exists()
            or not self.job.target.exists()
            or pending_rows(self.job).size == len(self.job.split)
        ):
            raise GsmBenchError(
                f"the chunks of this run were removed while it was running ({error})",
                where=self.folder.path,
                fix="run the same command again; use --fresh in one process only",
            ) from error


def _rows_by_chunk(rows: NDArray[np.int64], chunk_videos: int) -> dict[int, NDArray[np.int64]]:
    numbers = rows // chunk_videos
    return {int(number): rows[numbers == number] for number in np.unique(numbers)}
