"""Findings that need all videos: odd sizes and rates, pictures without colour, duplicates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from gsm_bench.trust.data_findings import FrameFinding, VideoExam
from gsm_bench.trust.data_looks import bits_between

LEAST_VIDEOS = 10
"""Videos that a data set needs before one of them is odd."""
NEARLY_ALL = 0.9
"""Share of the videos that have one size, or one rate, where another one is odd."""
RATE_STEP = 0.5
"""Frames per second by which sound rates differ: 29.97 and 30 are one rate."""
RATES = (5.0, 130.0)
"""Frames per second between which videos are usual, whatever the others have."""
AREA_TIMES = 8
"""Pictures with so many times more or fewer pixels than the median are odd, however sizes vary."""
REPEATED, SELDOM_STILL, LEAST_STILL = 0.5, 0.3, 11
"""Share of a video that one picture fills: of an odd one at least, of the others at most; and frames after its first."""
BAND_DIGITS = 4
"""Hexadecimal digits of a look by which possible duplicates are gathered."""
DUPLICATE_BITS = 12
"""Bits in which looks of duplicates differ, mean over their marks."""
FRAMES_APART = 2
"""Frames by which duplicates differ: encoding again may lose one."""
MOST_GATHERED = 64
"""Videos that share a part of a look are compared up to this number; more share it by chance, such as a black border."""
Confirm = Callable[[VideoExam, VideoExam], bool]
Value = TypeVar("Value")


def with_outliers(exams: Sequence[VideoExam], confirm: Confirm) -> list[VideoExam]:
    """The exams with findings of videos that are unlike the others, or equal to another.

    Args:
        exams: of all videos, without such findings.
        confirm: whether two videos that look alike have the same pictures; reads them again.
    """
    findings: dict[str, list[FrameFinding]] = defaultdict(list)
    for name, finding in [
        *_repeated(exams),
        *_odd_sizes(exams),
        *_odd_rates(exams),
        *_grey(exams),
        *_duplicates(exams, confirm),
    ]:
        findings[name].append(finding)
    return [
        replace(exam, findings=(*exam.findings, *findings[exam.id])) if exam.id in findings else exam for exam in exams
    ]


Named = Iterator[tuple[str, FrameFinding]]
"""Ids of videos with a finding each."""


def _repeated(exams: Sequence[VideoExam]) -> Named:
    """Videos of which one picture fills half. Drawn videos, and screens, stand still often: there it says nothing."""
    shares = {exam.id: (exam.still[1] + 1 - exam.still[0]) / exam.decoded for exam in exams if exam.decoded}
    if _usual({name: share < SELDOM_STILL for name, share in shares.items()}) is not True:
        return
    for exam in exams:
        first, last = exam.still
        whole = any(finding.kind in ("frozen", "blank") for finding in exam.findings)
        if not whole and last - first >= LEAST_STILL and shares[exam.id] >= REPEATED:
            yield (
                exam.id,
                FrameFinding("repeated", f"frames {first} to {last} of {exam.decoded:,} are the same picture"),
            )


def _odd_sizes(exams: Sequence[VideoExam]) -> Named:
    sizes = {exam.id: (exam.width, exam.height) for exam in exams if exam.width}
    usual = _usual(sizes)
    areas = sorted(width * height for width, height in sizes.values())
    for name, (width, height) in sizes.items():
        if usual is not None and (width, height) != usual:
            yield name, FrameFinding("odd-size", f"{width} x {height}; nearly all others have {usual[0]} x {usual[1]}")
        elif usual is None and len(sizes) >= LEAST_VIDEOS:
            times = width * height / areas[len(areas) // 2]
            if not 1 / AREA_TIMES <= times <= AREA_TIMES:
                yield name, FrameFinding("odd-size", f"{width} x {height}: {times:.2g} times the pixels of others")


def _odd_rates(exams: Sequence[VideoExam]) -> Named:
    rates = {exam.id: exam.rate for exam in exams if exam.rate}
    usual = _usual({name: round(rate / RATE_STEP) for name, rate in rates.items()})
    for name, rate in rates.items():
        if not RATES[0] <= rate <= RATES[1]:
            yield name, FrameFinding("odd-rate", f"{rate:g} frames per second")
        elif usual is not None and abs(round(rate / RATE_STEP) - usual) > 1:
            yield (
                name,
                FrameFinding("odd-rate", f"{rate:g} frames per second; nearly all others have {usual * RATE_STEP:g}"),
            )


def _grey(exams: Sequence[VideoExam]) -> Named:
    """Videos without colour; those that show nothing have a finding already."""
    coloured = {exam.id: exam.coloured for exam in exams if exam.decoded and not _blank(exam)}
    if _usual(coloured) is True:
        for name, has_colour in coloured.items():
            if not has_colour:
                yield name, FrameFinding("grey", "its pictures have no colour; nearly all others have")


def _usual(values: Mapping[str, Value]) -> Value | None:
    """The value of nearly all videos; None if there is none, or too few videos."""
    if len(values) < LEAST_VIDEOS:
        return None
    value, count = Counter(values.values()).most_common(1)[0]
    return value if count >= NEARLY_ALL * len(values) else None


def _duplicates(exams: Sequence[VideoExam], confirm: Confirm) -> Named:
    """Later videos that have the pictures of an earlier one."""
    places: dict[tuple[int, int, str], list[int]] = defaultdict(list)
    for place, exam in enumerate(exams):
        if _blank(exam) or not exam.marks:
            continue
        others = sorted({at for key in _bands(exam) for at in places[key][:MOST_GATHERED]})
        twin = next((at for at in others if _alike(exams[at], exam) and confirm(exams[at], exam)), None)
        if twin is not None:
            yield exam.id, FrameFinding("duplicate", f"the same pictures as {exams[twin].id!r}")
            continue
        for key in _bands(exam):
            places[key].append(place)


def _bands(exam: VideoExam) -> Iterator[tuple[int, int, str]]:
    """Parts of the looks of a video; a copy that was encoded again shares at least one of them."""
    for at, mark in enumerate(exam.marks):
        for start in range(0, len(mark.look), BAND_DIGITS):
            yield at, start, mark.look[start : start + BAND_DIGITS]


def _alike(first: VideoExam, second: VideoExam) -> bool:
    """Whether two videos have about as many frames, and marks that look alike."""
    if len(first.marks) != len(second.marks) or abs(first.stored - second.stored) > FRAMES_APART:
        return False
    bits = [bits_between(one.look, other.look) for one, other in zip(first.marks, second.marks, strict=True)]
    return sum(bits) <= DUPLICATE_BITS * len(bits)


def _blank(exam: VideoExam) -> bool:
    return any(finding.kind == "blank" for finding in exam.findings)
