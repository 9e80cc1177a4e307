"""The local engine: threads read a few batches ahead of the networks, and several forward passes run in parallel.

Pixels of a video become a network's input, then scores on their way back, then a result of the batch, then a chunk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import FrameError
from gsm_bench.fingerprints import Fingerprint, fingerprint_array
from gsm_bench.frames.read_views import ReadPlan, VideoPixels, pixel_bytes, prefetch_views_for, read_views_for
from gsm_bench.frames.sources import FrameSource
from gsm_bench.scorefile import NOT_SCORED, SCORED, SUBSTITUTED, Scores
from gsm_bench.scoring.chunks import BatchResult
from gsm_bench.scoring.network import ForwardPool, Passes, Scorer, collect
from gsm_bench.splits import Video

if TYPE_CHECKING:
    from gsm_bench.scoring.model_run import ModelRun
    from gsm_bench.scoring.run import Run

BATCHES_AHEAD = 2
FETCHERS = 16
"""Threads that begin to fetch videos from a distance: each waits for the listing of one."""
Rows = NDArray[np.int64]
Reading = list[Future[dict[int, VideoPixels]]]
"""The rows of a batch as they are read, each with the pixels for the models that need it, by place."""
Videos = Sequence[VideoPixels | None]
"""Pixels of the B videos of a batch for one model, None for rows that the model does not need."""


@dataclass(frozen=True)
class Batch:
    """Rows that go through the networks together.

    Attributes:
        chunk: the chunk that they belong to.
        rows: int64 [B].
        models: the models that have rows to score here, each with bool [B] of these rows.
    """

    chunk: int
    rows: Rows
    models: Sequence[tuple[ModelRun, NDArray[np.bool_]]]

    @property
    def start(self) -> int:
        """Its first row."""
        return int(self.rows[0])


@dataclass(frozen=True)
class ReadRequest:
    """One row to read, self-contained so that any process can: the video and the read plan of each model, by place."""

    source: FrameSource
    videos: dict[int, Video]
    plans: dict[int, ReadPlan]


def read_requests(batch: Batch) -> list[ReadRequest]:
    """What to read for each row of a batch."""
    source = batch.models[0][0].job.source
    requests = []
    for at, row in enumerate(batch.rows):
        jobs = {place: model.job for place, (model, needed) in enumerate(batch.models) if needed[at]}
        videos = {place: job.split.video(int(row)) for place, job in jobs.items()}
        requests.append(ReadRequest(source, videos, {place: job.read_plan for place, job in jobs.items()}))
    return requests


def read_row(request: ReadRequest) -> dict[int, VideoPixels]:
    """One video for each model that needs it, by place; read once for models whose lists agree on it."""
    pixels: dict[int, VideoPixels] = {}
    for video in dict.fromkeys(request.videos.values()):
        places = [place for place, other in request.videos.items() if other == video]
        plans = [request.plans[place] for place in places]
        views = read_views_for(request.source, video, plans)
        fingerprint = read_fingerprint(request.source, video)
        pixels |= {place: replace(view, fingerprint=fingerprint) for place, view in zip(places, views, strict=True)}
    return pixels


def read_fingerprint(source: FrameSource, video: Video) -> Fingerprint:
    """The fingerprint of a video that was just read, with its number of stored frames."""
    fingerprint = source.fingerprint(video)
    if video.video or fingerprint.frames or not fingerprint.content:
        return fingerprint
    try:
        return fingerprint._replace(frames=source.available(video))
    except FrameError:
        return fingerprint


def fetch_row(request: ReadRequest) -> None:
    """Begin to fetch what `read_row` will read."""
    for video in dict.fromkeys(request.videos.values()):
        plans = [request.plans[place] for place, other in request.videos.items() if other == video]
        prefetch_views_for(request.source, video, plans)


def fetch_ahead(batches: Iterator[Batch | None], pool: ThreadPoolExecutor) -> Iterator[Batch | None]:
    """The batches in their order, each after frames of batches behind it began to be fetched, if they are far away."""
    waiting: deque[Batch] = deque()
    for batch in batches:
        if batch is None:
            yield from waiting
            waiting.clear()
            yield None
            continue
        waiting.append(batch)
        ahead = batch.models[0][0].job.source.videos_ahead
        for request in read_requests(batch) if ahead else ():
            pool.submit(fetch_row, request)
        while waiting and sum(len(one.rows) for one in waiting) > ahead:
            yield waiting.popleft()
    yield from waiting


def videos_per_model(rows: Sequence[dict[int, VideoPixels]], models: int) -> list[Videos]:
    """The B videos of each model, from the rows of a batch."""
    return [[row.get(place) for row in rows] for place in range(models)]


def prefetch(
    batches: Iterator[Batch | None], pool: ThreadPoolExecutor, most_bytes: int
) -> Iterator[tuple[Batch, list[Videos]] | None]:
    """Batches with their videos read, a few batches ahead of the networks, across chunks.

    None means that the run is about to wait for other processes: all batches before it have been yielded.

    Args:
        most_bytes: of pixels that are read ahead, if every video takes as many as the largest so far. A single batch may
            take more.
    """
    queue: deque[tuple[Batch, Reading]] = deque()
    largest = 0  # video so far, in bytes
    for batch in batches:
        if batch is not None:
            while queue and largest * (len(batch.rows) + sum(len(one.rows) for one, _ in queue)) > most_bytes:
                yield _videos_of(*queue.popleft())
            queue.append((batch, [pool.submit(read_row, request) for request in read_requests(batch)]))
        while queue and (batch is None or len(queue) > BATCHES_AHEAD):
            yield _videos_of(*queue.popleft())
        if batch is None:
            yield None
        elif queue:
            largest = max(largest, _largest_of(queue[0][1]))
    while queue:
        yield _videos_of(*queue.popleft())


def _videos_of(batch: Batch, reading: Reading) -> tuple[Batch, list[Videos]]:
    return batch, videos_per_model([future.result() for future in reading], len(batch.models))


def _largest_of(reading: Reading) -> int:
    """Bytes of the largest video of a batch so far; waits for one of them."""
    reading[0].result()
    return max(pixel_bytes(future.result().values()) for future in reading if future.done())


def start_passes(scorers: Sequence[Scorer], videos: Sequence[Videos], forward_pool: ForwardPool) -> list[Passes]:
    """Start the forward passes of a batch; a network none of whose videos could be read gets no pass."""
    pixels = [[video.pixels if video else None for video in one] for one in videos]
    inputs = forward_pool.loader.load(pixels, [scorer.entry.input for scorer in scorers])
    return [scorer.submit(batch) if batch else [] for scorer, batch in zip(scorers, inputs, strict=True)]


def batch_result(rows: Rows, videos: Videos, passes: Passes, scorer: Scorer, views: int) -> BatchResult:
    """Wait for the scores of a batch and keep those of the rows that the model needs.

    Scores that are not finite become NaN, and their rows are not scored.
    """
    needed = np.array([video is not None for video in videos])
    read = [video for video in videos if video is not None]
    scores = _needed_scores(videos, passes, needed) if passes else _no_scores(scorer.entry, len(read), views)
    status, problems = _status_of(rows[needed], read, scores)
    return BatchResult(
        rows=rows[needed],
        status=status,
        num_frames=np.array([video.num_frames for video in read], np.int64),
        problems=problems,
        scores=scores,
        pass_clips=scorer.halved_to,
        compile_fallback=scorer.compile_fallback,
        fingerprints=fingerprint_array([video.fingerprint for video in read]),
        decoded=sum(video.decoded for video in read),
        stored_frames={
            int(row): video.stored_frames for row, video in zip(rows[needed], read, strict=True) if video.stored_frames
        },
    )


def _needed_scores(videos: Videos, passes: Passes, needed: NDArray[np.bool_]) -> dict[str, Scores]:
    """Scores float32 [n, V, C] per task of the needed rows."""
    scores = collect(passes, np.array([video is not None and video.pixels is not None for video in videos]))
    return {task: values[needed] for task, values in scores.items()}


def _no_scores(entry: ModelEntry, rows: int, views: int) -> dict[str, Scores]:
    return {task: np.full((rows, views, classes), np.nan, np.float32) for task, classes in entry.tasks.items()}


def _status_of(
    rows: Rows, videos: Sequence[VideoPixels], scores: dict[str, Scores]
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Status uint8 [n] and problems of rows; scores of rows that are not scored become NaN."""
    problems = {int(row): video.problem for row, video in zip(rows, videos, strict=True) if video.problem}
    status = np.array([_read_status(video) for video in videos], np.uint8)
    for at in np.flatnonzero(status != NOT_SCORED):
        if not all(np.isfinite(values[at]).all() for values in scores.values()):
            status[at] = NOT_SCORED
            problems[int(rows[at])] = "the network returned NaN or inf"
    for values in scores.values():
        values[status == NOT_SCORED] = np.nan
    return status, problems


