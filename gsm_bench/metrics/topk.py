"""Top-k and mean class accuracy, as counts, so that intervals and sums stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench import kernels
from gsm_bench.actions import NO_COLUMN

KS = (1, 5)
BEYOND = int(np.iinfo(np.int32).max)
"""The rank of a class that the scores have no column for."""


@dataclass(frozen=True)
class Accuracy:
    """Hits among the clips that have a score and a label.

    Attributes:
        hits: clips whose label is among the k best, per k.
        scored: clips with a score and a label.
        total: clips with a label; those without a score are `total - scored`.
        class_hits: int64 [C] top-1 hits per class.
        class_counts: int64 [C] scored clips per class; classes without a column are in none of them.
        correct: int8 [N] per clip: 1 the best class is right, 0 it is wrong, -1 no score or no label.
        ranks: int32 [N] place of each clip's label from 0, `BEYOND` without a column; -1 no score or no label.
    """

    hits: dict[int, int]
    scored: int
    total: int
    class_hits: NDArray[np.int64]
    class_counts: NDArray[np.int64]
    correct: NDArray[np.int8]
    ranks: NDArray[np.int32]

    def correct_at(self, k: int) -> NDArray[np.int8]:
        """As `correct`, for the k best classes."""
        return np.where(self.ranks < 0, -1, self.ranks < k).astype(np.int8)

    @property
    def missing(self) -> int:
        return self.total - self.scored

    def top(self, k: int) -> float:
        """Fraction of the scored clips whose label is among the k best; NaN if none was scored."""
        return self.hits[k] / self.scored if self.scored else float("nan")

    def bounds(self, k: int) -> tuple[float, float]:
        """Top-k over all clips if every missing one were wrong, and if every missing one were right."""
        if not self.total:
            return float("nan"), float("nan")
        return self.hits[k] / self.total, (self.hits[k] + self.missing) / self.total

    @property
    def mean_class(self) -> float:
        """Mean over the classes that occur of their top-1 accuracy; NaN if none occurs."""
        occurs = self.class_counts > 0
        return float((self.class_hits[occurs] / self.class_counts[occurs]).mean()) if occurs.any() else float("nan")


def accuracy_of_ranks(
    ranks: NDArray[np.int32], labels: NDArray[np.integer[Any]], scored: NDArray[np.bool_], classes: int,
    ks: Sequence[int] = KS,
) -> Accuracy:  # fmt: skip
    """Count hits.

    Args:
        ranks: int32 [N] place of each clip's label among its scores, from 0; of others than scored clips with a label
            of a column it does not matter.
        labels: [N]; -1 is unknown and not counted; NO_COLUMN is a class that the scores have no column for, and counts
            as wrong.
        scored: which clips hold a score.
        classes: C.
        ks: which k hits are counted for.
    """
    if not scored.all() or labels.min(initial=0) < 0:
        ranks = np.where(scored & (labels >= 0), ranks, np.int32(-1))
        ranks[scored & (labels == NO_COLUMN)] = BEYOND
    right, placed = ranks == 0, (ranks >= 0) & (ranks < BEYOND)
    return Accuracy(
        hits={k: int(np.count_nonzero(placed & (ranks < k))) for k in ks},
        scored=int(np.count_nonzero(ranks >= 0)),
        total=int(np.count_nonzero(labels != -1)),
        class_hits=np.bincount(labels[right], minlength=classes),
        class_counts=np.bincount(labels if placed.all() else labels[placed], minlength=classes),
        correct=np.where(ranks < 0, np.int8(-1), right.view(np.int8)),
        ranks=ranks,
    )


def topk_accuracy(scores: NDArray[Any], labels: NDArray[np.integer[Any]], ks: Sequence[int] = KS) -> tuple[float, ...]:
    """Top-k accuracies as fractions, one per k.

    Args:
        scores: [N, C] of any kind that ranks classes; finite.
        labels: integers [N], 0..C-1.
        ks: the values of k.

    Returns:
        For each k, the fraction of clips whose label is among the k highest scores; equal scores rank by the lower
        class index. NaN for no clips.

    Raises:
        ValueError: shapes that do not fit, a label out of range, a score that is not finite.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(f"scores are [N, C] and labels [N], not {scores.shape} and {labels.shape}")
    if not len(labels):
        return tuple(float("nan") for _ in ks)
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels are 0..{scores.shape[1] - 1}, not {labels.min()}..{labels.max()}")
    if not np.isfinite(scores).all():
        raise ValueError("scores that are not finite cannot be ranked")
    ranks = label_ranks(scores, labels)
    return tuple(float((ranks < k).mean()) for k in ks)


def label_ranks(scores: NDArray[Any], labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Place of each label [N] among its row's scores [N, C], from 0; equal scores rank by the lower class index."""
    ranks = np.empty(len(labels), np.int32)
    kernels.label_ranks(np.ascontiguousarray(scores, np.float64), np.ascontiguousarray(labels, np.int32), ranks)
    return ranks.astype(np.int64)
