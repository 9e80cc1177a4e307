"""Clips read a few batches ahead of the networks, and passes kept in flight: neither waits for the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.frames.clip_reader import ClipPixels, ReadPlan, read_clip_for
from gsm_bench.frames.sources import FrameSource
from gsm_bench.scoring.batch_result import Clips, start_passes
from gsm_bench.scoring.forward import ForwardPool, Passes, Scorer
from gsm_bench.scoring.model_run import ModelRun
from gsm_bench.splits import Video

BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Batch:
    """Rows that go through the networks together.

    Attributes:
        part: the part that they belong to.
        rows: int64 [B].
        members: the models that have something to do here, with bool [B] of the rows whose scores they need.
    """

    part: int
    rows: NDArray[np.int64]
    members: Sequence[tuple[ModelRun, NDArray[np.bool_]]]

    @property
    def start(self) -> int:
        """Its first row."""
        return int(self.rows[0])


Read = dict[int, ClipPixels]
"""One row of a batch: its clip for each model that wants it, by the model's place."""


@dataclass(frozen=True)
class ToRead:
    """What is to be read of one row: the clip and its plan by the place of the model; enough to do it anywhere."""

    source: FrameSource
    clips: dict[int, Video]
    plans: dict[int, ReadPlan]


@dataclass(frozen=True)
class Scoring:
    """A batch whose clips are read and whose passes have been started, per model."""

    batch: Batch
    clips: list[Clips]
    passes: list[Passes]


def to_read(batch: Batch) -> list[ToRead]:
    """What is to be read of each row of a batch."""
    needed = []
    for at, row in enumerate(batch.rows):
        jobs = {place: member.job for place, (member, wanted) in enumerate(batch.members) if wanted[at]}
        clips = {place: job.split.video(int(row)) for place, job in jobs.items()}
        source = batch.members[0][0].job.source
        needed.append(ToRead(source, clips, {place: job.read_plan for place, job in jobs.items()}))
    return needed


def clips_per_model(read: Sequence[Read], models: int) -> list[Clips]:
    """Per model of a batch its B clips."""
    return [[row.get(place) for row in read] for place in range(models)]


def read_row(needed: ToRead) -> Read:
    """One clip for all models that want it. They read it together if their lists say the same of it."""
    found: Read = {}
    for clip in dict.fromkeys(needed.clips.values()):
        together = [place for place, other in needed.clips.items() if other == clip]
        plans = [needed.plans[place] for place in together]
        found |= zip(together, read_clip_for(needed.source, clip, plans), strict=True)
    return found


def prefetch(batches: Iterator[Batch | None], pool: ThreadPoolExecutor) -> Iterator[tuple[Batch, list[Clips]] | None]:
    """Batches with their clips read, a few batches ahead of the networks, across parts; all of them before a wait.

    None says that a wait is near, so that whoever comes after finishes what it has in hand.
    """
    queue: deque[tuple[Batch, list[Future[Read]]]] = deque()
    for batch in batches:
        if batch is not None:
            queue.append((batch, [pool.submit(read_row, needed) for needed in to_read(batch)]))
        while queue and (batch is None or len(queue) > BATCHES_AHEAD):
            yield _collected(*queue.popleft())
        if batch is None:
            yield None
    while queue:
        yield _collected(*queue.popleft())


def _collected(batch: Batch, reading: list[Future[Read]]) -> tuple[Batch, list[Clips]]:
    return batch, clips_per_model([future.result() for future in reading], len(batch.members))


def run_forward(
    scorers: dict[ModelRun, Scorer], forward_pool: ForwardPool, batches: Iterator[tuple[Batch, list[Clips]] | None]
) -> Iterator[Scoring]:
    """Batches whose passes have been started, as many at a time as fill the lanes and one more."""
    started: deque[Scoring] = deque()
    for item in batches:
        if item is not None:
            batch, clips = item
            passes = start_passes([scorers[member] for member, _ in batch.members], clips, forward_pool)
            started.append(Scoring(batch, clips, passes))
        while started and (
            item is None or forward_pool.are_full(len(started), sum(len(p) for s in started for p in s.passes))
        ):
            yield started.popleft()
    yield from started
