"""Every subset of a pool of choices, exactly: how many clips each has right, equal to what fusing it would count.

A subset is right when no class lies above the label in the sum of its members' scores, so for each clip only the
differences to the label's score are summed, and only over the classes that some choice puts above it. Subsets are
walked as a tree, each one addition away from its prefix; sums are float32, in blocks that stay in cache. What falls
within their rounding, ties among them, is decided by the very arithmetic of `gsm_bench.ensembles.fuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.ensembles.fuse import member_mean, refuse_broken_rows, weighted_mean
from gsm_bench.ensembles.members import MemberSpec, OpenMember, open_members
from gsm_bench.entries import Space
from gsm_bench.metrics.topk import KS, label_ranks
from gsm_bench.scorefile import NOT_SCORED

READ_ELEMENTS = 2_000_000
"""Scores read at once by a process, over all choices: 16 MB as float64."""
CACHED_ELEMENTS = 48_000
"""Elements of a running sum: with the block that is added and the comparisons it stays in a core's own cache."""
ROUNDING = 2.0**-23
MOST_PROCESSES = 8
WORTH_PROCESSES = 2_000_000_000
"""Scores times subsets from which on processes are quicker than their start takes."""
DUST = 1e-12
"""Differences below this share of the scores may be rounding already; they are left to exact arithmetic."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Node:
    """A subset in the walk: its prefix has `depth` choices, and `choice` comes on top."""

    depth: int
    choice: int


@dataclass(frozen=True)
class SubsetHits:
    """What every subset has right.

    Attributes:
        subsets: bool [S, M], which choices a subset holds, in the order of the walk.
        hits: int64 [F, S] per k, clips of each fold whose label is among the k best.
        clips: int64 [F], clips of each fold that all choices have scored and that have a label.
        rows: int64, those clips' rows.
    """

    subsets: NDArray[np.bool_]
    hits: dict[int, NDArray[np.int64]]
    clips: NDArray[np.int64]
    rows: NDArray[np.int64]

    def accuracy(self, k: int = 1) -> NDArray[np.float64]:
        """Top-k [S] over all folds, as fractions."""
        shares: NDArray[np.float64] = self.hits[k].sum(axis=0) / max(1, int(self.clips.sum()))
        return shares


def walk(models: Sequence[object]) -> tuple[list[Node], NDArray[np.bool_]]:
    """All subsets with at most one choice of each model, prefixes first; the nodes and the subsets bool [S, M]."""
    nodes: list[Node] = []
    subsets: list[list[int]] = []

    def grow(prefix: list[int]) -> None:
        taken = {models[choice] for choice in prefix}
        for choice in range(prefix[-1] + 1 if prefix else 0, len(models)):
            if models[choice] not in taken:
                nodes.append(Node(len(prefix), choice))
                subsets.append([*prefix, choice])
                grow(subsets[-1])

    grow([])
    held = np.zeros((len(subsets), len(models)), bool)
    for row, subset in enumerate(subsets):
        held[row, subset] = True
    return nodes, held


def count_subsets(
    members: Sequence[OpenMember],
    task: str,
    space: Space,
    labels: NDArray[np.integer],
    folds: NDArray[np.int64],
    *,
    progress: Progress = lambda done, total: None,
) -> SubsetHits:
    """Hits of every subset of open members at equal weights, over the clips that all of them have scored.

    Args:
        labels: int [N], -1 unknown, other negative ones of a class that the scores have no column for.
        folds: int64 [N], the fold that each clip is counted in.
        progress: called with rows done and rows in all.
    """
    counter = _SubsetCounter(members, task, space, labels, folds)
    hits = {k: np.zeros((int(folds.max()) + 1, len(counter.nodes)), np.int64) for k in KS}
    with _counting(counter) as counted:
        for done, found in enumerate(counted, start=1):
            for k in KS:
                hits[k] += found[k]
            progress(min(done * counter.size, len(labels)), len(labels))
    clips = np.bincount(folds[counter.scored], minlength=len(hits[KS[0]]))
    return SubsetHits(counter.subsets, hits, clips, np.flatnonzero(counter.scored))


class _SubsetCounter:
    """Counts blocks of rows of open members, one at a time."""

    def __init__(
        self,
        members: Sequence[OpenMember],
        task: str,
        space: Space,
        labels: NDArray[np.integer],
        folds: NDArray[np.int64],
    ) -> None:
        self.members, self.task, self.space, self.labels, self.folds = members, task, space, labels, folds
        self.nodes, self.subsets = walk([str(member.spec.path) for member in members])
        scored = np.logical_and.reduce([member.status != NOT_SCORED for member in members])
        self.scored: NDArray[np.bool_] = scored & (labels != -1)
        classes = members[0].head.classes_per_task[task]
        self.size = max(16, READ_ELEMENTS // (len(members) * classes))
        self.blocks = [(start, min(start + self.size, len(labels))) for start in range(0, len(labels), self.size)]
        self.work = len(self.nodes) * len(labels) * classes

    def count(self, block_rows: tuple[int, int]) -> dict[int, NDArray[np.int64]]:
        """Hits int64 [F, S] per k of a block of rows, from one row up to another."""
        rows = slice(*block_rows)
        kept = self.scored[rows] & (self.labels[rows] >= 0)  # a class without a column is right in no subset
        means = [member_mean(member, self.task, self.space, rows) for member in self.members]
        for member, mean in zip(self.members, means, strict=True):
            refuse_broken_rows(member, mean, kept, rows)
        block = _Block(np.stack(means)[:, kept], self.labels[rows][kept], self.folds[rows][kept], self.subsets)
        return block.count(self.nodes, int(self.folds.max()) + 1)


@contextmanager
def _counting(counter: _SubsetCounter) -> Iterator[Iterator[dict[int, NDArray[np.int64]]]]:
    """Hits of all blocks: of much work by one process per core. Threads would wait for each other's interpreter."""
    processes = min(usable_cpus(), len(counter.blocks), MOST_PROCESSES)
    if processes < 2 or counter.work < WORTH_PROCESSES:
        yield map(counter.count, counter.blocks)
        return
    asked = ([member.spec for member in counter.members], counter.task, counter.space, counter.labels, counter.folds)
    with ProcessPoolExecutor(processes, get_context("spawn"), _enter_process, asked) as pool:
        yield pool.map(_count_in_process, counter.blocks)


