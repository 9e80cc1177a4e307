"""Top-k and mean class accuracy, as counts, so that intervals and sums over blocks stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


class AccuracyCounter:
    """Adds up an `Accuracy` over blocks of clips."""

    def __init__(self, classes: int, ks: Sequence[int] = KS) -> None:
        self.hits = dict.fromkeys(ks, 0)
        self.total = 0
        self._without_column = 0
        self.class_hits = np.zeros(classes, np.int64)
        self.class_counts = np.zeros(classes, np.int64)
        self._ranks: list[NDArray[np.int32]] = []

    def add(self, scores: NDArray[Any], labels: NDArray[np.integer[Any]], scored: NDArray[np.bool_]) -> None:
        """Count a block: scores [n, C], labels [n], and which rows hold a score.

        A label of -1 is unknown and not counted; NO_COLUMN is a class that the scores have no column for, and counts
        as wrong.
        """
        known = labels != -1
        self.total += int(known.sum())
        self._without_column += int(((labels == NO_COLUMN) & scored).sum())
        rows = np.flatnonzero((labels >= 0) & scored)
        wanted = labels[rows]
        ranks = label_ranks(scores if len(rows) == len(labels) else scores[rows], wanted)
        for k in self.hits:
            self.hits[k] += int((ranks < k).sum())
        self.class_counts += np.bincount(wanted, minlength=len(self.class_counts))
        self.class_hits += np.bincount(wanted[ranks == 0], minlength=len(self.class_hits))
        placed = np.full(len(labels), -1, np.int32)
        placed[(labels == NO_COLUMN) & scored] = BEYOND
        placed[rows] = ranks
        self._ranks.append(placed)

    def add_ranked(self, ranks: NDArray[np.int64], labels: NDArray[np.integer[Any]]) -> None:
        """Count a block whose rows all have a score and a label with a column: the labels' ranks [n]."""
        self.total += len(labels)
        for k in self.hits:
            self.hits[k] += int((ranks < k).sum())
        self.class_counts += np.bincount(labels, minlength=len(self.class_counts))
        self.class_hits += np.bincount(labels[ranks == 0], minlength=len(self.class_hits))
        self._ranks.append(ranks.astype(np.int32))

    def append(self, later: AccuracyCounter) -> None:
        """Add what was counted of the clips that come after these."""
        self.hits = {k: count + later.hits[k] for k, count in self.hits.items()}
        self.total += later.total
        self._without_column += later._without_column
        self.class_hits += later.class_hits
        self.class_counts += later.class_counts
        self._ranks += later._ranks

    def result(self) -> Accuracy:
        ranks = np.concatenate(self._ranks) if self._ranks else np.zeros(0, np.int32)
        correct = np.where(ranks < 0, -1, ranks == 0).astype(np.int8)
        scored = int(self.class_counts.sum()) + self._without_column
        return Accuracy(self.hits, scored, self.total, self.class_hits, self.class_counts, correct, ranks)


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
    own = np.take_along_axis(scores, labels[:, None].astype(np.int64), axis=1)  # [N, 1]
    ranks = row_counts(scores > own)
    at_least = row_counts(scores >= own)
    for row in np.flatnonzero(at_least > ranks + 1):  # rows with a tie, few in real scores
        ranks[row] += np.count_nonzero(scores[row, : labels[row]] == own[row])
    return ranks


def row_counts(found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of each row [n, C] are true: bytes added up as bytes, in pieces that cannot overflow them."""
    counts = np.zeros(len(found), np.int64)
    for start in range(0, found.shape[1], 255):
        counts += np.einsum("ij->i", found[:, start : start + 255].view(np.uint8))
    return counts
