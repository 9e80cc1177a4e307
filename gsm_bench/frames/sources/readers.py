"""Readers and sources of frames: a reader decodes the frames of one video, a source finds the reader of a video."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import FrameError
from gsm_bench.fingerprints import SIZES_COMPARED, UNKNOWN, Fingerprint, hash_of
from gsm_bench.frames.sources.pictures import Decoded, Picture, as_picture, decoded_pixels
from gsm_bench.splits import Video

READERS_CACHED = 256
"""Readers that a source caches: the frames of a long video are listed once for all its segments."""
SHOWN_GAPS = 3
"""Gaps between frame numbers that a message shows."""


class FrameSource(Protocol):
    """Decoded frames of videos, by number from 1; safe to use from several threads and to send to other processes."""

    @property
    def encoding(self) -> str:
        """How the pixels differ from the stored pictures of the data set; empty if they are the same bytes."""

    @property
    def note(self) -> str:
        """What a user should know about these frames; usually empty."""

    @property
    def videos_ahead(self) -> int:
        """Videos that should be fetched before they are read; 0 where fetching takes no time."""

    def count(self, video: Video) -> int:
        """Number of frames as listed, else as stored; raises FrameError if some are missing."""

    def available(self, video: Video) -> int:
        """Number of stored frames of the file or folder, whatever a list says; raises FrameError if unreadable."""

    def pictures(self, video: Video, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Each of the ascending `numbers` with its RGB picture or its error, in order."""

    def pixels(self, video: Video, numbers: Sequence[int]) -> Iterator[tuple[int, Decoded]]:
        """As `pictures`, each in the form in which it was decoded."""

    def fingerprint(self, video: Video) -> Fingerprint:
        """What is stored of the video, without decoding it; unknown where it cannot be read."""

    def prefetch(self, video: Video, numbers: Callable[[int], Iterable[int]]) -> None:
        """Begin to fetch frames that will be read soon: `numbers` of a number of frames. Errors show when they are read."""


class FrameReader(Protocol):
    """The frames of one video, by number from 1."""

    where: str
    """File or folder, for messages."""

    @property
    def encoding(self) -> str:
        """See `FrameSource`."""

    @property
    def seekable(self) -> bool:
        """Whether a frame can be decoded without all frames before it."""

    def count(self) -> int:
        """Number of stored frames."""

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """As in `FrameSource`, with frame numbers of the file or folder."""

    def pixels(self, numbers: Sequence[int]) -> Iterator[tuple[int, Decoded]]:
        """As `pictures`, each in the form in which it was decoded."""

    def fingerprint(self, start: int, frames: int) -> Fingerprint:
        """See `FrameSource`; of `frames` frames from number `start`, or of all stored frames if `frames` is 0."""


@runtime_checkable
class FetchingReader(Protocol):
    """A reader whose frames take time to come."""

    def prefetch(self, numbers: Sequence[int]) -> None:
        """Begin to fetch frames by number."""


class ImageSequenceReader(ABC):
    """A video stored as encoded pictures, one per frame."""

    where: str

    @abstractmethod
    def numbers(self) -> list[int]:
        """Numbers of the stored frames, ascending."""

    @property
    def encoding(self) -> str:
        return ""

    @property
    def seekable(self) -> bool:
        return True

    @abstractmethod
    def count(self) -> int:
        """Number of stored frames."""

    @abstractmethod
    def gap(self) -> str:
        """Which frames below the last one are missing, in words; empty if none is."""

    @abstractmethod
    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        """Each number with the stored bytes of its picture, or with its error."""

    def place(self, number: int) -> str:
        """Where a frame is stored, for messages."""
        return self.where

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        for number, pixels in self.pixels(numbers):
            yield number, as_picture(pixels)

    def pixels(self, numbers: Sequence[int]) -> Iterator[tuple[int, Decoded]]:
        for number, content in self.encoded(numbers):
            if isinstance(content, FrameError):
                yield number, content
            else:
                yield number, decoded_pixels(content, number, self.place(number))

    def fingerprint(self, start: int, frames: int) -> Fingerprint:
        stored = 0 if frames else self.count()
        total = frames or stored
        if not total:
            return UNKNOWN
        numbers = compared_numbers(start, total)
        contents = (b"" if isinstance(content, FrameError) else content for _, content in self.encoded(numbers))
        sizes = self.frame_sizes(_spread(start, total))
        return Fingerprint(
            stored, hash_of(total, contents), hash_of(total, (b"%d" % size for size in sizes)) if sizes else 0
        )

    def frame_sizes(self, numbers: Sequence[int]) -> list[int]:
        """Sizes of frames in bytes, 0 for a missing one; empty if the form does not tell them without reading."""
        return []


