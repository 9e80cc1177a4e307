"""Greedy selection with replacement for large pools (Caruana et al., Ensemble Selection from Libraries of Models, 2004).

Round by round the member is added, possibly again, whose addition makes most clips right; how often each was taken is
its weight. A clip's classes that no single addition can lift over its label, or bring below it, need no look in that
round, and after a few rounds those are nearly all.
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
from gsm_bench.entries import Space
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.selection.subsets import READ_ELEMENTS, Progress, differences

ROUNDS = 100
MOSTLY = 0.5
"""With more than this share of classes in question all are compared where they lie; with less they are gathered."""


@dataclass(frozen=True)
class MemberScores:
    """Differences to the label's score for some clips, for the E pairs of clip and class that may lie above it.

    Attributes:
        values: float32 [E, M], scaled per pair to at most 1.
        clip: int64 [E], ascending, the clip of each pair in this piece.
        above: int64 [n], classes that lie above the label whatever is chosen.
        rows: int64 [n], the clips' rows.
        low, high: float32 [E], smallest and largest difference of a pair.
    """

    values: NDArray[np.float32]
    clip: NDArray[np.int64]
    above: NDArray[np.int64]
    rows: NDArray[np.int64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    def ranks(self, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Places [n] of the labels under weights [M], from 0."""
        lifted = self.clip[self.values @ weights.astype(np.float32) > 0]
        ranks: NDArray[np.int64] = self.above + np.bincount(lifted, minlength=len(self.above))
        return ranks


def member_scores(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer]
) -> list[MemberScores]:
    """Open members over the clips that all have scored and that have a label, as differences."""
    scored = np.logical_and.reduce([member.status != NOT_SCORED for member in members]) & (labels >= 0)
    size = max(16, READ_ELEMENTS // (len(members) * members[0].head.classes_per_task[task]))
    reading = threading.Lock()

    def piece_from(start: int) -> MemberScores | None:
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
        clip = np.nonzero(candidates)[0]
        return MemberScores(values, clip, above, start + kept, values.min(axis=1), values.max(axis=1))

    with ThreadPoolExecutor(min(usable_cpus(), 8), "pieces") as pool:
        found = pool.map(piece_from, range(0, len(labels), size))
        return [piece for piece in found if piece is not None]


def select(
    pieces: Sequence[MemberScores], chosen: NDArray[np.bool_], members: int, *, rounds: int = ROUNDS, k: int = 1,
    progress: Progress = lambda done, total: None,
) -> NDArray[np.int64]:  # fmt: skip
    """How often each member was taken, int64 [M], in the shortest run of rounds that has most clips right.

    Args:
        chosen: bool [N], the clips that choose.
        k: a clip is right with its label among the k best.
    """
    states = [_GreedyState(piece, chosen[piece.rows], k) for piece in pieces if chosen[piece.rows].any()]
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
    """A piece in the making: the running sum of what was taken, over the clips that choose."""

    def __init__(self, piece: MemberScores, chosen: NDArray[np.bool_], k: int) -> None:
        self.k, self.chosen = k, chosen
        kept = chosen[piece.clip]
        whole = bool(kept.all())
        self.values = piece.values if whole else piece.values[kept]
        self.clip = piece.clip if whole else piece.clip[kept]
        self.low, self.high = (piece.low, piece.high) if whole else (piece.low[kept], piece.high[kept])
        self.above = piece.above
        self.total = np.zeros(len(self.clip), np.float32)

    def add(self, member: int) -> None:
        self.total += self.values[:, member]

    def hits(self) -> NDArray[np.int64]:
        """Right clips int64 [M] after adding each member."""
        sure = self.total + self.low > 0
        base = self.above + np.bincount(self.clip[sure], minlength=len(self.above))
        alive = self.chosen & (base < self.k)
        active = ~sure & (self.total + self.high > 0) & alive[self.clip]
        places = np.flatnonzero(active)
        found = np.full(self.values.shape[1], int(alive.sum()), np.int64)
        if not places.size:
            return found
        if len(places) > MOSTLY * len(active):
            places = np.arange(len(active))
            lifted = (self.values > -self.total[:, None]) & active[:, None]
        else:
            lifted = np.take(self.values, places, axis=0) > -self.total[places, None]  # [a, M]
        clips = self.clip[places]
        starts = np.flatnonzero(np.diff(clips, prepend=-1))
        if self.k == 1:
            wrong = np.bitwise_or.reduceat(lifted.view(np.uint8), starts, axis=0) > 0
        else:
            counts = np.add.reduceat(lifted.view(np.uint8), starts, axis=0, dtype=np.int32)
            wrong = counts + base[clips[starts]][:, None] >= self.k
        found -= wrong[alive[clips[starts]]].sum(axis=0)
        return found
