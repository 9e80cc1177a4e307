"""Greedy selection with replacement for large pools (Caruana et al., Ensemble Selection from Libraries of Models, 2004).

Each round adds the member, possibly again, whose addition makes most videos right. How often a member was taken is its
weight. A round skips the classes of a video that no single addition can lift above its label or bring below it. After a
few rounds those are nearly all.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.ensembles.fuse import member_mean, refuse_broken_rows
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.selection.subset_block import differences
from gsm_bench.selection.subsets import READ_ELEMENTS, Progress
from gsm_bench.settings import Space

ROUNDS = 100
MOSTLY = 0.5
"""With more than this share of classes in question all are compared in place; with less they are gathered first."""


@dataclass(frozen=True)
class MemberScores:
    """Differences to the label's score for n videos, for the E pairs of video and class that may lie above it.

    Attributes:
        values: float32 [E, M], scaled per pair to at most 1.
        video: int64 [E], ascending, the video of each pair, from 0 in this block.
        above: int64 [n], classes that lie above the label for every choice of members.
        rows: int64 [n], the videos' rows in the score files.
        low, high: float32 [E], smallest and largest difference of a pair.
    """

    values: NDArray[np.float32]
    video: NDArray[np.int64]
    above: NDArray[np.int64]
    rows: NDArray[np.int64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    def ranks(self, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Ranks int64 [n] of the labels under weights [M], from 0."""
        lifted = self.video[self.values @ weights.astype(np.float32) > 0]
        ranks: NDArray[np.int64] = self.above + np.bincount(lifted, minlength=len(self.above))
        return ranks


def member_scores(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer]
) -> list[MemberScores]:
    """Differences to the score of the label int [N], in blocks of the videos that all members scored and that have a label."""
    scored = np.logical_and.reduce([member.status != NOT_SCORED for member in members]) & (labels >= 0)
    size = max(16, READ_ELEMENTS // (len(members) * members[0].head.classes_per_task[task]))
    reading = threading.Lock()

    def block_from(start: int) -> MemberScores | None:
        rows = slice(start, min(start + size, len(labels)))
        kept = np.flatnonzero(scored[rows])
        with reading:
            means = [member_mean(member, task, space, rows) for member in members]
        for member, mean in zip(members, means, strict=True):
            refuse_broken_rows(member, mean, scored[rows], rows)
        if not kept.size:
            return None
        above, candidates, scaled, certain = differences(np.stack(means)[:, kept], labels[rows][kept])
        candidates &= certain[:, None]
        values = np.ascontiguousarray(np.moveaxis(scaled, 0, 2))[candidates]  # [E, M]
        video = np.nonzero(candidates)[0]
        return MemberScores(values, video, above, start + kept, values.min(axis=1), values.max(axis=1))

    with ThreadPoolExecutor(min(usable_cpus(), 8), "blocks") as pool:
        blocks = pool.map(block_from, range(0, len(labels), size))
        return [block for block in blocks if block is not None]


def select(
    blocks: Sequence[MemberScores], chosen: NDArray[np.bool_], members: int, *, rounds: int = ROUNDS, k: int = 1,
    progress: Progress = lambda done, total: None,
) -> NDArray[np.int64]:  # fmt: skip
    """How often each member was taken, int64 [M], in the shortest run of rounds that has most videos right.

    Args:
        chosen: bool [N], the videos that choose.
        members: how many there are.
        k: a video counts as right if its label is among the k best classes.
        progress: called with rounds done and rounds in all.
    """
    states = [_GreedyState(block, chosen[block.rows], k) for block in blocks if chosen[block.rows].any()]
    picks, right = [], []
    with ThreadPoolExecutor(min(usable_cpus(), 8), "greedy") as pool:
        for done in range(rounds):
            hits = sum(pool.map(_GreedyState.hits, states), np.zeros(members, np.int64))
            picks.append(int(hits.argmax()))
            right.append(int(hits.max()))
            list(pool.map(lambda state: state.add(picks[-1]), states))
            progress(done + 1, rounds)
    return np.bincount(picks[: int(np.argmax(right)) + 1], minlength=members)


class _GreedyState:
    """The running sum of the members taken so far, for the videos of a block that choose."""

    def __init__(self, block: MemberScores, chosen: NDArray[np.bool_], k: int) -> None:
        self.k, self.chosen = k, chosen
        kept = chosen[block.video]
        everything = bool(kept.all())  # then nothing is copied
        self.values = block.values if everything else block.values[kept]
        self.video = block.video if everything else block.video[kept]
        self.low, self.high = (block.low, block.high) if everything else (block.low[kept], block.high[kept])
        self.above = block.above
        self.total = np.zeros(len(self.video), np.float32)

    def add(self, member: int) -> None:
        self.total += self.values[:, member]

    def hits(self) -> NDArray[np.int64]:
        """Videos that are right after adding each member, int64 [M]."""
        sure = self.total + self.low > 0
        base = self.above + np.bincount(self.video[sure], minlength=len(self.above))
        alive = self.chosen & (base < self.k)
        active = ~sure & (self.total + self.high > 0) & alive[self.video]
        places = np.flatnonzero(active)
        hits = np.full(self.values.shape[1], int(alive.sum()), np.int64)
        if not places.size:
            return hits
        if len(places) > MOSTLY * len(active):
            places = np.arange(len(active))
            lifted = (self.values > -self.total[:, None]) & active[:, None]
        else:
            lifted = np.take(self.values, places, axis=0) > -self.total[places, None]  # [a, M]
        videos = self.video[places]
        starts = np.flatnonzero(np.diff(videos, prepend=-1))
        if self.k == 1:
            wrong = np.bitwise_or.reduceat(lifted.view(np.uint8), starts, axis=0) > 0
        else:
            counts = np.add.reduceat(lifted.view(np.uint8), starts, axis=0, dtype=np.int32)
            wrong = counts + base[videos[starts]][:, None] >= self.k
        hits -= wrong[alive[videos[starts]]].sum(axis=0)
        return hits
