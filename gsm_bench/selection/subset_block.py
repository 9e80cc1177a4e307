"""Hits of every subset for one block of videos.

A video is right if no class lies above its label in the sum of the members' scores. So only the differences to the
label's score are summed, and only for the classes that some choice puts above it. Subsets are walked as a tree, in which
each adds one choice to its prefix. Sums are float32, in pieces that stay in cache. Ties and whatever lies within
rounding are decided by the arithmetic of `gsm_bench.ensembles.fuse`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import weighted_mean
from gsm_bench.metrics.topk import KS, label_ranks

CACHED_ELEMENTS = 48_000
"""Elements of a running sum: with the addend and the comparisons it stays in a core's own cache."""
ROUNDING = 2.0**-23
DUST = 1e-12
"""Differences below this share of the scores may be rounding errors; exact arithmetic decides about them."""


@dataclass(frozen=True)
class Node:
    """A subset in the walk: `choice` is added to a prefix of `depth` choices."""

    depth: int
    choice: int


class SubsetBlock:
    """A block of n videos: scores float64 [M, n, C] of all choices, labels [n], folds [n], subsets bool [S, M]."""

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
        decided = certain & ((counts == 0) | (above >= max(KS)))
        for k in KS:
            hits[k] += np.bincount(self.folds[decided & (above < k)], minlength=folds)[:, None]
        for rows in _cached_rows(np.flatnonzero(certain & ~decided), counts):
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
        """Whether each subset has each of R videos right: bool [S, R] per k."""
        blocks = _compacted(rows, candidates, scaled)  # [M, K, R]
        choices, shape = len(blocks), blocks.shape[1:]
        band = np.float32(choices * (choices + 1) * ROUNDING)
        sums = np.zeros((choices + 1, *shape), np.float32)
        flags = np.zeros((2, -(-blocks[0].size // 8) * 8), bool)  # padded, so that eight are compared at once
        surely, maybe = (flat[: blocks[0].size].reshape(shape) for flat in flags)
        words = flags.view(np.uint64)
        column_sums = _small_sums if shape[0] < 256 else _column_sums
        counts = np.empty((len(nodes), len(rows)), np.uint8 if shape[0] < 256 else np.uint16)
        unclear_rows: list[tuple[int, NDArray[np.int64]]] = []
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
                    unclear_rows.append((at, np.flatnonzero(unclear)))
        right = {k: counts < np.maximum(k - above[rows], 0).astype(counts.dtype) for k in KS}
        for at, places in unclear_rows:
            ranks = self._exact_ranks(at, rows[places])
            for k in KS:
                right[k][at, places] = ranks < k
        return right

    def _exact_ranks(self, subset: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ranks int64 [R] of the labels of some rows, computed as the fusion of this subset computes them."""
        members = np.flatnonzero(self.subsets[subset])
        fused = weighted_mean([self.scores[choice, rows] for choice in members], [1 / len(members)] * len(members))
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
    """Differences of scores [M, n, C] to those of the labels [n], and what follows from them for all subsets.

    Returns:
        int64 [n]: how many classes lie above the label in every subset.
        bool [n, C]: the classes that lie above it in some subsets only.
        float32 [M, n, C]: the differences, scaled per class and video to at most 1. That keeps their signs, and one
        bound on rounding then holds for every kind of score.
        bool [n]: whether the scores are finite, so that all this is valid.
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


def _cached_rows(rows: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows in pieces of similar numbers of candidates, each as large as the cache allows."""
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
    """Differences float32 [M, K, R] of R videos over their own candidates only, padded with -1."""
    chosen = candidates[rows]
    counts = chosen.sum(axis=1)
    places = np.argsort(~chosen, axis=1, kind="stable")[:, : counts.max()]  # [R, K]
    values = np.take_along_axis(scaled[:, rows], places[None], axis=2)  # [M, R, K]
    values[:, np.arange(places.shape[1]) >= counts[:, None]] = -1
    return np.ascontiguousarray(values.transpose(0, 2, 1))


def _small_sums(flags: NDArray[np.bool_], out: NDArray[Any]) -> NDArray[Any]:
    """As `_column_sums`, for fewer than 256 flags per column, into bytes."""
    np.add.reduce(flags.view(np.uint8), axis=0, dtype=np.uint8, out=out)
    return out


def _column_sums(flags: NDArray[np.bool_], out: NDArray[Any]) -> NDArray[Any]:
    """How many of K flags [K, R] are set per column; 255 rows are added at a time, so that bytes do not overflow."""
    out[...] = 0
    numbers = flags.view(np.uint8)
    for start in range(0, len(numbers), 255):
        out += np.add.reduce(numbers[start : start + 255], axis=0, dtype=np.uint8)
    return out
