"""Accuracy of an ensemble and each of its members: labels are ranked while the scores are in cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import (
    Means,
    floored,
    in_threads,
    is_plain,
    mean_over_views,
    member_mean,
    member_window,
    refuse_broken_rows,
)
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.kernels import SUMS_ROWS, add_weighted, label_ranks, rank_rows
from gsm_bench.metrics.topk import KS, Accuracy, accuracy_of_ranks
from gsm_bench.row_windows import NO_SUMS, RowWindow
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.settings import Space

WINDOW_BYTES = 48 << 20
"""Bytes of all files that a thread maps at once: enough that mapping costs little beside counting."""
LEAST_WINDOWS = 16
"""Small files are cut into at least this many windows, so that every thread has some."""
CACHE_ROWS = 1024
"""Rows ranked at once: their fused scores stay in a core's cache."""

Ranks = NDArray[np.int32]
Labels = NDArray[np.int32]


def accuracies_of(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], ks: Sequence[int] = KS
) -> tuple[Accuracy, list[Accuracy]]:
    """Accuracy of the fused scores, and of each member, against labels int [N] in row order of the first member."""
    ranks = _ranks(members, task, space, labels, fused=len(members) > 1)
    scored = [member.status != NOT_SCORED for member in members]
    if len(members) > 1:
        scored.append(np.logical_and.reduce(scored))
    *singles, ensemble = _counted(ranks, labels, scored, members[0].head.classes_per_task[task], ks)
    return ensemble, singles or [ensemble]


def accuracies_alone(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], ks: Sequence[int] = KS
) -> list[Accuracy]:
    """Accuracy of each member against labels int [N], as in `accuracies_of`; members of one file share what is read."""
    ranks = _ranks(members, task, space, labels, fused=False)
    scored = [member.status != NOT_SCORED for member in members]
    return _counted(ranks, labels, scored, members[0].head.classes_per_task[task], ks)


def _counted(
    ranks: Sequence[Ranks], labels: NDArray[np.integer], scored: Sequence[NDArray[np.bool_]], classes: int,
    ks: Sequence[int],
) -> list[Accuracy]:  # fmt: skip
    """Accuracy of each array of ranks int32 [N], with bool [N] the rows that are scored."""

    def count(at: slice) -> Accuracy:
        return accuracy_of_ranks(ranks[at.start], labels, scored[at.start], classes, ks)

    return list(in_threads(count, len(ranks), 1))


def _ranks(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], *, fused: bool
) -> list[Ranks]:
    """Ranks int32 [N] of the labels among each member's scores and, with `fused`, among the fused ones."""
    at_once = _rows_at_once(members, task)
    targets = np.ascontiguousarray(labels, np.int32)
    ranks = [np.empty(len(targets), np.int32) for _ in range(len(members) + fused)]

    def count(window: slice) -> None:
        read: dict[Path, RowWindow] = {}
        for member in members:
            if member.spec.path not in read:
                read[member.spec.path] = member_window(member, task, window)
        total = np.empty((at_once if fused else 0, members[0].head.classes_per_task[task]))
        for start in range(window.start, window.stop, at_once):
            rows = slice(start, min(start + at_once, window.stop))
            parts = [
                read[member.spec.path].part(rows.start - window.start, rows.stop - window.start) for member in members
            ]
            _rank_rows(members, parts, task, space, targets, rows, ranks, total[: rows.stop - rows.start])

    for _ in in_threads(count, len(targets), _window_rows(members, task, at_once)):
        pass
    return ranks


def _rows_at_once(members: Sequence[OpenMember], task: str) -> int:
    """Number of rows that are ranked at once.

    Where checksums are computed after ranking, one block, which is still in cache then.
    """
    block_rows = 0 if SUMS_ROWS else max(member.file.block_rows(task) for member in members)
    return block_rows or CACHE_ROWS


def _window_rows(members: Sequence[OpenMember], task: str, at_once: int) -> int:
    """Number of rows that a thread works on, a multiple of those ranked at once."""
    heads = {member.spec.path: member.head for member in members}.values()
    row_bytes = sum(4 * len(head.views) * head.classes_per_task[task] for head in heads)
    rows = min(WINDOW_BYTES // max(1, row_bytes), len(members[0].head) // LEAST_WINDOWS)
    return max(1, rows // at_once) * at_once


def _rank_rows(
    members: Sequence[OpenMember], parts: Sequence[RowWindow], task: str, space: Space, labels: Labels, rows: slice,
    ranks: Sequence[Ranks], total: Means,
) -> None:  # fmt: skip
    """Write the ranks of some rows to `ranks`; where scores are not finite, again with those of `floored`.

    All rows were compared with their checksums when this returns, each file's after the last member that reads it.

    Args:
        parts: scores float32 [n, V, C] per member.
        total: float64 [n, C], overwritten with fused scores; without rows where only members are ranked.
    """
    fused, all_finite, per_sum = len(total) > 0, True, 1
    last = {member.spec.path: at for at, member in enumerate(members)}
    for at, (member, part) in enumerate(zip(members, parts, strict=True)):
        computed = NO_SUMS
        if is_plain(member, task, space):
            if SUMS_ROWS and at == last[member.spec.path]:
                computed, per_sum = part.room_for_sums()
            finite = rank_rows(
                part.scores,
                member.views,
                labels[rows],
                ranks[at][rows],
                member.weight,
                total,
                at == 0,
                computed,
                per_sum,
            )
        else:
            means = np.empty((len(part.scores), part.scores.shape[2]))
            finite = mean_over_views(member, task, space, part.compared(), means)
            label_ranks(means, labels[rows], ranks[at][rows])
            if fused:
                add_weighted(means, member.weight, total, at == 0)
        if at == last[member.spec.path]:
            part.compare(computed)
        all_finite &= finite
    if not all_finite:
        numbers = [floored(part.scores) for part in parts]
        if any(some is not part.scores for some, part in zip(numbers, parts, strict=True)):
            floors = [RowWindow(some) for some in numbers]
            _rank_rows(members, floors, task, space, labels, rows, ranks, total)
            return
        for member in members:
            refuse_broken_rows(member, member_mean(member, task, space, rows), member.status[rows] != NOT_SCORED, rows)
    if fused:
        label_ranks(total, labels[rows], ranks[-1][rows])
