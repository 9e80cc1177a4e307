"""Examine one video: decode every frame of it, and note what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.archive import ArchiveReader
from gsm_bench.frames.sources.folder import FolderReader
from gsm_bench.frames.sources.gulp import GulpReader
from gsm_bench.frames.sources.hdf5 import Hdf5Reader
from gsm_bench.frames.sources.lmdb import LmdbReader
from gsm_bench.frames.sources.pictures import decoded_pixels
from gsm_bench.frames.sources.readers import FrameReader, ImageSequenceReader, ReaderSource
from gsm_bench.frames.sources.remote_readers import CopiedPictures, RemoteArchiveReader, RemoteFolderReader
from gsm_bench.splits import Video
from gsm_bench.trust.data_findings import FrameFinding, PictureMark, VideoExam, encodable, kind_of, of_frames
from gsm_bench.trust.data_header import VideoHeader, header_of
from gsm_bench.trust.data_looks import Pixels, Small, distance, looks_of, pixels_of, small_copies, small_copy
from gsm_bench.trust.data_stills import longest_still, still_findings

LEAST_COLOUR = 8
"""A picture has colours if its channels differ by more than so many levels anywhere."""
FORMS: dict[type, str] = {
    FolderReader: "folder", ArchiveReader: "archive", Hdf5Reader: "hdf5", GulpReader: "gulp", LmdbReader: "lmdb",
    RemoteFolderReader: "folder", RemoteArchiveReader: "archive", CopiedPictures: "archive",
}  # fmt: skip
"""Name of the form of frames, by their reader; any other is a video file."""
AT_ONCE = 1024
"""Small copies that are put together at a time."""


def examine(source: ReaderSource, video: Video) -> VideoExam:
    """Decode every frame of a video, or of its segment, and note what is wrong; nothing is raised for bad frames."""
    seen = _Seen(video)
    try:
        reader = source.reader(video)
        seen.where, seen.form = reader.where, _form(reader)
        seen.header = header_of(reader)
        numbers = _numbers(reader, video, seen)
        if len(forms := source.forms(video)) > 1:
            seen.findings += _other_forms(forms)
        seen.decode(reader, numbers)
    except FrameError as error:
        seen.where = seen.where or error.where or ""
        seen.findings.append(FrameFinding(kind_of(error), error.what))
        return seen.exam()
    seen.findings += still_findings(reader, seen.sound, seen.small())
    return seen.exam()


def _form(reader: FrameReader) -> str:
    return FORMS.get(type(reader), "video")


def _numbers(reader: FrameReader, video: Video, seen: _Seen) -> Sequence[int]:
    """Numbers of the frames to decode, ascending: of a segment those that it should have, else all that are stored."""
    if video.video:
        return range(video.start, video.start + video.num_frames)
    numbers: Sequence[int] = range(1, reader.count() + 1)
    if isinstance(reader, ImageSequenceReader) and reader.gap():
        numbers = reader.numbers()
    seen.findings += _count_findings(numbers, video.num_frames)
    return numbers


def _count_findings(numbers: Sequence[int], listed: int) -> Iterator[FrameFinding]:
    """Findings of the ascending numbers of stored frames; `listed` frames are expected, 0 if unknown."""
    if not numbers:
        yield FrameFinding("missing", "its folder or file holds no frames")
        return
    last, expected = numbers[-1], f"its list says {listed:,}"
    if last > len(numbers):
        gaps = sorted(set(range(1, last)).difference(numbers))
        yield of_frames("gap", "no frames {frames}", gaps)
    if listed and last < listed:
        yield FrameFinding("fewer-frames", f"{len(numbers):,} frames, {expected}")
    if listed and last > listed:
        yield FrameFinding("more-frames", f"{len(numbers):,} frames, {expected}")


def _other_forms(forms: Sequence[FrameReader]) -> list[FrameFinding]:
    """A finding where a folder and a file of one video have different numbers of frames."""
    counts = []
    for form in forms:
        try:
            counts.append(f"{_form(form)} {form.count():,} frames")
        except FrameError:
            counts.append(f"{_form(form)} unreadable")
    if len({words.partition(" ")[2] for words in counts}) == 1:
        return []
    return [FrameFinding("several-forms", f"{', '.join(counts)}; the first is read")]


class _Seen:
    """What is seen of a video while its frames are decoded, one after the other."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self.where = self.form = ""
        self.stored = 0
        self.header = VideoHeader()
        self.findings: list[FrameFinding] = []
        self.sound: list[int] = []
        self._shape: tuple[int, ...] = ()
        self._of_size: dict[tuple[int, int], list[int]] = {}
        self._numbers: list[int] = []
        self._marked: list[tuple[int, Pixels]] = []
        self._copies: list[Small] = []
        self._waiting: list[Small] = []

    def decode(self, reader: FrameReader, numbers: Sequence[int]) -> None:
        """Decode the ascending `numbers`."""
        bad: dict[str, dict[int, str]] = {}
        marked = {numbers[0], numbers[len(numbers) // 2], numbers[-1]} if numbers else set()
        for number, pixels in _pictures(reader, numbers):
            if isinstance(pixels, FrameError):
                kind = _kind_of_picture(pixels)
                bad.setdefault(kind, {})[number] = pixels.what
                continue
            self._keep(number, pixels)
            if number in marked:
                self._marked.append((number, pixels))
        self.stored = len(numbers) - len(bad.get("gap", ()))
        self.findings += [_of_bad(kind, reasons, numbers[-1]) for kind, reasons in bad.items()]
        self._put_together()
        if len(self._of_size) > 1:
            self.findings.append(self._mixed_sizes())

    def _keep(self, number: int, pixels: Pixels) -> None:
        self.sound.append(number)
        self._waiting.append(small_copy(pixels))
        if pixels.shape != self._shape:
            self._shape = pixels.shape
            self._numbers = self._of_size.setdefault((pixels.shape[1], pixels.shape[0]), [])
        self._numbers.append(number)
        if len(self._waiting) == AT_ONCE:
            self._put_together()

    def _put_together(self) -> None:
        if self._waiting:
            self._copies.append(small_copies(self._waiting))
            self._waiting = []

    @property
    def _size(self) -> tuple[int, int]:
        """Width and height of most pictures."""
        return max(self._of_size, key=lambda size: len(self._of_size[size]), default=(0, 0))

    def _mixed_sizes(self) -> FrameFinding:
        width, height = self._size
        others = {size: numbers for size, numbers in self._of_size.items() if size != self._size}
        numbers = sorted(number for some in others.values() for number in some)
        words = ", ".join(f"{w} x {h}" for w, h in list(others)[:3])
        what = f"{len(self.sound) - len(numbers):,} pictures of {width} x {height}, others of {words}: {{frames}}"
        return of_frames("mixed-size", what, numbers)

    def small(self) -> Small:
        """Small copies of the sound frames, uint8 [n, 3, SIDE * SIDE]."""
        if len(self._copies) != 1:
            self._copies = [np.concatenate(self._copies) if self._copies else small_copies([])]
        return self._copies[0]

    def exam(self) -> VideoExam:
        width, height = self._size
        looks = looks_of([pixels for _, pixels in self._marked])
        marks = [
            PictureMark(number, look, pixels_of(pixels))
            for (number, pixels), look in zip(self._marked, looks, strict=True)
        ]
        findings = [replace(finding, what=encodable(finding.what)) for finding in self.findings]
        return VideoExam(
            self.video.id, encodable(self.where), self.form, self.video.num_frames, self.stored, self.header.frames,
            len(self.sound), width, height, self.header.rate, any(map(_coloured, self._copies)),
            longest_still(self.sound, self.small()), tuple(marks),
            tuple(findings),
        )  # fmt: skip


def _pictures(reader: FrameReader, numbers: Sequence[int]) -> Iterator[tuple[int, Pixels | FrameError]]:
    """Each number with its pixels or its error."""
    if not isinstance(reader, ImageSequenceReader):
        for number, picture in reader.pictures(numbers):
            yield number, picture if isinstance(picture, FrameError) else np.asarray(picture)
        return
    for number, content in reader.encoded(numbers):
        if isinstance(content, FrameError):
            yield number, content
        elif not content:
            yield number, FrameError(f"frame {number} has no bytes")
        else:
            pixels = decoded_pixels(content, number, "")
            yield number, pixels if isinstance(pixels, FrameError) else np.asarray(pixels)


def _kind_of_picture(error: FrameError) -> str:
    if "has no bytes" in error.what:
        return "empty-picture"
    return "gap" if "is missing" in error.what else "damaged"


def _of_bad(kind: str, reasons: dict[int, str], last: int) -> FrameFinding:
    """One finding of all frames that are bad in one way, with the reason of the first; `last` is the last frame."""
    numbers = sorted(reasons)
    if kind == "gap":
        ends_early = numbers[-1] == last and numbers[-1] - numbers[0] == len(numbers) - 1
        return of_frames("fewer-frames" if ends_early else kind, "no frames {frames}", numbers)
    if kind == "empty-picture":
        return of_frames(kind, "no bytes in frames {frames}", numbers)
    reason = reasons[numbers[0]].partition(": ")[2] or reasons[numbers[0]]
    words = reason.replace("{", "{{").replace("}", "}}")
    return of_frames(kind, f"{len(numbers):,} frames, {{frames}}: {words}", numbers)


def _coloured(copies: Small) -> bool:
    """Whether the channels differ anywhere in some small copies uint8 [n, 3, SIDE * SIDE]."""
    red, green, blue = (copies[:, at] for at in range(3))
    return bool(
        (distance(red, green).max(initial=0) > LEAST_COLOUR) | (distance(green, blue).max(initial=0) > LEAST_COLOUR)
    )
