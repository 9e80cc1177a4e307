"""How many videos every subset of a pool has right, equal to the count after fusing it.

The score files are read block by block, by one process per core where that is quicker; `gsm_bench.selection.subset_block`
counts a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.ensembles.fuse import member_mean, refuse_broken_rows
from gsm_bench.ensembles.members import MemberSpec, OpenMember, open_members
from gsm_bench.metrics.topk import KS
from gsm_bench.processes import process_pool
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.selection.subset_block import Node, SubsetBlock
from gsm_bench.settings import Space

READ_ELEMENTS = 2_000_000
"""Scores that a process reads at once, over all choices: 16 MB as float64."""
MOST_PROCESSES = 8
WORTH_PROCESSES = 2_000_000_000
"""From so many scores times subsets on, processes save more time than their start takes."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SubsetHits:
    """What every subset has right.

    Attributes:
        subsets: bool [S, M], which choices a subset holds, in the order of the walk.
        hits: int64 [F, S] per k, videos of each fold whose label is among the k best.
        videos: int64 [F], videos of each fold that all choices have scored and that have a label.
        rows: int64, those videos' rows.
    """

    subsets: NDArray[np.bool_]
    hits: dict[int, NDArray[np.int64]]
    videos: NDArray[np.int64]
    rows: NDArray[np.int64]

    def accuracy(self, k: int = 1) -> NDArray[np.float64]:
        """Top-k [S] over all folds, as fractions."""
        shares: NDArray[np.float64] = self.hits[k].sum(axis=0) / max(1, int(self.videos.sum()))
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
    """Hits of every subset of open members at equal weights, over the videos that all of them have scored.

    Args:
        labels: int [N]; -1 unknown, other negative values for a class that the scores have no column for.
        folds: int64 [N], the fold of each video.
        progress: called with rows done and rows in all.
    """
    counter = _SubsetCounter(members, task, space, labels, folds)
    hits = {k: np.zeros((int(folds.max()) + 1, len(counter.nodes)), np.int64) for k in KS}
    with _counting(counter) as counted:
        for done, block_hits in enumerate(counted, start=1):
            for k in KS:
                hits[k] += block_hits[k]
            progress(min(done * counter.size, len(labels)), len(labels))
    videos = np.bincount(folds[counter.scored], minlength=len(hits[KS[0]]))
    return SubsetHits(counter.subsets, hits, videos, np.flatnonzero(counter.scored))


class _SubsetCounter:
    """Counts the hits of open members, one block of rows at a time."""

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
        """Hits int64 [F, S] per k of the rows from `block_rows[0]` up to `block_rows[1]`."""
        rows = slice(*block_rows)
        kept = self.scored[rows] & (self.labels[rows] >= 0)  # a class without a column is wrong in every subset
        means = [member_mean(member, self.task, self.space, rows) for member in self.members]
        for member, mean in zip(self.members, means, strict=True):
            refuse_broken_rows(member, mean, kept, rows)
        block = SubsetBlock(np.stack(means)[:, kept], self.labels[rows][kept], self.folds[rows][kept], self.subsets)
        return block.count(self.nodes, int(self.folds.max()) + 1)


@contextmanager
def _counting(counter: _SubsetCounter) -> Iterator[Iterator[dict[int, NDArray[np.int64]]]]:
    """Hits of all blocks, by one process per core where there is much to count; threads would wait for the interpreter."""
    processes = min(usable_cpus(), len(counter.blocks), MOST_PROCESSES)
    if processes < 2 or counter.work < WORTH_PROCESSES:
        yield map(counter.count, counter.blocks)
        return
    arguments = (
        [member.spec for member in counter.members],
        counter.task,
        counter.space,
        counter.labels,
        counter.folds,
    )
    with process_pool(processes, _enter_process, arguments) as pool:
        yield pool.map(_count_in_process, counter.blocks)


_files = ExitStack()
_counters: list[_SubsetCounter] = []
"""The counter of a process of the pool, over files that the process opened itself."""


def _enter_process(
    specs: Sequence[MemberSpec], task: str, space: Space, labels: NDArray[np.integer], folds: NDArray[np.int64]
) -> None:
    members = _files.enter_context(open_members(specs))
    _counters.append(_SubsetCounter(members, task, space, labels, folds))


def _count_in_process(block_rows: tuple[int, int]) -> dict[int, NDArray[np.int64]]:
    return _counters[0].count(block_rows)
