"""Whether labels number classes in another order than the columns of scores, and in which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]

FEWEST_VIDEOS_PER_CLASS = 2
"""With fewer labelled videos per class an assignment fits noise."""
CLEAR_GAIN = 0.05
"""A top-1 that is at least twice as high and this much higher is no accident."""


@dataclass(frozen=True)
class SolvedOrder:
    """An order of classes that the labels suggest.

    Attributes:
        columns: int64 [C]: class j of the labels is column ``columns[j]`` of the scores; solved from all videos.
        before: top-1 as the columns stand.
        after: top-1 with an order solved on one half of the videos and measured on the other, both ways.
        unknown: how many classes no video decides.
    """

    columns: NDArray[np.int64]
    before: float
    after: float
    unknown: int


def is_near_chance(top1: float, classes: int, videos: int) -> bool:
    """Whether a top-1 accuracy is near chance, or below, and there are enough videos to say so."""
    if videos < FEWEST_VIDEOS_PER_CLASS * classes or classes < 3:
        return False
    bound = max(3 / classes, 1 / classes + 5 * float(np.sqrt(1 / classes / videos)))
    return top1 < min(bound, 0.5)


def beyond(share: float, videos: int) -> float:
    """The accuracy that lies 3.5 standard deviations above an expected share of right videos."""
    return share + 3.5 * float(np.sqrt(share * (1 - share) / videos))


def solve_order(best: Ints, labels: Ints, classes: int) -> SolvedOrder:
    """The order of columns that makes most videos right, and what it is worth on videos that it was not solved on.

    Args:
        best: int [N], the column with the highest score.
        labels: int [N], 0..C-1.
        classes: C.
    """
    columns = _assigned(best, labels, classes)
    hits = int(held_out_hits(best, labels, classes).sum())
    hit = np.bincount(labels[columns[labels] == best], minlength=classes)
    return SolvedOrder(columns, float((best == labels).mean()), hits / len(labels), int((hit == 0).sum()))


def held_out_hits(best: Ints, labels: Ints, classes: int) -> NDArray[np.bool_]:
    """Whether each video is right with the order of columns that the other half of the videos suggests: bool [N]."""
    hits = np.zeros(len(labels), bool)
    for half in (0, 1):
        known = np.arange(len(labels)) % 2 == half
        hits[~known] = _assigned(best[known], labels[known], classes)[labels[~known]] == best[~known]
    return hits


def best_case(best: Ints, labels: Ints, classes: int) -> float:
    """What no order of columns exceeds, as a share of the videos: each class has the column that most of its videos have."""
    return float(_confusion(best, labels, classes).max(axis=1).sum() / len(labels))


def _confusion(best: Ints, labels: Ints, classes: int) -> NDArray[np.int64]:
    """Videos int64 [C, C] by label (rows) and best column (columns)."""
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, best), 1)
    return confusion


def _assigned(best: Ints, labels: Ints, classes: int) -> NDArray[np.int64]:
    """For each class the column that is assigned to it, int64 [C], from the best columns and the labels of videos [N]."""
    from scipy.optimize import linear_sum_assignment

    _, columns = linear_sum_assignment(_confusion(best, labels, classes), maximize=True)
    return np.asarray(columns, np.int64)


def moved_classes(columns: Ints, shown: int = 4) -> str:
    """The first few classes that are other columns, in words."""
    moved = [int(at) for at in np.flatnonzero(columns != np.arange(len(columns)))]
    text = ", ".join(f"class {at} is column {columns[at]}" for at in moved[:shown])
    return text + (f" and {len(moved) - shown} more" if len(moved) > shown else "")