def compared_numbers(start: int, total: int) -> list[int]:
    """Numbers of the frames whose bytes enter a fingerprint: the first, the middle and the last of `total`."""
    return sorted({start, start + total // 2, start + total - 1})


def _spread(start: int, total: int) -> list[int]:
    """At most `SIZES_COMPARED` of `total` frame numbers, the first and the last among them."""
    last = SIZES_COMPARED - 1
    return list(dict.fromkeys(start + (total - 1) * at // last for at in range(SIZES_COMPARED)))


def gap_in(numbers: Sequence[int] | NDArray[np.int64]) -> str:
    """Describe the numbers that are missing between 1 and the last of ascending `numbers`; empty if none is."""
    if not len(numbers) or numbers[-1] == len(numbers):
        return ""
    before = np.concatenate(([0], np.asarray(numbers, np.int64)))
    at = np.flatnonzero(np.diff(before) > 1)
    runs = [(int(before[row]) + 1, int(before[row + 1]) - 1) for row in at[:SHOWN_GAPS]]
    shown = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)
    more = f" and {len(at) - SHOWN_GAPS} more" if len(at) > SHOWN_GAPS else ""
    one = len(at) == 1 and runs[0][0] == runs[0][1]
    return (
        f"{'frame' if one else 'frames'} {shown}{more} {'is' if one else 'are'} missing: "
        f"its {len(numbers):,} frames have the numbers {numbers[0]} to {numbers[-1]}"
    )


class ReaderSource:
    """Frames of videos, which may be segments of longer files, from their readers.

    Args:
        find: returns the reader of a video; raises FrameError if there is none.
        encoding, note, videos_ahead: see `FrameSource`.
    """

    def __init__(
        self, find: Callable[[Video], FrameReader], encoding: str = "", note: str = "", videos_ahead: int = 0
    ) -> None:
        self._find = find
        self.encoding = encoding
        self.note = note
        self.videos_ahead = videos_ahead
        self._cached: OrderedDict[str, FrameReader] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        names = ("_find", "encoding", "note", "videos_ahead")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**{name.lstrip("_"): value for name, value in state.items()})  # type: ignore[misc]

    def count(self, video: Video) -> int:
        """Number of frames as listed, at most those stored; without a list, all stored frames."""
        reader = self.reader(video)
        available, needed = self.available(video), video.start - 1 + video.num_frames
        if available == 0 or available < needed:
            expected = f", {needed} are expected" if video.num_frames and not video.video else ""
            if video.video:
                expected = f" in its file, but its segment ends at frame {needed}"
            raise FrameError(f"video {video.id!r} has {available} frames{expected}", where=reader.where)
        if not video.num_frames and isinstance(reader, ImageSequenceReader) and (gap := reader.gap()):
            raise FrameError(f"video {video.id!r}: {gap}", where=reader.where)
        return video.num_frames or available

    def available(self, video: Video) -> int:
        """Number of stored frames of the file or folder."""
        try:
            return self.reader(video).count()
        except FrameError as error:
            raise FrameError(f"video {video.id!r}: {error.what}", where=error.where) from error

    def pictures(self, video: Video, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Pictures by frame number within the video."""
        for number, pixels in self.pixels(video, numbers):
            yield number, as_picture(pixels)

    def pixels(self, video: Video, numbers: Sequence[int]) -> Iterator[tuple[int, Decoded]]:
        """As `pictures`, each in the form in which it was decoded."""
        before = video.start - 1
        for number, pixels in self.reader(video).pixels([before + number for number in numbers]):
            yield number - before, _named(pixels, video, number, number - before)

    def fingerprint(self, video: Video) -> Fingerprint:
        """What is stored of the video; of a segment, of its frames."""
        start, frames = (video.start, video.num_frames) if video.video else (1, 0)
        try:
            return self.reader(video).fingerprint(start, frames)
        except FrameError:
            return UNKNOWN

    def prefetch(self, video: Video, numbers: Callable[[int], Iterable[int]]) -> None:
        """Begin to fetch frames of a video, and those of its fingerprint."""
        try:
            reader = self.reader(video)
            if isinstance(reader, FetchingReader):
                total, before = self.count(video), video.start - 1
                stored = total if video.video else self.available(video)
                needed = {*numbers(total), *(number - before for number in compared_numbers(video.start, stored))}
                reader.prefetch(sorted(before + number for number in needed))
        except FrameError:
            return

    def forms(self, video: Video) -> list[FrameReader]:
        """Readers of all folders and files that hold `video`, the one that is read first; empty if only one is known."""
        forms = getattr(self._find, "forms", None)
        return list(forms(video)) if forms else []

    def reader(self, video: Video) -> FrameReader:
        """The reader of the file or folder of `video`."""
        with self._lock:
            reader = self._cached.get(video.container)
        if reader is None:
            reader = self._find(video)
            with self._lock:
                self._cached[video.container] = reader
                while len(self._cached) > READERS_CACHED:
                    self._cached.popitem(last=False)
        return reader


def _named(picture: Decoded, video: Video, in_file: int, number: int) -> Decoded:
    """An error of a frame, with its number within the video and the name of the video."""
    if isinstance(picture, FrameError):
        what = picture.what.replace(f"frame {in_file} ", f"frame {number} of video {video.id!r} ", 1)
        return FrameError(what, where=picture.where)
    return picture
