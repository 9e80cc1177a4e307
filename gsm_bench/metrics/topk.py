"""Top-k and mean class accuracy, kept as counts so that sums and intervals are exact."""

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
"""The rank of a label that has no column in the scores."""


@dataclass(frozen=True)
class Accuracy:
    """Top-k and mean class accuracy of N videos, as counts.

    Attributes:
        hits: videos whose label is among the k highest scores, by k.
        scored: videos with scores and a label.
        total: videos with a label; `total - scored` of them have no scores.
        class_hits: int64 [C] top-1 hits per class.
        class_counts: int64 [C] scored videos per class; labels without a column are not counted.
        correct: int8 [N]: 1 if the highest score is right, 0 if it is wrong, -1 without scores or label.
        ranks: int32 [N] rank of the label from 0; `BEYOND` without a column; -1 without scores or label.
    """

    hits: dict[int, int]
    scored: int
    total: int
    class_hits: NDArray[np.int64]
    class_counts: NDArray[np.int64]
    correct: NDArray[np.int8]
    ranks: NDArray[np.int32]

    def correct_at(self, k: int) -> NDArray[np.int8]:
        """Int8 [N]: 1 if the label is among the k highest scores, 0 if it is not, -1 without scores or label."""
        return np.where(self.ranks < 0, -1, self.ranks < k).astype(np.int8)

    def hits_at(self, k: int) -> int:
        """Number of videos whose label is among the k highest scores, for any k."""
        return self.hits[k] if k in self.hits else int(np.count_nonzero(self.correct_at(k) == 1))

    @property
    def missing(self) -> int:
        """Number of videos with a label but without scores."""
        return self.total - self.scored

    def top(self, k: int) -> float:
        """Fraction of the scored videos whose label is among the k highest scores; NaN if none is scored."""
        return self.hits_at(k) / self.scored if self.scored else float("nan")

    def bounds(self, k: int) -> tuple[float, float]:
        """Lowest and highest top-k accuracy over all videos: every missing one wrong, and every missing one right."""
        if not self.total:
            return float("nan"), float("nan")
        return self.hits_at(k) / self.total, (self.hits_at(k) + self.missing) / self.total

    @property
    def mean_class(self) -> float:
        """Mean top-1 accuracy over the classes that occur; NaN if none occurs."""
        present = self.class_counts > 0
        return float((self.class_hits[present] / self.class_counts[present]).mean()) if present.any() else float("nan")


def accuracy_of_ranks(
    ranks: NDArray[np.int32], labels: NDArray[np.integer[Any]], scored: NDArray[np.bool_], classes: int,
    ks: Sequence[int] = KS,
) -> Accuracy:  # fmt: skip
    """Accuracy from the ranks of the labels.

    Args:
        ranks: int32 [N] rank of each label among the scores of its video, from 0; used only where there are both.
        labels: integers [N]; -1 is unknown and not counted; NO_COLUMN has no column in the scores and counts as wrong.
        scored: bool [N], videos with scores.
        classes: C.
        ks: values of k for `Accuracy.hits`.
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
        ks: values of k.

    Returns:
        For each k, the fraction of videos whose label is among the k highest scores; ties rank by the lower class
        index. NaN for N = 0.

    Raises:
        ValueError: shapes do not match, a label is out of range, or a score is not finite.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(f"scores must be [N, C] and labels [N], not {scores.shape} and {labels.shape}")
    if not len(labels):
        return tuple(float("nan") for _ in ks)
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels must be 0..{scores.shape[1] - 1}, not {labels.min()}..{labels.max()}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    ranks = label_ranks(scores, labels)
    return tuple(float((ranks < k).mean()) for k in ks)


def label_ranks(scores: NDArray[Any], labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Rank int64 [N] of each label among the scores [N, C] of its row, from 0; ties rank by the lower class index."""
    ranks = np.empty(len(labels), np.int32)
    kernels.label_ranks(np.ascontiguousarray(scores, np.float64), np.ascontiguousarray(labels, np.int32), ranks)
    return ranks.astype(np.int64)
