"""Small pictures of the frames of a video, for a page: an animation or a sheet in one AVIF or WebP file.

The same frames give the same bytes: encoders run with one thread, whose number AVIF depends on.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, features

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.errors import FrameError
from gsm_bench.frames.sources import FrameSource
from gsm_bench.sampling import Indices
from gsm_bench.splits import Video

WIDTH, HEIGHT = 96, 72
"""Largest size of a thumbnail in pixels; the sides keep their proportion."""
COLUMNS = 8
"""Thumbnails in a row of a sheet."""
QUALITIES = (40, 32, 25, 20, 15)
"""Qualities that are tried, best first."""
SHEET_QUALITY = 40
TRIED = 8
"""Videos from which the quality is chosen."""
MISSING = (128, 128, 128)
"""Colour of a frame that cannot be read."""
FrameNumbers = Callable[[int], Indices]
"""Ascending frame numbers, from 1, that are needed of a video with so many frames."""


@dataclass(frozen=True)
class VideoThumbnails:
    """The thumbnails of one video.

    Attributes:
        row: of the video in its split.
        num_frames: of the video; 0 if unknown.
        content: the encoded file; empty if no frame can be read.
        problem: why there is none.
        bad: reason by number, of single frames that cannot be read; they are grey.
    """

    row: int
    num_frames: int = 0
    content: bytes = b""
    problem: str = ""
    bad: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Pictures:
    row: int
    num_frames: int
    pictures: tuple[Image.Image, ...]
    problem: str = ""
    bad: dict[int, str] = field(default_factory=dict)


def media_type() -> str:
    """The best type of file that the installed Pillow writes: AVIF since 11.3, else WebP."""
    return "image/avif" if features.check("avif") else "image/webp"


def animations(
    source: FrameSource, videos: Sequence[Video], numbers: FrameNumbers, budget: int
) -> Iterator[VideoThumbnails]:
    """Thumbnails of videos as animations, a frame each, that take at most `budget` bytes together.

    The best quality that fits is taken; if none fits, the last videos are left out. An animation is two to three times
    smaller than a sheet, because frames resemble each other.
    """
    quality = _fitting_quality(source, videos, numbers, budget)
    used = 0
    for one in _encoded(source, videos, numbers, lambda pictures: animation(pictures, quality)):
        used += len(one.content)
        if used > budget:
            return
        yield one


def sheets(source: FrameSource, videos: Iterable[Video], numbers: FrameNumbers) -> Iterator[VideoThumbnails]:
    """Thumbnails of videos as sheets of `COLUMNS` columns, which any picture element can show in parts."""
    return _encoded(source, list(videos), numbers, sheet)


def animation(pictures: Sequence[Image.Image], quality: int) -> bytes:
    """Equally large RGB pictures as one animated file."""
    first, *others = pictures
    return _saved(first, quality, save_all=True, append_images=others, duration=100, loop=0)


def sheet(pictures: Sequence[Image.Image], quality: int = SHEET_QUALITY) -> bytes:
    """Equally large RGB pictures beside and below each other in one file."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // COLUMNS)
    whole = Image.new("RGB", (width * min(COLUMNS, len(pictures)), height * rows))
    for at, picture in enumerate(pictures):
        whole.paste(picture, (at % COLUMNS * width, at // COLUMNS * height))
    return _saved(whole, quality)


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in pixels of the thumbnail of a frame."""
    scale = min(WIDTH / width, HEIGHT / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _saved(picture: Image.Image, quality: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    if media_type() == "image/avif":
        picture.save(buffer, "AVIF", quality=quality, speed=8, max_threads=1, **options)
    else:
        picture.save(buffer, "WEBP", quality=quality, method=4, **options)
    return buffer.getvalue()


def _fitting_quality(source: FrameSource, videos: Sequence[Video], numbers: FrameNumbers, budget: int) -> int:
    """The best quality at which the mean size of a few videos fits, or the lowest."""
    step = max(1, len(videos) // TRIED)
    read = (_read(source, video, numbers) for video in videos[::step])
    tried = [one.pictures for one in read if one.pictures]
    for quality in QUALITIES:
        sizes = [len(animation(pictures, quality)) for pictures in tried]
        if sum(sizes) * len(videos) <= budget * len(sizes):
            return quality
    return QUALITIES[-1]


def _encoded(
    source: FrameSource,
    videos: Sequence[Video],
    numbers: FrameNumbers,
    encode: Callable[[tuple[Image.Image, ...]], bytes],
) -> Iterator[VideoThumbnails]:
    """Each video's thumbnails in order, from as many threads as there are cores, a few videos ahead."""

    def work(video: Video) -> VideoThumbnails:
        read = _read(source, video, numbers)
        content = encode(read.pictures) if read.pictures else b""
        return VideoThumbnails(read.row, read.num_frames, content, read.problem, read.bad)

    ahead = 8 * usable_cpus()
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for start in range(0, len(videos), ahead):
            yield from pool.map(work, videos[start : start + ahead])


def _read(source: FrameSource, video: Video, numbers: FrameNumbers) -> _Pictures:
    """The small pictures of a video: as large as that of its first readable frame."""
    try:
        total = source.count(video)
    except FrameError as error:
        return _Pictures(video.row, video.num_frames, (), error.what)
    small: dict[int, Image.Image] = {}
    bad: dict[int, str] = {}
    needed = np.asarray(numbers(total)).tolist()
    try:
        for number, picture in source.pictures(video, needed):
            if isinstance(picture, FrameError):
                bad[number] = picture.what
            else:
                size = next(iter(small.values())).size if small else thumbnail_size(*picture.size)
                small[number] = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    except FrameError as error:
        bad |= {number: error.what for number in needed if number not in small}
    if not small:
        return _Pictures(video.row, total, (), next(iter(bad.values()), "no frame is needed"))
    grey = Image.new("RGB", next(iter(small.values())).size, MISSING)
    return _Pictures(video.row, total, tuple(small.get(number, grey) for number in needed), "", bad)