_files = ExitStack()
_counters: list[_SubsetCounter] = []
"""In a process of the pool, its own counter over files that it opened itself."""


def _enter_process(
    specs: Sequence[MemberSpec], task: str, space: Space, labels: NDArray[np.integer], folds: NDArray[np.int64]
) -> None:
    members = _files.enter_context(open_members(specs))
    _counters.append(_SubsetCounter(members, task, space, labels, folds))


def _count_in_process(block_rows: tuple[int, int]) -> dict[int, NDArray[np.int64]]:
    return _counters[0].count(block_rows)


class _Block:
    """A block of n clips: scores float64 [M, n, C] of all choices, labels [n], folds [n]."""

    def __init__(
        self,
        scores: NDArray[np.float64],
        labels: NDArray[np.integer],
        folds: NDArray[np.int64],
        subsets: NDArray[np.bool_],
    ) -> None:
        self.scores, self.labels, self.folds, self.subsets = scores, labels, folds, subsets

    def count(self, nodes: Sequence[Node], folds: int) -> dict[int, NDArray[np.int64]]:
        """Hits int64 [F, S] per k."""
        hits = {k: np.zeros((folds, len(nodes)), np.int64) for k in KS}
        if not len(self.labels):
            return hits
        above, candidates, scaled, certain = differences(self.scores, self.labels)
        counts = candidates.sum(axis=1)
        settled = certain & ((counts == 0) | (above >= max(KS)))
        for k in KS:
            hits[k] += np.bincount(self.folds[settled & (above < k)], minlength=folds)[:, None]
        for rows in _chunks(np.flatnonzero(certain & ~settled), counts):
            self._add(hits, rows, self._walked(nodes, rows, above, candidates, scaled))
        for row in np.flatnonzero(~certain):
            rows = np.array([row])
            ranks = np.array([self._exact_ranks(subset, rows) for subset in range(len(nodes))])
            self._add(hits, rows, {k: ranks < k for k in KS})
        return hits

    def _walked(
        self,
        nodes: Sequence[Node],
        rows: NDArray[np.int64],
        above: NDArray[np.int64],
        candidates: NDArray[np.bool_],
        scaled: NDArray[np.float32],
    ) -> dict[int, NDArray[np.bool_]]:
        """Whether each subset has each of R clips right: bool [S, R] per k."""
        blocks = _compacted(rows, candidates, scaled)  # [M, K, R]
        choices, shape = len(blocks), blocks.shape[1:]
        band = np.float32(choices * (choices + 1) * ROUNDING)
        sums = np.zeros((choices + 1, *shape), np.float32)
        flags = np.zeros((2, -(-blocks[0].size // 8) * 8), bool)  # padded, to be compared eight at a time
        surely, maybe = (flat[: blocks[0].size].reshape(shape) for flat in flags)
        words = flags.view(np.uint64)
        column_sums = _small_sums if shape[0] < 256 else _column_sums
        counts = np.empty((len(nodes), len(rows)), np.uint8 if shape[0] < 256 else np.uint16)
        doubtful: list[tuple[int, NDArray[np.int64]]] = []
        for at, node in enumerate(nodes):
            total = sums[node.depth + 1]
            np.add(sums[node.depth], blocks[node.choice], out=total)
            np.greater(total, band, out=surely)
            np.greater_equal(total, -band, out=maybe)
            column_sums(surely, counts[at])
            if (words[0] != words[1]).any():
                most = column_sums(maybe, np.empty(len(rows), counts.dtype)) + above[rows]
                least = counts[at] + above[rows]
                unclear = np.logical_or.reduce([(least < k) & (most >= k) for k in KS])
                if unclear.any():
                    doubtful.append((at, np.flatnonzero(unclear)))
        right = {k: counts < np.maximum(k - above[rows], 0).astype(counts.dtype) for k in KS}
        for at, places in doubtful:
            ranks = self._exact_ranks(at, rows[places])
            for k in KS:
                right[k][at, places] = ranks < k
        return right

    def _exact_ranks(self, subset: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ranks of the labels of some clips, computed as the fusion of this subset computes them."""
        held = np.flatnonzero(self.subsets[subset])
        fused = weighted_mean([self.scores[choice, rows] for choice in held], [1 / len(held)] * len(held))
        return label_ranks(fused, self.labels[rows])

    def _add(
        self, hits: dict[int, NDArray[np.int64]], rows: NDArray[np.int64], right: dict[int, NDArray[np.bool_]]
    ) -> None:
        order = np.argsort(self.folds[rows], kind="stable")
        folds, starts = np.unique(self.folds[rows][order], return_index=True)
        for k, values in right.items():
            columns = np.ascontiguousarray(values.view(np.uint8).T)[order]  # [R, S]
            hits[k][folds] += np.add.reduceat(columns, starts, axis=0, dtype=np.uint16)


def differences(
    scores: NDArray[np.float64], labels: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float32], NDArray[np.bool_]]:
    """What the differences of scores [M, n, C] to those of the labels [n] say at once.

    Returns:
        Per clip [n] how many classes lie above the label in every subset; [n, C] the classes that lie above it
        in some subsets only; float32 [M, n, C] differences, scaled per class and clip to at most 1, which changes
        no sign and lets one bound on rounding serve every kind of score; and [n] whether all this is known.
    """
    own = np.take_along_axis(scores, labels[None, :, None].astype(np.int64), axis=2)  # [M, n, 1]
    with np.errstate(invalid="ignore"):
        gaps = scores - own
    certain = np.asarray(np.isfinite(gaps).all(axis=(0, 2)))
    gaps[:, ~certain] = 0
    highest, lowest = gaps.max(axis=0), gaps.min(axis=0)
    scale = np.maximum(highest, -lowest)
    magnitude = np.abs(np.where(certain[:, None], scores, 0)).max(axis=(0, 2))
    dust = (scale > 0) & (scale < DUST * magnitude[:, None])
    tied = scale == 0
    before = np.arange(scores.shape[2]) < labels[:, None]
    above: NDArray[np.int64] = ((lowest > 0) & ~dust | tied & before).sum(axis=1)
    candidates: NDArray[np.bool_] = ~tied & (highest >= 0) & (lowest <= 0) | dust
    gaps[:, dust] = 0
    scale[tied | dust] = 1
    gaps /= scale
    return above, candidates, gaps.astype(np.float32), certain


def _chunks(rows: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows in pieces of like numbers of candidates, each as large as stays in cache."""
    rows = rows[np.argsort(counts[rows], kind="stable")]
    start = 0
    while start < len(rows):
        stop = start + 1
        while stop < len(rows) and counts[rows[stop]] * (stop + 1 - start) <= CACHED_ELEMENTS:
            stop += 1
        yield rows[start:stop]
        start = stop


def _compacted(
    rows: NDArray[np.int64], candidates: NDArray[np.bool_], scaled: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Differences float32 [M, K, R] of R clips over their own candidates alone; -1 pads those that have fewer."""
    chosen = candidates[rows]
    counts = chosen.sum(axis=1)
    places = np.argsort(~chosen, axis=1, kind="stable")[:, : counts.max()]  # [R, K]
    values = np.take_along_axis(scaled[:, rows], places[None], axis=2)  # [M, R, K]
    values[:, np.arange(places.shape[1]) >= counts[:, None]] = -1
    return np.ascontiguousarray(values.transpose(0, 2, 1))


def _small_sums(flags: NDArray[np.bool_], out: NDArray[Any]) -> NDArray[Any]:
    """As `_column_sums`, of fewer than 256 flags a column into bytes."""
    np.add.reduce(flags.view(np.uint8), axis=0, dtype=np.uint8, out=out)
    return out


def _column_sums(flags: NDArray[np.bool_], out: NDArray[Any]) -> NDArray[Any]:
    """How many of K flags [K, R] are set, per column; bytes are added 255 rows at a time, which cannot overflow."""
    out[...] = 0
    numbers = flags.view(np.uint8)
    for start in range(0, len(numbers), 255):
        out += np.add.reduce(numbers[start : start + 255], axis=0, dtype=np.uint8)
    return out
