"""What every source of frames has in common: a reel holds the frames of one video, a source finds the reel of a clip."""

from __future__ import annotations

import io
import re
import threading
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image, UnidentifiedImageError

from gsm_bench.errors import FrameError
from gsm_bench.splits import Clip

Picture = Image.Image | FrameError
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
NUMBERED = re.compile(r"(.*?)(\d+)(\.\w+)")
REELS_KEPT = 256
"""Reels that a source remembers: a long video's frames are listed once for all its segments."""
UNDECODABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class FrameSource(Protocol):
    """Decoded frames of clips, by number from 1; safe to use from several threads and to send to other processes."""

    @property
    def encoding(self) -> str:
        """How the pixels differ from the stored pictures of the data set; empty where they are these very bytes."""

    def count(self, clip: Clip) -> int:
        """Number of frames of `clip` as its list gives it, else as found; raises FrameError when some are missing."""

    def pictures(self, clip: Clip, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Each of the ascending `numbers` with its RGB picture, or with what is wrong with it, in their order."""


class Reel(Protocol):
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


class StillsReel(ABC):
    """A video kept as encoded pictures, one per frame."""

    where: str

    @abstractmethod
    def numbers(self) -> list[int]:
        """The numbers of the frames that are here, ascending."""

    def strangers(self) -> list[str]:
        """File names of the pictures here, where all of them are called otherwise than frames should be."""
        return []

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


def is_picture(name: str) -> bool:
    """Whether a file name is that of a picture."""
    return name.lower().endswith(PICTURES)


def reason(error: BaseException) -> str:
    """What an exception says, in one line."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said.replace("\n", " ") or type(error).__name__


@dataclass(frozen=True)
class FrameNames:
    """File names of a reel's frames: ``prefix``, a number of at least `digits` digits, ``suffix``.

    Frames are numbered from 1; the number in the name of the first is `first`.
    """

    prefix: str
    digits: int
    suffix: str
    first: int = 1

    @classmethod
    def of_pattern(cls, pattern: str, clip: Clip, first: int | None = None) -> FrameNames:
        """The names that a data set's pattern such as ``{id}/img_{frame:05d}.jpg`` gives to the frames of `clip`."""
        file = pattern.rpartition("/")[2]
        before, after = re.split(r"\{frame[^}]*\}", file, maxsplit=1)
        width = re.search(r"\{frame:0?(\d+)d?\}", file)
        names = {"id": clip.id, "video": clip.container, "participant": clip.participant}
        digits = int(width[1]) if width else 1
        return cls(before.format(**names), digits, after.format(**names), 1 if first is None else first)

    @classmethod
    def guessed(cls, files: Iterable[str], first: int = 1) -> FrameNames | None:
        """The names of a reel whose frames are most of the pictures among `files`; None if none has a number."""
        found = [match for name in files if is_picture(name) and (match := NUMBERED.fullmatch(name))]
        if not found:
            return None
        (prefix, suffix), _ = Counter((match[1], match[3]) for match in found).most_common(1)[0]
        # Numbers without leading zeros have as many digits as they need: 1.jpg stands beside 10.jpg.
        digits = min(len(match[2]) for match in found if (match[1], match[3]) == (prefix, suffix))
        return cls(prefix, digits, suffix, first)

    def strangers(self, files: Iterable[str]) -> list[str]:
        """The pictures among `files`, sorted, if none has one of these names."""
        pictures = sorted(filter(is_picture, files))
        return [] if any(self.number(name) is not None for name in pictures) else pictures

    def name(self, number: int) -> str:
        return f"{self.prefix}{number - 1 + self.first:0{self.digits}d}{self.suffix}"

    def number(self, name: str) -> int | None:
        """The number of the frame in a file; None if its name is not one of these."""
        middle = name[len(self.prefix) : len(name) - len(self.suffix)]
        fits = name.startswith(self.prefix) and name.lower().endswith(self.suffix.lower())
        return int(middle) + 1 - self.first if fits and middle.isdecimal() and len(middle) >= self.digits else None


class ReelSource:
    """Clips, which may be segments of longer videos, on top of the reels that hold them.

    Args:
        find: the reel of a clip's video; raises FrameError where there is none.
        encoding: see `FrameSource`.
    """

    def __init__(self, find: Callable[[Clip], Reel], encoding: str = "") -> None:
        self._find = find
        self.encoding = encoding
        self._kept: OrderedDict[str, Reel] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"_find": self._find, "encoding": self.encoding}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**{name.lstrip("_"): value for name, value in state.items()})  # type: ignore[misc]

    def count(self, clip: Clip) -> int:
        """Frames of `clip`: the list's number, which its reel must hold at least."""
        reel = self.reel(clip)
        found, needed = _counted(reel, clip), clip.start - 1 + clip.num_frames
        if found == 0 or found < needed:
            listed = f", {needed} are expected" if clip.num_frames and not clip.video else ""
            if clip.video:
                listed = f" in its video, its segment ends at frame {needed}"
            raise FrameError(f"clip {clip.id!r} has {found} frames{listed}", where=reel.where)
        return clip.num_frames or found

    def pictures(self, clip: Clip, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Pictures of the clip's own frame numbers."""
        before = clip.start - 1
        for number, picture in self.reel(clip).pictures([before + number for number in numbers]):
            yield number - before, _named(picture, clip, number, number - before)

    def reel(self, clip: Clip) -> Reel:
        """The reel of the clip's video."""
        with self._lock:
            reel = self._kept.get(clip.container)
        if reel is None:
            reel = self._find(clip)
            with self._lock:
                self._kept[clip.container] = reel
                while len(self._kept) > REELS_KEPT:
                    self._kept.popitem(last=False)
        return reel


def _counted(reel: Reel, clip: Clip) -> int:
    try:
        return reel.count()
    except FrameError as error:
        raise FrameError(f"clip {clip.id!r}: {error.what}", where=error.where) from error


def _named(picture: Picture, clip: Clip, in_video: int, number: int) -> Picture:
    """What is wrong with a frame, in the clip's own terms."""
    if isinstance(picture, FrameError):
        said = picture.what.replace(f"frame {in_video} ", f"frame {number} of clip {clip.id!r} ", 1)
        return FrameError(said, where=picture.where)
    return picture
