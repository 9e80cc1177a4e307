"""What may be wrong with the frames of a video, kind by kind, and what was seen of each video."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.names import FrameNamesError

KINDS = {
    "missing": "no frames, no video and no archive has its name",
    "unreadable": "its folder, video or archive cannot be read",
    "crash": "reading it ended the process that read it",
    "cut-short": "its video is shorter than its file declares",
    "numbering": "its pictures have other names or numbers than expected",
    "fewer-frames": "fewer frames are stored than its list says",
    "more-frames": "more frames are stored than its list says",
    "gap": "numbers are missing between its frames",
    "empty-picture": "files of pictures have no bytes",
    "damaged": "pictures or frames cannot be decoded",
    "half-picture": "the lower part of pictures is grey: they were damaged and encoded again",
    "mixed-size": "its pictures have several sizes",
    "blank": "all of its pictures have one colour, such as black",
    "blank-frames": "many of its pictures have one colour, such as black",
    "frozen": "all of its pictures are the same",
    "several-forms": "its folder and its file have different numbers of frames",
    "repeated": "one picture is repeated for half of the video, unlike in nearly all other videos",
    "odd-size": "its pictures have another size than those of nearly all other videos",
    "odd-rate": "its frame rate is unlike that of nearly all other videos",
    "grey": "its pictures have no colour, those of nearly all other videos have",
    "duplicate": "its pictures are those of another video",
}
"""Kinds of findings with their meanings, in the order of a summary: the last five compare videos with each other."""
_MESSAGES = (
    ("missing", r"has no frames: no |^no (folder|dataset) |: no (folder|dataset) "),
    ("cut-short", r"cut short"),
    ("gap", r"(is|are) missing"),
    ("numbering", r"two files are frame|numbered from 0|is named like|pictures of \d+ kinds"),
)
"""Kinds of errors of readers, by their message."""
SHOWN_NUMBERS = 20
"""Frame numbers that a finding holds."""


@dataclass(frozen=True)
class FrameFinding:
    """One thing that is wrong with a video.

    Attributes:
        kind: one of `KINDS`.
        what: what was seen, in words.
        frames: the first of the frame numbers that it concerns.
    """

    kind: str
    what: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True)
class PictureMark:
    """A picture by which videos are compared.

    Attributes:
        number: its frame number.
        look: 16 hexadecimal digits that hardly change when a picture is encoded again or resized.
        pixels: 8 hexadecimal digits of the decoded bytes.
    """

    number: int
    look: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    pixels: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]


@dataclass(frozen=True)
class VideoExam:
    """What was seen of one video.

    Attributes:
        where: its folder or file.
        form: folder, video, hdf5 or archive; empty where there is none.
        listed: frames that the list says, 0 if it does not.
        stored: frames of the folder or file; of a segment, those of its part.
        declared: frames that the header of a video declares, 0 if it does not.
        decoded: frames that were decoded.
        width, height: of most of its pictures, in pixels.
        rate: frames per second of a video file, 0 if unknown.
        coloured: whether any picture has colours.
        still: first and last frame number of the longest run of one picture.
        marks: first, middle and last picture; fewer if they are damaged.
    """

    id: str
    where: str = ""
    form: str = ""
    listed: int = 0
    stored: int = 0
    declared: int = 0
    decoded: int = 0
    width: int = 0
    height: int = 0
    rate: float = 0.0
    coloured: bool = False
    still: tuple[int, int] = (0, 0)
    marks: tuple[PictureMark, ...] = ()
    findings: tuple[FrameFinding, ...] = field(default=())


def kind_of(error: FrameError) -> str:
    """The kind of finding that an error of a reader is."""
    if isinstance(error, FrameNamesError):
        return "numbering"
    return next((kind for kind, words in _MESSAGES if re.search(words, error.what)), "unreadable")


def encodable(text: str) -> str:
    """A text that can be written as UTF-8: bytes of a file name that are none become ``\\xff``."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def of_frames(kind: str, what: str, numbers: Sequence[int]) -> FrameFinding:
    """A finding of some frames; `what` may hold ``{frames}``, which becomes their numbers in words."""
    return FrameFinding(kind, what.format(frames=numbers_text(numbers)), tuple(numbers[:SHOWN_NUMBERS]))


def numbers_text(numbers: Sequence[int], most: int = 4) -> str:
    """Ascending numbers as runs: ``3``, ``3 to 9 and 12``, ``3, 5, 7, 9 and 12 more``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [str(first) if first == last else f"{first} to {last}" for first, last in runs[:most]]
    if len(runs) > most:
        rest = sum(last - first + 1 for first, last in runs[most:])
        return f"{', '.join(words)} and {rest:,} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