def _read_status(video: VideoPixels) -> int:
    if video.pixels is None:
        return NOT_SCORED
    return SUBSTITUTED if video.problem else SCORED


def run_forward(
    scorers: dict[ModelRun, Scorer],
    forward_pool: ForwardPool,
    batches: Iterator[tuple[Batch, list[Videos]] | None],
    most_bytes: int,
) -> Iterator[tuple[Batch, list[BatchResult]]]:
    """Results of batches, one per model; as many batches are in work as fill the pool, and one more.

    While more than one is in work, they take at most `most_bytes` of pixels.
    """
    started: deque[tuple[Batch, list[Videos], list[Passes]]] = deque()
    for item in batches:
        if item is not None:
            batch, videos = item
            passes = start_passes([scorers[model] for model, _ in batch.models], videos, forward_pool)
            started.append((batch, videos, passes))
        while started and (item is None or _is_full(forward_pool, started, most_bytes)):
            yield _results(*started.popleft(), scorers)
    while started:
        yield _results(*started.popleft(), scorers)


def _is_full(
    forward_pool: ForwardPool, started: Sequence[tuple[Batch, list[Videos], list[Passes]]], most_bytes: int
) -> bool:
    if len(started) > 1:
        videos = (video for _, per_model, _ in started for one in per_model for video in one if video is not None)
        if pixel_bytes(videos) > most_bytes:
            return True
    return forward_pool.is_full(len(started), sum(len(passes) for *_, per_model in started for passes in per_model))


