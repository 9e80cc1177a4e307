"""File names of frames: from a pattern or from what lies there to numbers from 1, and back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gsm_bench.errors import FrameError, GsmBenchError
from gsm_bench.splits import Video

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


class FrameNamesError(FrameError):
    """Frames of a video are called otherwise than they should be.

    Attributes:
        expected: how they should be.
        likely: how they seem to be, if that can be told.
        file: one of them, where none is called as it should be.
    """

    def __init__(self, what: str, where: str, expected: FrameNames, likely: FrameNames | None, file: str = "") -> None:
        super().__init__(what, where=where)
        self.expected = expected
        self.likely = likely
        self.file = file


@dataclass(frozen=True)
class FrameNames:
    """File names of a reader's frames: ``prefix``, a number, ``suffix``.

    Attributes:
        digits: to which a number is filled up with zeros; names with other zeros are read, too.
        first: the number in the name of the first frame; None is 1, and names numbered from 0 are refused.
    """

    prefix: str
    digits: int
    suffix: str
    first: int | None = None

    @classmethod
    def of_pattern(cls, pattern: str, clip: Video, first: int | None = None) -> FrameNames:
        """The names that a data set's pattern such as ``{id}/img_{frame:05d}.jpg`` gives to the frames of `clip`."""
        file = pattern.rpartition("/")[2]
        before, after = re.split(r"\{frame[^}]*\}", file, maxsplit=1)
        width = re.search(r"\{frame:0?(\d+)d?\}", file)
        names = {"id": clip.id, "video": clip.container, "participant": clip.participant}
        return cls(before.format(**names), int(width[1]) if width else 1, after.format(**names), first)

    @classmethod
    def guessed(cls, names: Iterable[str], where: str, first: int | None = None) -> FrameNames | None:
        """The names of a reader whose folder holds files called `names`; None if no picture among them has a number.

        Raises:
            FrameError: there are frames of more than one kind, such as of a video and of its optical flow.
        """
        found = [match for name in names if is_picture(name) and (match := re.fullmatch(r"(.*?)(\d+)(\.\w+)", name))]
        kinds = Counter((match[1], match[3].lower()) for match in found)
        if len(kinds) > 1:
            shown = ", ".join(f"{prefix}*{suffix}" for prefix, suffix in sorted(kinds)[:3])
            said = f"pictures of {len(kinds)} kinds lie together: {shown}; --names of pack says which are the frames"
            raise FrameError(said, where=where)
        if not found:
            return None
        return cls(found[0][1], min(len(match[2]) for match in found), found[0][3], first)

    @property
    def _before(self) -> int:
        """From the number in a name to that of the frame."""
        return 0 if self.first is None else 1 - self.first

    def name(self, number: int) -> str:
        return f"{self.prefix}{number - self._before:0{self.digits}d}{self.suffix}"

    def number(self, name: str) -> int | None:
        """The frame that a file name means, from 1; below 1 it is numbered from 0. None if it is not one of these."""
        middle = name[len(self.prefix) : len(name) - len(self.suffix)]
        fits = name.startswith(self.prefix) and name.lower().endswith(self.suffix.lower())
        return int(middle) + self._before if fits and middle.isascii() and middle.isdecimal() else None


@dataclass(frozen=True)
class Naming:
    """How pictures are called: ``img_{frame:05d}.jpg``, or as they are found; and the number of the first."""

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
                f"--names {self.pattern} does not say how frames are called", fix="--names img_{frame:05d}.jpg"
            ) from error
        return FrameNames.of_pattern(self.pattern, Video("", 0, 0), self.first)


def is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURES) and not name.startswith(".")


def numbered(found: Sequence[str], names: FrameNames | None, where: str, first: int | None = None) -> dict[int, int]:
    """Place among the files `found` of each frame, by its number; `names` None takes them as they are called.

    Raises:
        FrameError: two files have one number, or there are frames of more than one kind.
        FrameNamesError: frames are called otherwise, or numbered from 0.
    """
    names = names or FrameNames.guessed(found, where, first)
    if names is None:
        return {}
    rows: dict[int, int] = {}
    for row, name in enumerate(found):
        number = names.number(name)
        if number is None:
            continue
        if number in rows:
            raise FrameError(f"two files are frame {number}: {found[rows[number]]} and {name}", where=where)
        rows[number] = row
    if names.first is None and 0 in rows:
        raise FrameNamesError(
            "its frames are numbered from 0, not from 1 (first_frame = 0 in the data set's entry, --first-frame 0 of pack)",
            where, names, replace(names, first=0),
        )  # fmt: skip
    pictures = [] if rows else sorted(filter(is_picture, found))
    if pictures:
        raise FrameNamesError(
            f"none of its {len(pictures):,} pictures is called as {names.name(1)}: the first is {pictures[0]} "
            "(frame_pattern of the data set's entry says how)",
            where, names, _likely(pictures), pictures[0],
        )  # fmt: skip
    return {number: row for number, row in rows.items() if number >= 1}


def _likely(pictures: Sequence[str]) -> FrameNames | None:
    try:
        return FrameNames.guessed(pictures, "")
    except FrameError:
        return None


AS_FOUND = Naming()
