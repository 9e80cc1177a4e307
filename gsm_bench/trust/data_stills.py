"""Findings of pictures that do not move or show nothing: black, frozen, half grey.

They are suspected in small copies, and confirmed in whole pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.readers import FrameReader
from gsm_bench.trust.data_findings import FrameFinding, of_frames
from gsm_bench.trust.data_looks import SIDE, Pixels, Small, are_equal, colour_name, distance, is_flat

CONFIRMED = 8
"""Pictures that are read again to confirm a suspicion."""
FLAT_COPY = 24
"""A small copy may be of one colour if its values lie within so many levels."""
STILL_COPY = 8
"""Two small copies may be equal if no value differs by more."""
LEAST_FRAMES = 4
"""Videos of fewer frames are not called frozen."""
MANY_BLANK, LEAST_BLANK = 0.1, 2
"""Share of blank pictures in a video, and number, that are worth a finding: films fade from black."""
SAME_COPY = 1
"""Two small copies are those of a picture that is repeated if no value differs by more."""
GREY, GREY_NOISE, GREY_ROWS = 128, 3, SIDE // 8
"""Value of what a decoder did not decode, levels around it, and rows of a small copy that have it."""


def still_findings(reader: FrameReader, numbers: Sequence[int], small: Small) -> list[FrameFinding]:
    """Findings of the sound frames `numbers` [n] with their small copies uint8 [n, 3, SIDE * SIDE]."""
    if not numbers:
        return []
    flat = _confirmed_flat(reader, numbers, small)
    if flat is not None:
        return [flat] if flat.kind == "blank" else [flat, *_half_grey(numbers, small)]
    return [*_frozen(reader, numbers, small), *_half_grey(numbers, small)]


def _confirmed_flat(reader: FrameReader, numbers: Sequence[int], small: Small) -> FrameFinding | None:
    """A finding of pictures of one colour."""
    suspects = np.flatnonzero(_ranges(small) <= FLAT_COPY)
    whole = suspects.size == len(numbers)
    if not whole and suspects.size < max(LEAST_BLANK, MANY_BLANK * len(numbers)):
        return None
    looked_at = dict(_read(reader, [numbers[at] for at in _spread(suspects)]))
    flat = [picture for picture in looked_at.values() if is_flat(picture)]
    if not flat or len(flat) < len(looked_at):
        return None
    colour = colour_name(flat[len(flat) // 2])
    if whole:
        return FrameFinding("blank", f"all {len(numbers):,} pictures are {colour}")
    frames = [numbers[at] for at in suspects.tolist()]
    return of_frames("blank-frames", f"{len(frames):,} of {len(numbers):,} pictures are {colour}: {{frames}}", frames)


def _frozen(reader: FrameReader, numbers: Sequence[int], small: Small) -> Iterator[FrameFinding]:
    """A finding of one picture that fills the video."""
    count = len(numbers)
    if count < LEAST_FRAMES or _longest_run(small, STILL_COPY)[1] < count:
        return
    pictures = [picture for _, picture in _read(reader, [numbers[at] for at in _spread(np.arange(count))])]
    if len(pictures) > 1 and all(are_equal(pictures[0], picture) for picture in pictures[1:]):
        yield FrameFinding("frozen", f"all {count:,} pictures are the same")


def longest_still(numbers: Sequence[int], small: Small) -> tuple[int, int]:
    """First and last frame number of the longest run of one picture; (0, 0) for no frames."""
    if not numbers:
        return 0, 0
    first, length = _longest_run(small, SAME_COPY)
    return numbers[first], numbers[first + length - 1]


def _longest_run(small: Small, tolerance: int) -> tuple[int, int]:
    """First index and length of the longest run of small copies of which each equals the one before it."""
    best, start = (0, 1), 0
    changes = distance(small[1:], small[:-1]).reshape(len(small) - 1, -1).max(axis=1, initial=0) > tolerance
    for at in [*np.flatnonzero(changes).tolist(), len(small) - 1]:
        best = max(best, (start, at + 1 - start), key=lambda run: run[1])
        start = at + 1
    return best


def _half_grey(numbers: Sequence[int], small: Small) -> list[FrameFinding]:
    """A finding of pictures whose lower rows are the grey of data that were not decoded, if others have none."""
    below = small[:, :, -GREY_ROWS * SIDE :].reshape(len(small), -1)
    grey = (below.max(axis=1) <= GREY + GREY_NOISE) & (below.min(axis=1) >= GREY - GREY_NOISE)
    rows: NDArray[np.int64] = np.flatnonzero(grey & (_ranges(small) > FLAT_COPY))
    if not rows.size or rows.size == len(numbers):
        return []
    frames = [numbers[at] for at in rows.tolist()]
    return [of_frames("half-picture", f"{len(frames):,} pictures are grey below: {{frames}}", frames)]


def _ranges(small: Small) -> Small:
    """How far the values of a channel spread in each of n small copies, the most of three: uint8 [n]."""
    return np.asarray((small.max(axis=2) - small.min(axis=2)).max(axis=1))


def _spread(places: NDArray[np.int64]) -> list[int]:
    """At most `CONFIRMED` of some ascending places, the first and the last among them."""
    chosen = np.linspace(0, len(places) - 1, min(CONFIRMED, len(places))).round().astype(int)
    return [int(place) for place in places[np.unique(chosen)]]


def _read(reader: FrameReader, numbers: Sequence[int]) -> Iterator[tuple[int, Pixels]]:
    for number, picture in reader.pictures(numbers):
        if not isinstance(picture, FrameError):
            yield number, np.asarray(picture)
