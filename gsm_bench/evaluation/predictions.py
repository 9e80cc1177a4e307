"""Predictions video by video: the best class, and the rank of the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.actions import NO_COLUMN
from gsm_bench.ensembles.fuse import fuse_blocks
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.metrics.topk import BEYOND, label_ranks
from gsm_bench.settings import Space


@dataclass(frozen=True)
class Predictions:
    """Predictions for N videos, in row order of the first member.

    Attributes:
        best: int64 [N], the class with the highest score, the lower index of two equals; -1 not scored.
        ranks: int64 [N], rank of the label from 0; `BEYOND` for a class without a column; -1 without a score or a label.
    """

    best: NDArray[np.int64]
    ranks: NDArray[np.int64]

    def correct(self, k: int = 1) -> NDArray[np.int8]:
        """int8 [N]: 1 the label is among the k best, 0 it is not, -1 no score or no label."""
        return np.where(self.ranks < 0, -1, self.ranks < k).astype(np.int8)


def predict(members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer]) -> Predictions:
    """The predictions of fused members, with the ranks of labels int [N] (-1 unknown)."""
    total = len(members[0].head)
    best, ranks = np.full(total, -1, np.int64), np.full(total, -1, np.int64)
    for block in fuse_blocks(members, task, space):
        scored = np.flatnonzero(block.scored)
        best[block.start + scored] = block.scores[scored].argmax(axis=1)
        ranks[block.start + scored[labels[block.start + scored] == NO_COLUMN]] = BEYOND
        known = scored[labels[block.start + scored] >= 0]
        ranks[block.start + known] = label_ranks(block.scores[known], labels[block.start + known])
    return Predictions(best, ranks)
