"""The best classes of every video with their probabilities, and the rank of its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.actions import NO_COLUMN
from gsm_bench.ensembles.fuse import FusedBlock, fuse_blocks
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.metrics.topk import BEYOND, label_ranks
from gsm_bench.settings import Space


@dataclass(frozen=True)
class TopClasses:
    """What fused members predict for N videos, in the rows of the first member.

    Attributes:
        classes: int32 [N, k], best first, the lower index of two equals; -1 not scored.
        probabilities: float32 [N, k]; NaN not scored.
        ranks: int32 [N], rank of the label from 0, `BEYOND` for a class without a column; -1 without score or label.
    """

    classes: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    ranks: NDArray[np.int32]


def top_classes(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], k: int = 5
) -> TopClasses:
    """The k best classes of fused members, and the ranks of labels int [N] (-1 unknown).

    Logits become probabilities by softmax, and log-probabilities, whose mean sums to less than 1, likewise; a mean of
    probabilities is one.
    """
    total, k = len(members[0].head), min(k, members[0].head.classes_per_task[task])
    result = TopClasses(
        np.full((total, k), -1, np.int32), np.full((total, k), np.nan, np.float32), np.full(total, -1, np.int32)
    )

    def rank(block: FusedBlock) -> None:
        rows = block.start + np.flatnonzero(block.scored)
        scores = block.scores if block.scored.all() else block.scores[block.scored]
        known = labels[rows] >= 0
        result.ranks[rows[labels[rows] == NO_COLUMN]] = BEYOND
        result.ranks[rows[known]] = label_ranks(scores if known.all() else scores[known], labels[rows[known]])
        result.classes[rows], result.probabilities[rows] = _best(scores, space, k)

    for _ in fuse_blocks(members, task, space, rank):
        pass
    return result


def _best(scores: NDArray[np.float64], space: Space, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Columns [n, k] of the highest scores [n, C], best first, and their probabilities; scores are written over."""
    rows, columns, values = np.arange(len(scores)), np.empty((len(scores), k), np.int64), np.empty((len(scores), k))
    total = None
    for place in range(k):
        columns[:, place] = scores.argmax(axis=1)
        values[:, place] = scores[rows, columns[:, place]]
        if place == 0 and space != "probabilities":
            total = _sum_of_exponentials(scores, values[:, :1])
        scores[rows, columns[:, place]] = -np.inf
    return columns, values if total is None else np.exp(values - values[:, :1]) / total


def _sum_of_exponentials(scores: NDArray[np.float64], highest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum float64 [n, 1] over exponentials of scores [n, C], each row's highest [n, 1] taken off, each in float32."""
    lowered = np.empty(scores.shape, np.float32)
    np.subtract(scores, highest, out=lowered, casting="same_kind")
    total: NDArray[np.float64] = np.exp(lowered, out=lowered).sum(axis=1, keepdims=True, dtype=np.float64)
    return total
