"""How often an ensemble and each of its members are right: ranks of the labels, counted while scores are in cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import (
    Means,
    in_threads,
    is_plain,
    mean_over_views,
    member_block,
    member_mean,
    refuse_broken_rows,
)
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.entries import Space
from gsm_bench.kernels import add_weighted, label_ranks, rank_views
from gsm_bench.metrics.topk import KS, Accuracy, accuracy_of_ranks
from gsm_bench.scorefile import NOT_SCORED, Scores

WINDOW_ROWS = 4096
"""Rows read at once: enough that mapping them costs nothing beside counting."""
CACHE_ROWS = 512
"""Rows counted at once: their means and the total stay in a core's cache."""

Ranks = NDArray[np.int32]
Labels = NDArray[np.int32]


def accuracies_of(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], ks: Sequence[int] = KS
) -> tuple[Accuracy, list[Accuracy]]:
    """Accuracy of the fused scores, and of each member, against labels int [N] in the first member's rows."""
    *each, fused = _ranks(members, task, space, labels, fused=len(members) > 1)
    scored = [member.status != NOT_SCORED for member in members]
    classes = members[0].head.classes_per_task[task]
    whole = accuracy_of_ranks(fused, labels, np.logical_and.reduce(scored), classes, ks)
    if len(members) == 1:
        return whole, [whole]
    return whole, [
        accuracy_of_ranks(ranks, labels, rows, classes, ks) for ranks, rows in zip(each, scored, strict=True)
    ]


def accuracies_alone(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], ks: Sequence[int] = KS
) -> list[Accuracy]:
    """The accuracy of each member, as in `accuracies_of`; members of one file, in its order, share what is read."""
    return [
        accuracy_of_ranks(ranks, labels, member.status != NOT_SCORED, member.head.classes_per_task[task], ks)
        for member, ranks in zip(members, _ranks(members, task, space, labels, fused=False), strict=True)
    ]


def _ranks(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], *, fused: bool
) -> list[Ranks]:
    """Ranks int32 [N] of the labels among each member's scores and, if asked for, among the fused ones."""
    wanted = np.ascontiguousarray(labels, np.int32)
    ranks = [np.empty(len(wanted), np.int32) for _ in range(len(members) + fused)]

    def count(window: slice) -> None:
        read: dict[Path, Scores] = {}
        for member in members:
            if member.spec.path not in read:
                read[member.spec.path] = member_block(member, task, window)
        total = np.empty((CACHE_ROWS if fused else 0, members[0].head.classes_per_task[task]))
        for start in range(window.start, window.stop, CACHE_ROWS):
            rows = slice(start, min(start + CACHE_ROWS, window.stop))
            inside = slice(rows.start - window.start, rows.stop - window.start)
            blocks = [read[member.spec.path][inside] for member in members]
            _rank_rows(members, blocks, task, space, wanted, rows, ranks, total[: rows.stop - rows.start])

    for _ in in_threads(count, len(wanted), WINDOW_ROWS):
        pass
    return ranks


def _rank_rows(
    members: Sequence[OpenMember], blocks: Sequence[Scores], task: str, space: Space, labels: Labels, rows: slice,
    ranks: Sequence[Ranks], total: Means,
) -> None:  # fmt: skip
    """Write the ranks of some rows, whose blocks float32 [n, V, C] are given per member.

    A total float64 [n, C] is written to where the ranks of fused scores are asked for; else it has no rows.
    """
    fused = len(total) > 0
    for at, (member, block) in enumerate(zip(members, blocks, strict=True)):
        if is_plain(member, task, space):
            sound = rank_views(block, member.views, labels[rows], ranks[at][rows], member.weight, total, at == 0)
        else:
            means = np.empty((len(block), block.shape[2]))
            sound = mean_over_views(member, task, space, block, means)
            label_ranks(means, labels[rows], ranks[at][rows])
            if fused:
                add_weighted(means, member.weight, total, at == 0)
        if not sound:
            refuse_broken_rows(member, member_mean(member, task, space, rows), member.status[rows] != NOT_SCORED, rows)
    if fused:
        label_ranks(total, labels[rows], ranks[-1][rows])
