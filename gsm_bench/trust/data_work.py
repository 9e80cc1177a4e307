"""Examine many videos in several processes; finished chunks are kept, so that a killed examination goes on."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from gsm_bench.files import write_whole
from gsm_bench.frames.sources.readers import ReaderSource
from gsm_bench.splits import Video
from gsm_bench.trust.data_examine import examine
from gsm_bench.trust.data_findings import FrameFinding, VideoExam

CHUNKS = (64, 2000)
"""Chunks that a small, and a large, data set is divided into."""
CHUNK_VIDEOS = 16
"""Videos of a chunk, unless there would be too many chunks."""
AHEAD = 3
"""Chunks that wait for each process."""
SETTINGS = "run.json"
Progress = Callable[[int, int, int], None]
"""Called with the number of videos examined, in total, and with findings."""


@dataclass(frozen=True)
class Examination:
    """Which videos are examined, and where finished chunks are kept.

    Attributes:
        key: all that must be the same for a later process to go on: list, frames, version.
    """

    source: ReaderSource
    videos: Sequence[Video]
    folder: Path
    key: str
    workers: int

    @property
    def chunk_videos(self) -> int:
        total = len(self.videos)
        return max(1, min(CHUNK_VIDEOS, total // CHUNKS[0]), -(-total // CHUNKS[1]))

    def chunk(self, number: int) -> list[Video]:
        """The videos of a chunk."""
        start = number * self.chunk_videos
        return [self.videos[row] for row in range(start, min(start + self.chunk_videos, len(self.videos)))]

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self.videos) // self.chunk_videos)

    def path(self, number: int) -> Path:
        """File of a finished chunk."""
        return self.folder / f"{number:06d}.json"


def examine_all(examination: Examination, progress: Progress) -> tuple[list[VideoExam], int]:
    """The exams of all videos, and how many of them an earlier process had finished; chunks are kept until `forget`."""
    finished = _begin(examination)
    exams = dict(finished)
    kept = sum(map(len, exams.values()))
    done = bad = 0

    def report(more: Sequence[VideoExam]) -> None:
        nonlocal done, bad
        done, bad = done + len(more), bad + sum(bool(exam.findings) for exam in more)
        progress(done, len(examination.videos), bad)

    report([exam for chunk in exams.values() for exam in chunk])
    left = [number for number in range(examination.chunks) if number not in exams]
    for number, chunk in _worked_off(examination, left):
        write_whole(examination.path(number), msgspec.json.encode(chunk))
        exams[number] = chunk
        report(chunk)
    return [exam for number in sorted(exams) for exam in exams[number]], kept


def forget(examination: Examination) -> None:
    """Remove the chunks of an examination, once its report is written."""
    shutil.rmtree(examination.folder, ignore_errors=True)


def _begin(examination: Examination) -> dict[int, list[VideoExam]]:
    """Create the folder; returns the chunks that an earlier process finished. Chunks of other data are removed."""
    card = examination.folder / SETTINGS
    key = f"{examination.key}; chunks of {examination.chunk_videos} of {len(examination.videos)}"
    if not card.is_file() or card.read_text(encoding="utf-8") != key:
        forget(examination)
        examination.folder.mkdir(parents=True)
        write_whole(card, key.encode())
    finished = {}
    for number in range(examination.chunks):
        if chunk := _finished_chunk(examination, number):
            finished[number] = chunk
    return finished


def _finished_chunk(examination: Examination, number: int) -> list[VideoExam] | None:
    """A finished chunk; None if there is none, or it is damaged."""
    try:
        exams = msgspec.json.decode(examination.path(number).read_bytes(), type=list[VideoExam])
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return None
    expected = [video.id for video in examination.chunk(number)]
    return exams if [exam.id for exam in exams] == expected else None


def _worked_off(examination: Examination, left: Sequence[int]) -> Iterator[tuple[int, list[VideoExam]]]:
    """The chunks in the order in which they are finished.

    Chunks in work when a process died are examined again, one at a time.
    """
    waiting, suspects = deque(left), list[int]()
    while waiting:
        running: dict[Future[list[VideoExam]], int] = {}
        try:
            with _pool(examination, examination.workers) as pool:
                while waiting or running:
                    _fill(pool, examination, waiting, running)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        chunk = future.result()
                        yield running.pop(future), chunk
        except BrokenProcessPool:
            suspects += running.values()
    for number in suspects:
        yield number, _retried(examination, examination.chunk(number))


def _fill(
    pool: ProcessPoolExecutor,
    examination: Examination,
    waiting: deque[int],
    running: dict[Future[list[VideoExam]], int],
) -> None:
    """Give waiting chunks to the pool until it has enough to do; a chunk leaves `waiting` once it is in `running`."""
    while waiting and len(running) < examination.workers * AHEAD:
        running[pool.submit(_examine_here, examination.chunk(waiting[0]))] = waiting[0]
        waiting.popleft()


def _retried(examination: Examination, videos: Sequence[Video]) -> list[VideoExam]:
    """The exams of some videos, of which one may end the process that reads it: halves lead to that video."""
    try:
        with _pool(examination, 1) as pool:
            return pool.submit(_examine_here, videos).result()
    except BrokenProcessPool:
        if len(videos) > 1:
            half = len(videos) // 2
            return [*_retried(examination, videos[:half]), *_retried(examination, videos[half:])]
    finding = FrameFinding("crash", "the process that read it was ended: its decoder failed, or memory ran out")
    return [VideoExam(videos[0].id, listed=videos[0].num_frames, findings=(finding,))]


def _pool(examination: Examination, workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=partial(_prepare_process, examination.source),
    )


_here: list[ReaderSource] = []
"""The source of frames of this process."""


def _prepare_process(source: ReaderSource) -> None:
    """Keep the source; leave Ctrl-C to the first process, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _here[:] = [source]
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _examine_here(videos: Sequence[Video]) -> list[VideoExam]:
    return [examine(_here[0], video) for video in videos]
