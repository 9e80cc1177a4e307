"""What a run would do, before it does it: clips, frames, time from a few timed clips, size."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from torch import nn

from gsm_bench.frames.clip_reader import ClipPixels, read_clip, view_indices
from gsm_bench.scorefile import content_size
from gsm_bench.scoring.batch_result import start_passes
from gsm_bench.scoring.chunks import ChunkFolder
from gsm_bench.scoring.forward import ForwardPool, Scorer, collect
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.resume import pending_rows

TIMED_BATCHES = 2


@dataclass(frozen=True)
class Plan:
    """A run foretold.

    Attributes:
        clips: of the split; `to_score` of them have no score yet, not even in a finished part.
        frames_per_clip: different frames read per clip, mean over the clips whose length the list gives; None if
            the list gives no lengths.
        identical: clips of known length whose temporal views are all the same frames.
        seconds: estimate for what is to be scored, None if nothing is or no clip could be timed.
        bytes: size of the score file.
    """

    clips: int
    to_score: int
    parts: int
    views: int
    frames_per_clip: float | None
    identical: int
    seconds: float | None
    clips_per_second: float | None
    bytes: int


def plan_run(job: Job, network: nn.Module) -> Plan:
    """Look at what is there, and time a few of the clips that are not."""
    todo = pending_rows(job)
    finished = set() if job.fresh else ChunkFolder(job.parts_path).finished()
    left = todo[~np.isin(todo // job.chunk_videos, list(finished))]
    rate = _timed_rate(job, network, left)
    frames, identical = _frame_use(job)
    return Plan(
        clips=len(job.split),
        to_score=len(left),
        parts=len(np.unique(left // job.chunk_videos)),
        views=len(job.views),
        frames_per_clip=frames,
        identical=identical,
        seconds=len(left) / rate if rate and len(left) else None,
        clips_per_second=rate,
        bytes=content_size(len(job.split), len(job.views), sum(job.entry.tasks.values())),
    )


def _timed_rate(job: Job, network: nn.Module, rows: np.ndarray) -> float | None:
    """Clips per second of reading and scoring at once, after one batch to warm up; None if no clip can be read."""
    size, plan = job.settings.batch, job.read_plan
    with ForwardPool(job.settings) as forward_pool, ThreadPoolExecutor(job.settings.workers) as pool:
        scorer = Scorer(network, job.entry, job.settings, forward_pool)
        sample = rows[: size * (1 + max(TIMED_BATCHES, forward_pool.count))]
        read = pool.map(lambda row: read_clip(job.source, job.split.video(int(row)), plan), sample)
        batches = ([next(read) for _ in sample[start : start + size]] for start in range(0, len(sample), size))
        _score_all(scorer, forward_pool, itertools.islice(batches, 1))
        began = time.monotonic()
        timed = _score_all(scorer, forward_pool, batches)
        return timed / (time.monotonic() - began) if timed else None


def _score_all(scorer: Scorer, forward_pool: ForwardPool, batches: Iterable[list[ClipPixels]]) -> int:
    """Score batches side by side; returns the number of clips."""
    sound = [batch for batch in batches if any(clip.pixels is not None for clip in batch)]
    for passes, batch in [(start_passes([scorer], [batch], forward_pool)[0], batch) for batch in sound]:
        collect(passes, np.ones(len(batch), bool))
    return sum(map(len, sound))


def _frame_use(job: Job) -> tuple[float | None, int]:
    lengths, counts = np.unique(job.split.num_frames[job.split.num_frames > 0], return_counts=True)
    if not lengths.size:
        return None, 0
    plan = job.read_plan
    temporal = [job.views[at] for at in np.unique(job.views["offset"], return_index=True)[1]]
    used, identical = 0, 0
    for length, count in zip(lengths.tolist(), counts.tolist(), strict=True):
        numbers = [view_indices(length, plan, view) for view in temporal]
        used += count * len(np.unique(np.concatenate(numbers)))
        if len(numbers) > 1 and all(np.array_equal(numbers[0], other) for other in numbers[1:]):
            identical += count
    return used / int(counts.sum()), identical
