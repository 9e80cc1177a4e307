"""What every source of frames has in common: a reader holds the frames of one video, a source finds the reader of a clip."""

from __future__ import annotations

import io
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from PIL import Image, UnidentifiedImageError

from gsm_bench.errors import FrameError
from gsm_bench.splits import Video

Picture = Image.Image | FrameError
REELS_KEPT = 256
"""Reels that a source remembers: a long video's frames are listed once for all its segments."""
UNDECODABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class FrameSource(Protocol):
    """Decoded frames of clips, by number from 1; safe to use from several threads and to send to other processes."""

    @property
    def encoding(self) -> str:
        """How the pixels differ from the stored pictures of the data set; empty where they are these very bytes."""

    def count(self, clip: Video) -> int:
        """Number of frames of `clip` as its list gives it, else as found; raises FrameError when some are missing."""

    def found(self, clip: Video) -> int:
        """Frames of the video that holds `clip`, whatever a list says; raises FrameError where it cannot be read."""

    def pictures(self, clip: Video, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Each of the ascending `numbers` with its RGB picture, or with what is wrong with it, in their order."""


class FrameReader(Protocol):
    """The frames of one video, by number from 1."""

    where: str
    """File or folder, for messages."""

    @property
    def encoding(self) -> str:
        """See `FrameSource`."""

    @property
    def seekable(self) -> bool:
        """Whether a frame in the middle can be had without all before it."""

    def count(self) -> int:
        """Frames that are here."""

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """As in `FrameSource`, with the video's own numbers."""


class ImageSequenceReader(ABC):
    """A video kept as encoded pictures, one per frame."""

    where: str

    @abstractmethod
    def numbers(self) -> list[int]:
        """The numbers of the frames that are here, ascending."""

    @property
    def encoding(self) -> str:
        return ""

    @property
    def seekable(self) -> bool:
        return True

    @abstractmethod
    def count(self) -> int:
        """Frames that are here."""

    @abstractmethod
    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        """Each number with the stored bytes of its picture, or with what is wrong."""

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        for number, content in self.encoded(numbers):
            yield number, content if isinstance(content, FrameError) else decoded(content, number, self.where)


def decoded(content: bytes, number: int, where: str) -> Picture:
    """An encoded picture as RGB."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.convert("RGB")
    except UNDECODABLE as error:
        return FrameError(f"frame {number} cannot be decoded: {reason(error)}", where=where)


def reason(error: BaseException) -> str:
    """What an exception says, in one line."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    said = str(getattr(error, "strerror", None) or error)  # PyAV's errors have one, too
    return said.replace("\n", " ") or type(error).__name__


class ReaderSource:
    """Clips, which may be segments of longer videos, on top of the reels that hold them.

    Args:
        find: the reader of a clip's video; raises FrameError where there is none.
        encoding: see `FrameSource`.
    """

    def __init__(self, find: Callable[[Video], FrameReader], encoding: str = "") -> None:
        self._find = find
        self.encoding = encoding
        self._kept: OrderedDict[str, FrameReader] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"_find": self._find, "encoding": self.encoding}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**{name.lstrip("_"): value for name, value in state.items()})  # type: ignore[misc]

    def count(self, clip: Video) -> int:
        """Frames of `clip`: the list's number, which its reader must hold at least."""
        reader = self.reader(clip)
        found, needed = self.found(clip), clip.start - 1 + clip.num_frames
        if found == 0 or found < needed:
            listed = f", {needed} are expected" if clip.num_frames and not clip.video else ""
            if clip.video:
                listed = f" in its video, its segment ends at frame {needed}"
            raise FrameError(f"clip {clip.id!r} has {found} frames{listed}", where=reader.where)
        return clip.num_frames or found

    def found(self, clip: Video) -> int:
        """Frames of the clip's video."""
        return _counted(self.reader(clip), clip)

    def pictures(self, clip: Video, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Pictures of the clip's own frame numbers."""
        before = clip.start - 1
        for number, picture in self.reader(clip).pictures([before + number for number in numbers]):
            yield number - before, _named(picture, clip, number, number - before)

    def reader(self, clip: Video) -> FrameReader:
        """The reader of the clip's video."""
        with self._lock:
            reader = self._kept.get(clip.container)
        if reader is None:
            reader = self._find(clip)
            with self._lock:
                self._kept[clip.container] = reader
                while len(self._kept) > REELS_KEPT:
                    self._kept.popitem(last=False)
        return reader


def _counted(reader: FrameReader, clip: Video) -> int:
    try:
        return reader.count()
    except FrameError as error:
        raise FrameError(f"clip {clip.id!r}: {error.what}", where=error.where) from error


def _named(picture: Picture, clip: Video, in_video: int, number: int) -> Picture:
    """What is wrong with a frame, in the clip's own terms."""
    if isinstance(picture, FrameError):
        said = picture.what.replace(f"frame {in_video} ", f"frame {number} of clip {clip.id!r} ", 1)
        return FrameError(said, where=picture.where)
    return picture