def _results(
    batch: Batch, videos: list[Videos], passes: list[Passes], scorers: dict[ModelRun, Scorer]
) -> tuple[Batch, list[BatchResult]]:
    results = [
        batch_result(batch.rows, videos[at], passes[at], scorers[model], len(model.job.views))
        for at, (model, _) in enumerate(batch.models)
    ]
    return batch, results


def run_locally(run: Run) -> None:
    """The local engine: threads of this process read frames, run forward passes and write chunks."""
    settings = run.models[0].job.settings
    with (
        ForwardPool(settings) as forward_pool,
        ThreadPoolExecutor(settings.workers, thread_name_prefix="frames") as readers,
        ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetch") as fetchers,
        ThreadPoolExecutor(1, thread_name_prefix="chunks") as writer,
    ):
        scorers = {
            model: Scorer(model.network, model.job.network_entry, model.job.settings, forward_pool)
            for model in run.models
        }
        writing: list[Future[None]] = []
        try:
            read = prefetch(fetch_ahead(run.batches(), fetchers), readers, settings.pixel_bytes // 2)
            for batch, results in run_forward(scorers, forward_pool, read, settings.pixel_bytes // 2):
                for model, chunk in run.keep(batch, results):
                    writing.append(writer.submit(model.folder.write, batch.chunk, chunk))
                writing = _still_writing(writing)
        except BaseException:
            fetchers.shutdown(wait=False, cancel_futures=True)
            readers.shutdown(wait=False, cancel_futures=True)
            raise
        for future in writing:
            future.result()


def _still_writing(writing: list[Future[None]]) -> list[Future[None]]:
    """Writes that are not done; raises the error of one that failed."""
    for future in writing:
        if future.done():
            future.result()
    return [future for future in writing if not future.done()]
