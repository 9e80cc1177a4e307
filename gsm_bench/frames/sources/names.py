"""Map file names of frames to frame numbers from 1, and back."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gsm_bench.errors import FrameError, GsmBenchError
from gsm_bench.splits import Video

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


class FrameNamesError(FrameError):
    """Frames of a video have unexpected file names.

    Attributes:
        expected: the expected names.
        likely: the names that the files seem to have, if any.
        file: one of the files, if none has an expected name.
    """

    def __init__(self, what: str, where: str, expected: FrameNames, likely: FrameNames | None, file: str = "") -> None:
        super().__init__(what, where=where)
        self.expected = expected
        self.likely = likely
        self.file = file


@dataclass(frozen=True)
class FrameNames:
    """File names of a video's frames: ``prefix``, a number, ``suffix``.

    Attributes:
        digits: width of a number, padded with zeros; names with other padding are read, too.
        first: the number in the name of the first frame; None means 1, and names numbered from 0 are refused.
    """

    prefix: str
    digits: int
    suffix: str
    first: int | None = None

    @classmethod
    def of_pattern(cls, pattern: str, video: Video, first: int | None = None) -> FrameNames:
        """The names that a pattern such as ``{id}/img_{frame:05d}.jpg`` gives to the frames of `video`."""
        file = pattern.rpartition("/")[2]
        before, after = re.split(r"\{frame[^}]*\}", file, maxsplit=1)
        width = re.search(r"\{frame:0?(\d+)d?\}", file)
        names = {"id": video.id, "video": video.container, "participant": video.participant}
        return cls(before.format(**names), int(width[1]) if width else 1, after.format(**names), first)

    @classmethod
    def inferred(cls, names: Iterable[str], where: str, first: int | None = None) -> FrameNames | None:
        """Infer the names of frames among the files `names`; None if no picture among them has a number.

        Raises:
            FrameError: there are frames of several kinds, such as RGB and optical flow.
        """
        matches = [match for name in names if is_picture(name) and (match := re.fullmatch(r"(.*?)(\d+)(\.\w+)", name))]
        kinds = Counter((match[1], match[3].lower()) for match in matches)
        if len(kinds) > 1:
            shown = ", ".join(f"{prefix}*{suffix}" for prefix, suffix in sorted(kinds)[:3])
            what = f"there are pictures of {len(kinds)} kinds: {shown}; choose with --names of pack"
            raise FrameError(what, where=where)
        if not matches:
            return None
        return cls(matches[0][1], min(len(match[2]) for match in matches), matches[0][3], first)

    @property
    def _before(self) -> int:
        """Difference between the number in a name and that of the frame."""
        return 0 if self.first is None else 1 - self.first

    def name(self, number: int) -> str:
        return f"{self.prefix}{number - self._before:0{self.digits}d}{self.suffix}"

    def number(self, name: str) -> int | None:
        """Frame number of a file name, from 1 (0 if names are numbered from 0); None if it is not a frame."""
        middle = name[len(self.prefix) : len(name) - len(self.suffix)]
        fits = name.startswith(self.prefix) and name.lower().endswith(self.suffix.lower())
        return int(middle) + self._before if fits and middle.isascii() and middle.isdecimal() else None


@dataclass(frozen=True)
class Naming:
    """How pictures are named.

    Attributes:
        pattern: such as ``img_{frame:05d}.jpg``; None infers the names.
        first: number of the first frame.
    """

    pattern: str | None = None
    first: int | None = None

    @property
    def names(self) -> FrameNames | None:
        """File names; raises GsmBenchError for a pattern that gives none."""
        if self.pattern is None:
            return None
        try:
            if "/" in self.pattern or self.pattern.format(frame=1) == self.pattern.format(frame=2):
                raise ValueError
        except (KeyError, ValueError, IndexError) as error:
            raise GsmBenchError(
                f"--names {self.pattern} is not a pattern of file names", fix="--names img_{frame:05d}.jpg"
            ) from error
        return FrameNames.of_pattern(self.pattern, Video("", 0, 0), self.first)


def composed(name: str) -> str:
    """A name with accents composed (NFC), for comparisons: macOS decomposes them."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def spellings(name: str) -> tuple[str, ...]:
    """A name with accents composed and decomposed; nothing for ASCII."""
    return () if name.isascii() else (unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))


def is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURES) and not name.startswith(".")


def numbered(files: Sequence[str], names: FrameNames | None, where: str, first: int | None = None) -> dict[int, int]:
    """Index among `files` of each frame, by its number; `names` None infers the names.

    Raises:
        FrameError: two files have the same number, or there are frames of several kinds.
        FrameNamesError: frames have other names, or are numbered from 0.
    """
    names = names or FrameNames.inferred(files, where, first)
    if names is None:
        return {}
    rows: dict[int, int] = {}
    for row, name in enumerate(files):
        number = names.number(name)
        if number is None:
            continue
        if number in rows:
            raise FrameError(f"two files are frame {number}: {files[rows[number]]} and {name}", where=where)
        rows[number] = row
    if names.first is None and 0 in rows:
        raise FrameNamesError(
            "its frames are numbered from 0, not from 1 (first_frame = 0 in the data set's entry, or --first-frame 0 of pack)",
            where, names, replace(names, first=0),
        )  # fmt: skip
    pictures = [] if rows else sorted(filter(is_picture, files))
    if pictures:
        raise FrameNamesError(
            f"none of its {len(pictures):,} pictures is named like {names.name(1)}; the first is {pictures[0]} "
            "(see frame_pattern of the data set's entry)",
            where, names, _likely(pictures), pictures[0],
        )  # fmt: skip
    return {number: row for number, row in rows.items() if number >= 1}


def _likely(pictures: Sequence[str]) -> FrameNames | None:
    try:
        return FrameNames.inferred(pictures, "")
    except FrameError:
        return None


INFER_NAMES = Naming()
