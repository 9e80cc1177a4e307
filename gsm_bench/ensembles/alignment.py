"""Checks that two score files are of the same videos and classes, and the rows that align them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import AlignmentError
from gsm_bench.scorefile import ScoreHead

Labels = NDArray[np.integer]


def aligned_rows(names: Sequence[str], first: ScoreHead, head: ScoreHead) -> NDArray[np.int64] | None:
    """Row int64 [N] in the second file of each video of the first; None if the order is the same.

    Args:
        names: of the two files, for messages.
        first, head: the first and the second file.

    Raises:
        AlignmentError: the two are of different videos.
    """
    if "unverified" in (first.order, head.order):
        _check_unverified(names, first, head)
        return None
    if head.ids == first.ids:
        return None
    rows = first.ids.rows_in(head.ids)
    if len(head) != len(first) or (rows < 0).any():
        only_first, only_second = set(first.ids) - set(head.ids), set(head.ids) - set(first.ids)
        places = [one.provenance.place for one in (first, head)]
        splits = f", of {places[0]} and of {places[1]}" if places[0] != places[1] else ""
        raise AlignmentError(
            f"{names[0]} and {names[1]} have scores of different videos{splits}: "
            f"{len(only_first):,} are only in {names[0]}{_example(only_first)}, "
            f"{len(only_second):,} only in {names[1]}{_example(only_second)}",
            fix="score both on the same split: gsmbench score --model NAME --split SPLIT",
        )
    return rows


def _check_unverified(names: Sequence[str], first: ScoreHead, head: ScoreHead) -> None:
    """Files without ids match by position if all their labels agree."""
    same_labels = first.labels.keys() == head.labels.keys() and all(
        np.array_equal(first.labels[task], head.labels[task]) for task in first.labels
    )
    reason = ""
    if first.order != head.order:
        reason = f"{names[0 if first.order == 'unverified' else 1]} has no video ids"
    elif len(first) != len(head):
        reason = f"both have no video ids, and they have {len(first):,} and {len(head):,} rows"
    elif not first.labels or not same_labels:
        reason = "both have no video ids, and their labels " + (
            "differ" if first.labels and head.labels else "are unknown"
        )
    if reason:
        raise AlignmentError(
            f"{names[0]} and {names[1]} cannot be aligned: {reason}",
            fix="import the one without ids again with --ids LIST, the list that was tested (and --dataset, --split)",
        )


def check_classes(names: Sequence[str], first: ScoreHead, head: ScoreHead) -> None:
    """Raise AlignmentError unless the two have a common task, with the same classes in the same order."""
    common = [task for task in first.classes_per_task if task in head.classes_per_task]
    if not common:
        raise AlignmentError(
            f"{names[0]} has scores of {', '.join(first.kinds)}, {names[1]} of {', '.join(head.kinds)}",
            fix="fuse models of one data set",
        )
    for task in common:
        if first.classes_per_task[task] != head.classes_per_task[task]:
            counts = (first.classes_per_task[task], head.classes_per_task[task])
            raise AlignmentError(
                f"{names[0]} has {counts[0]} {task} classes, {names[1]} {counts[1]}", fix="fuse models of one data set"
            )
        classes, others = first.class_names.get(task), head.class_names.get(task)
        if classes and others and classes != others:
            how = "in another order" if set(classes) == set(others) else "of other names"
            raise AlignmentError(
                f"{names[0]} and {names[1]} have {task} classes {how}: column {_first_difference(classes, others)}",
                fix="score or import both with the same class list",
            )


def check_labels(names: Sequence[str], task: str, ids: Sequence[str], labels: Labels, others: Labels) -> None:
    """Raise AlignmentError where two members' labels int [N] of the same videos differ; negative ones are unknown."""
    known = (labels >= 0) & (others >= 0)
    differ = np.flatnonzero(known & (labels != others))
    if differ.size:
        row = int(differ[0])
        raise AlignmentError(
            f"{differ.size:,} of {int(known.sum()):,} {task} labels of {names[0]} and {names[1]} differ, "
            f"first for video {ids[row]!r}: {labels[row]} and {others[row]}",
            fix="score or import both with the same list of labels: --dataset NAME --split SPLIT, or --data DIR",
        )


def _first_difference(classes: Sequence[str], others: Sequence[str]) -> str:
    at = next(at for at, pair in enumerate(zip(classes, others, strict=True)) if pair[0] != pair[1])
    return f"{at} is {classes[at]!r} in one and {others[at]!r} in the other"


def _example(ids: set[str]) -> str:
    return f" (such as {min(ids)})" if ids else ""
