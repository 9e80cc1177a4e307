"""Compare a data set before and after packing: files, bytes and reading speed, measured in turns."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.readers import FrameReader
from gsm_bench.sampling import sample_indices

TIMED_VIDEOS, TIMED_FRAMES, TURNS = 32, 8, 3


@dataclass(frozen=True)
class PackReport:
    """Values before and after: files, bytes, and frames that one thread decodes per second, eight per video."""

    files: tuple[int, int]
    size: tuple[int, int]
    frames_per_second: tuple[float, float]


def measure_pack(source: Path, target: Path, before: Sequence[FrameReader], after: Sequence[FrameReader]) -> PackReport:
    """Compare the same videos before and after; files are dropped from the page cache where the system allows it."""
    step = max(1, len(before) // TIMED_VIDEOS)
    old, new = before[::step][:TIMED_VIDEOS], after[::step][:TIMED_VIDEOS]
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for place, readers, measured in ((source, old, rates[0]), (target, new, rates[1])):
            _drop_from_cache(place, readers)
            measured.append(_rate(readers))
    files, size = _tally(source, target)
    return PackReport(
        (files, 1), (size, target.stat().st_size), (statistics.median(rates[0]), statistics.median(rates[1]))
    )


def _rate(readers: Sequence[FrameReader]) -> float:
    began, read = time.perf_counter(), 0
    for reader in readers:
        try:
            numbers = sorted(set(sample_indices(reader.count(), TIMED_FRAMES)[0].tolist()))
            read += sum(not isinstance(picture, FrameError) for _, picture in reader.pictures(numbers))
        except (FrameError, ValueError):
            continue
    return read / (time.perf_counter() - began)


def _tally(place: Path, without: Path) -> tuple[int, int]:
    """Number and bytes of all files below a place but one; a file that vanishes meanwhile does not count."""
    if place.is_file():
        return 1, place.stat().st_size
    files = size = 0
    skipped = without.stat().st_ino
    for folder, _, names in os.walk(place):
        for name in names:
            with suppress(OSError):
                state = (Path(folder) / name).stat()
                files, size = files + (state.st_ino != skipped), size + (state.st_ino != skipped) * state.st_size
    return files, size


def _drop_from_cache(place: Path, readers: Sequence[FrameReader]) -> None:
    """Drop files from the page cache; only a hint, which not every system knows."""
    if not hasattr(os, "posix_fadvise"):
        return
    for where in {place, *(Path(reader.where) for reader in readers)}:
        files = list(where.iterdir()) if where.is_dir() else [where]
        for path in files:
            with suppress(OSError), path.open("rb") as file:  # `where` of a reader inside a file is no path
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
