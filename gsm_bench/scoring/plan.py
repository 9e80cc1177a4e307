"""The plan of a run: videos, frames, time estimated from a few batches, size of the score file."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from torch import nn

from gsm_bench.frames.read_views import VideoPixels, read_views, view_indices
from gsm_bench.scorefile import content_size
from gsm_bench.scoring.chunks import ChunkFolder
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.network import ForwardPool, Scorer, collect
from gsm_bench.scoring.pipeline import start_passes
from gsm_bench.scoring.resume import pending_rows, with_checked_inputs

TIMED_BATCHES = 2


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        videos: videos of the split; `to_score` of them have no scores yet, not even in a finished chunk.
        frames_per_video: different frames read per video, mean over videos whose length the list gives; None if
            the list gives no lengths.
        identical: videos of known length whose temporal views are all the same frames.
        seconds: estimate for the videos to score; None if there are none, or no video could be timed.
        bytes: size of the score file.
    """

    job: Job
    videos: int
    to_score: int
    chunks: int
    views: int
    frames_per_video: float | None
    identical: int
    seconds: float | None
    videos_per_second: float | None
    bytes: int

    def rows(self) -> list[tuple[str, float | str | None, str]]:
        """The plan line by line: name, value, and its unit (empty for plain counts and texts)."""
        return [
            ("videos of the split", self.videos, ""),
            ("videos to score", self.to_score, ""),
            ("chunks to score", self.chunks, f"of {self.job.chunk_videos} videos"),
            ("views per video", self.views, ""),
            ("frames read per video", self.frames_per_video, "frames"),
            ("videos whose views are the same frames", self.identical, ""),
            ("rate (videos/s)", self.videos_per_second, "videos/s"),
            ("time", self.seconds, "seconds"),
            ("size of the score file (MB)", self.bytes, "bytes"),
            ("score file", str(self.job.target), ""),
        ]


def plan_run(job: Job, network: nn.Module) -> Plan:
    """Count what is left to score, and time a few batches of it.

    Raises:
        RunConflictError: a run with another signature, or of other frames, has its chunks or score file here.
    """
    pending = pending_rows(job)
    if not job.fresh:
        job = with_checked_inputs(job)
    finished = set() if job.fresh else ChunkFolder(job.chunks_path).finished()
    left = pending[~np.isin(pending // job.chunk_videos, list(finished))]
    rate = _timed_rate(job, network, left)
    frames, identical = _frame_use(job)
    return Plan(
        job=job,
        videos=len(job.split),
        to_score=len(left),
        chunks=len(np.unique(left // job.chunk_videos)),
        views=len(job.views),
        frames_per_video=frames,
        identical=identical,
        seconds=len(left) / rate if rate and len(left) else None,
        videos_per_second=rate,
        bytes=content_size(len(job.split), len(job.views), sum(job.columns.values())),
    )


def _timed_rate(job: Job, network: nn.Module, rows: np.ndarray) -> float | None:
    """Videos per second of reading and scoring, after one batch to warm up; None if no video can be read."""
    size, plan = job.settings.batch, job.read_plan
    with ForwardPool(job.settings) as forward_pool, ThreadPoolExecutor(job.settings.workers) as pool:
        scorer = Scorer(network, job.network_entry, job.settings, forward_pool)
        sample = rows[: size * (1 + max(TIMED_BATCHES, forward_pool.count))]
        read = pool.map(lambda row: read_views(job.source, job.split.video(int(row)), plan), sample)
        batches = ([next(read) for _ in sample[start : start + size]] for start in range(0, len(sample), size))
        _score_all(scorer, forward_pool, itertools.islice(batches, 1))
        started = time.monotonic()
        timed = _score_all(scorer, forward_pool, batches)
        return timed / (time.monotonic() - started) if timed else None


def _score_all(scorer: Scorer, forward_pool: ForwardPool, batches: Iterable[list[VideoPixels]]) -> int:
    """Score batches in parallel; returns the number of their videos."""
    sound = [batch for batch in batches if any(video.pixels is not None for video in batch)]
    for passes, batch in [(start_passes([scorer], [batch], forward_pool)[0], batch) for batch in sound]:
        collect(passes, np.ones(len(batch), bool))
    return sum(map(len, sound))


def _frame_use(job: Job) -> tuple[float | None, int]:
    """Different frames read per video, mean, and the videos whose temporal views are all the same frames."""
    lengths, counts = np.unique(job.split.num_frames[job.split.num_frames > 0], return_counts=True)
    if not lengths.size:
        return None, 0
    plan = job.read_plan
    temporal = [job.views[at] for at in np.unique(job.views["clip"], return_index=True)[1]]
    used, identical = 0, 0
    for length, count in zip(lengths.tolist(), counts.tolist(), strict=True):
        numbers = [view_indices(length, plan, view) for view in temporal]
        used += count * len(np.unique(np.concatenate(numbers)))
        if len(numbers) > 1 and all(np.array_equal(numbers[0], other) for other in numbers[1:]):
            identical += count
    return used / int(counts.sum()), identical
