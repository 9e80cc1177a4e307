"""Decoding and preprocessing: the CPU part of scoring."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from gsm_bench.bench.interleaved_timing import StageRate, rates_in_turns
from gsm_bench.cpu_count import usable_cpus
from gsm_bench.errors import FrameError
from gsm_bench.frames.read_views import RawViews, read_views, view_indices
from gsm_bench.frames.sources.pictures import as_image, decoded_pixels
from gsm_bench.frames.transform import normalise, preprocess, resize_image
from gsm_bench.geometry import crop_corner
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.transfer import Loader, send_frames
from gsm_bench.splits import Video

HELD_VIDEOS = 16
"""Videos whose frames are held in memory to time what comes after they were read."""
QUALITY = 95
Item = TypeVar("Item")


def needed_frames(job: Job, video: Video) -> list[int]:
    """The frame numbers that a video's views need, ascending."""
    total = job.source.count(video)
    numbers: list[int] = np.unique(
        np.concatenate([view_indices(total, job.read_plan, view) for view in job.views])
    ).tolist()
    return numbers


def sound_videos(job: Job) -> list[Video]:
    """Videos of the job whose frames can all be read.

    Raises:
        FrameError: no video can be read.
    """
    sound: list[Video] = []
    problem: FrameError | None = None
    for video in job.split.sample(2 * HELD_VIDEOS):
        try:
            if any(isinstance(picture, FrameError) for picture in _pictures(job, video)):
                raise FrameError(f"a frame of video {video.id!r} cannot be decoded", where=job.split.list_path)
            sound.append(video)
        except FrameError as error:
            problem = error
        if len(sound) == HELD_VIDEOS:
            break
    if problem is not None and not sound:
        raise problem
    return sound


def measure_decode(job: Job, videos: Sequence[Video], pool: ThreadPoolExecutor, seconds: float) -> StageRate:
    """Frames decoded per second from their files, compared with decoding of bytes in memory, and with one thread.

    Threads that hinder each other must not lower the ceiling: it is what one thread does alone, on every core.
    """
    held = [[_as_jpeg(picture) for picture in _pictures(job, video)] for video in videos]
    workers, cores = job.settings.workers, _cores(job)
    rates = rates_in_turns(
        {
            "ours": _spread(pool, workers, videos, lambda video: len(_decoded(job, video))),
            "ceiling": _one_by_one(held, lambda frames: len([decoded_pixels(frame, 1, "memory") for frame in frames])),
            "plain": _one_by_one(videos, lambda video: len(_pictures(job, video))),
        },
        seconds,
    )
    return StageRate(
        "decode", "frames", rates["ours"], cores * rates["ceiling"],
        f"decoding JPEG bytes in memory, one thread{_times(cores)}", rates["plain"], "one thread",
    )  # fmt: skip


def measure_preprocess(job: Job, videos: Sequence[Video], pool: ThreadPoolExecutor, seconds: float) -> StageRate:
    """Frames resized, cropped and normalised per second, compared with Pillow's resize alone, and with one thread."""
    spec, workers, cores = job.entry.input, job.settings.workers, _cores(job)
    held = [_pictures(job, video) for video in videos]
    stacks = [np.stack([np.asarray(picture) for picture in pictures]) for pictures in held]

    def ours(pictures: list[Image.Image]) -> int:
        left, top = crop_corner(*resize_image(pictures[0], spec).size, spec.size, -1)
        box = slice(top, top + spec.size), slice(left, left + spec.size)
        cut = np.stack([np.asarray(resize_image(picture, spec))[box] for picture in pictures])
        normalise(torch.from_numpy(cut), spec)
        return len(pictures)

    rates = rates_in_turns(
        {
            "ours": _spread(pool, workers, held, ours),
            "ceiling": _one_by_one(held, lambda some: len([resize_image(one, spec) for one in some])),
            "plain": _one_by_one(stacks, lambda stack: len(preprocess(stack, spec))),
        },
        seconds,
    )
    return StageRate(
        "preprocess", "frames", rates["ours"], cores * rates["ceiling"],
        f"Pillow's resize alone, one thread{_times(cores)}", rates["plain"], "one thread",
    )  # fmt: skip


def measure_on_device(job: Job, videos: Sequence[Video], pool: ThreadPoolExecutor, seconds: float) -> StageRate:
    """Frames sent, resized, cropped and normalised on the device per second, compared with sending alone, and with one CPU thread."""
    spec, device = job.entry.input, torch.device(job.settings.device)
    raw = [read_views(job.source, video, job.read_plan).pixels for video in videos]
    held = [pixels for pixels in raw if isinstance(pixels, RawViews)]
    stacks = [np.stack([np.asarray(picture) for picture in _pictures(job, video)]) for video in videos]
    turn = itertools.cycle(held)
    loader = Loader(device)

    def batch() -> list[RawViews]:
        return list(itertools.islice(turn, job.settings.batch))

    def ours() -> float:
        some = batch()
        (loaded,) = loader.load([some], [spec])
        assert loaded is not None
        for view in range(loaded.views):
            normalise(loaded.pixels(view, slice(None)), spec)
        wait_for(device)
        return sum(len(video.frames) for video in some)

    def sending() -> float:
        some = batch()
        send_frames({at: video.frames for at, video in enumerate(some)}, loader.copies, loader.fillers).wait()
        wait_for(device)
        return sum(len(video.frames) for video in some)

    plain = _one_by_one(stacks, lambda stack: len(preprocess(stack, spec)))
    rates = rates_in_turns({"ours": ours, "ceiling": sending, "plain": plain}, seconds)
    loader.close()
    return StageRate(
        "preprocess", "frames", rates["ours"], rates["ceiling"], f"sending the frames to {device} alone",
        rates["plain"], "Pillow, one thread",
    )  # fmt: skip


def wait_for(device: torch.device) -> None:
    """Until a device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _decoded(job: Job, video: Video) -> list[NDArray[np.uint8] | Image.Image]:
    """The frames that a video's views need, as runs read them."""
    frames = []
    for _, frame in job.source.pixels(video, needed_frames(job, video)):
        if isinstance(frame, FrameError):
            raise frame
        frames.append(frame)
    return frames


def _pictures(job: Job, video: Video) -> list[Image.Image]:
    return [as_image(frame) for frame in _decoded(job, video)]


def _as_jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _spread(
    pool: ThreadPoolExecutor, workers: int, items: Sequence[Item], work: Callable[[Item], int]
) -> Callable[[], float]:
    """Work on the items in all threads, some at a time."""
    turn = itertools.cycle(items)
    return lambda: sum(pool.map(work, itertools.islice(turn, 2 * workers)))


def _one_by_one(items: Sequence[Item], work: Callable[[Item], int]) -> Callable[[], float]:
    turn: Iterator[Item] = itertools.cycle(items)
    return lambda: work(next(turn))


def _cores(job: Job) -> int:
    """Cores that the reading threads of a job can keep busy."""
    return min(job.settings.workers, usable_cpus())


def _times(cores: int) -> str:
    return "" if cores == 1 else f" times {cores} cores"
