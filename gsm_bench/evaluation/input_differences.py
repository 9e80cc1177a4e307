"""Whether score files were made from the same frames, video by video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.fingerprints import content_differs
from gsm_bench.id_array import IdArray
from gsm_bench.scorefile import NOT_SCORED, ScoreHead


@dataclass(frozen=True)
class InputDifference:
    """Videos that two score files read differently, of those that both scored.

    Attributes:
        videos: number of videos that both scored.
        counts: number of them with another number of used frames; `first_count` is the first, with both numbers.
        frames: number of them with other frames; `first_frames` is the first, empty if there is none.
    """

    videos: int
    counts: int = 0
    first_count: tuple[str, int, int] = ("", 0, 0)
    frames: int = 0
    first_frames: str = ""


def input_difference(head: ScoreHead, other: ScoreHead) -> InputDifference:
    """Compare the frames of the videos that two score files share; what either does not record is not compared."""
    rows, others = _shared_rows(head, other)
    scored = (head.status[rows] != NOT_SCORED) & (other.status[others] != NOT_SCORED)
    rows, others = rows[scored], others[scored]
    names = head.ids.take(rows)
    difference = _count_difference(names, _taken(head.num_frames, rows), _taken(other.num_frames, others))
    if head.fingerprints is None or other.fingerprints is None:
        return difference
    differ = np.flatnonzero(content_differs(head.fingerprints[rows], other.fingerprints[others]))
    if not differ.size:
        return difference
    return InputDifference(
        difference.videos, difference.counts, difference.first_count, int(differ.size), names[int(differ[0])]
    )


def count_difference(head: ScoreHead, listed: NDArray[np.int64]) -> InputDifference:
    """Compare the frames that a score file used with those that a list gives for its videos now, int64 [N]."""
    rows = np.flatnonzero(head.status != NOT_SCORED)
    return _count_difference(head.ids.take(rows), _taken(head.num_frames, rows), listed[rows])


def input_notes(members: Sequence[OpenMember]) -> tuple[str, ...]:
    """A sentence for each member of an ensemble that read other frames than the first member."""
    notes = []
    for member in members[1:]:
        difference = input_difference(members[0].head, member.head)
        pair = f"{members[0].spec.label} and {member.spec.label}"
        if difference.frames:
            notes.append(
                f"{pair} read other frames of {difference.frames:,} of {difference.videos:,} videos, "
                f"first {difference.first_frames!r}."
            )
        elif difference.counts:
            notes.append(f"{pair}: {count_text(difference)}.")
    return tuple(notes)


def count_text(difference: InputDifference, sides: tuple[str, str] = ("", "")) -> str:
    """The videos with other numbers of frames, in words."""
    name, first, second = difference.first_count
    one, other = (f"{side} " if side else "" for side in sides)
    return (
        f"numbers of frames differ for {difference.counts:,} of {difference.videos:,} videos, first {name!r}: "
        f"{one}{first:,} and {other}{second:,} frames"
    )


def _count_difference(names: IdArray, first: NDArray[np.int64], second: NDArray[np.int64]) -> InputDifference:
    differ = np.flatnonzero((first != second) & (first > 0) & (second > 0))
    if not differ.size:
        return InputDifference(len(names))
    at = int(differ[0])
    return InputDifference(len(names), int(differ.size), (names[at], int(first[at]), int(second[at])))


def _shared_rows(head: ScoreHead, other: ScoreHead) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows int64 [n] of each file of the videos that both hold."""
    if head.ids == other.ids:
        return np.arange(len(head)), np.arange(len(head))
    others = head.ids.rows_in(other.ids)
    return np.flatnonzero(others >= 0), others[others >= 0]


def _taken(num_frames: NDArray[np.int64] | None, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.zeros(len(rows), np.int64) if num_frames is None else num_frames[rows]
