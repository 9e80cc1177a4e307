"""Clips read a few batches ahead of the networks, and passes kept in flight: neither waits for the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.frames.clip_reader import ClipPixels, read_clip_for
from gsm_bench.scoring.forward import Scorer
from gsm_bench.scoring.member import Member, Passes

BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Batch:
    """Rows that go through the networks together.

    Attributes:
        part: the part that they belong to.
        rows: int64 [B].
        members: the models that have something to do here, with bool [B] of the rows whose scores they need.
        last_of: the models for which this is the last batch of the part.
    """

    part: int
    rows: NDArray[np.int64]
    members: Sequence[tuple[Member, NDArray[np.bool_]]]
    last_of: Sequence[Member]


Clips = list[list[ClipPixels | None]]
"""Per model of a batch, B clips, None where its row is not wanted."""
Reading = list[Future[dict[int, ClipPixels]]]
"""Per row of a batch, the clips by the place of their model."""


@dataclass(frozen=True)
class Scoring:
    """A batch whose clips are read and whose passes have been started, per model."""

    batch: Batch
    clips: Clips
    passes: list[Passes]


def start_reading(pool: ThreadPoolExecutor, batch: Batch) -> Reading:
    """Read the clips of a batch; each frame is decoded once for all models that need it."""
    return [pool.submit(_read_row, batch, at) for at in range(len(batch.rows))]


def _read_row(batch: Batch, at: int) -> dict[int, ClipPixels]:
    """One clip for all models that want it. They read it together if their lists say the same of it."""
    wanting = [place for place, (_, wanted) in enumerate(batch.members) if wanted[at]]
    clip_of = {place: batch.members[place][0].job.split.clip(int(batch.rows[at])) for place in wanting}
    found: dict[int, ClipPixels] = {}
    for clip in dict.fromkeys(clip_of.values()):
        together = [place for place in wanting if clip_of[place] == clip]
        jobs = [batch.members[place][0].job for place in together]
        found |= zip(together, read_clip_for(jobs[0].source, clip, [job.read_plan for job in jobs]), strict=True)
    return found


def read_ahead(
    batches: Iterator[Batch | None], start: Callable[[Batch], Reading]
) -> Iterator[tuple[Batch, Clips] | None]:
    """Batches with their clips read, a few batches ahead of the networks, across parts; all of them before a wait.

    None says that a wait is near, so that whoever comes after finishes what it has in hand.
    """
    queue: deque[tuple[Batch, Reading]] = deque()
    for batch in batches:
        if batch is not None:
            queue.append((batch, start(batch)))
        while queue and (batch is None or len(queue) > BATCHES_AHEAD):
            yield _collected(*queue.popleft())
        if batch is None:
            yield None
    while queue:
        yield _collected(*queue.popleft())


def _collected(batch: Batch, reading: Reading) -> tuple[Batch, Clips]:
    rows = [future.result() for future in reading]
    return batch, [[row.get(place) for row in rows] for place in range(len(batch.members))]


def in_lanes(
    scorers: dict[Member, Scorer], lanes: int, batches: Iterator[tuple[Batch, Clips] | None]
) -> Iterator[Scoring]:
    """Batches whose passes have been started, as many at a time as fill the lanes and one more."""
    started: deque[Scoring] = deque()
    for item in batches:
        if item is not None:
            batch, clips = item
            passes = [
                _start_passes(scorers[member], some) for (member, _), some in zip(batch.members, clips, strict=True)
            ]
            started.append(Scoring(batch, clips, passes))
        while started and (item is None or sum(len(p) for s in started for p in s.passes) > 2 * lanes):
            yield started.popleft()
    yield from started


def _start_passes(scorer: Scorer, clips: Sequence[ClipPixels | None]) -> Passes:
    pixels = [clip.pixels if clip else None for clip in clips]
    return scorer.submit(pixels) if any(p is not None for p in pixels) else []
