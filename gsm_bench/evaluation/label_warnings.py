"""Labels that hardly belong to the scores: classes in another order, counted from 1, or scores upside down."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.metrics.class_order import CLEAR_GAIN, best_case, beyond, is_near_chance, moved_classes, solve_order
from gsm_bench.metrics.topk import BEYOND

FEWEST_VIDEOS = 20
ODD_SHARE = 0.1
"""A model whose top-1 is below this share of a high top-5 puts the right class second, which no model learns."""
HIGH_TOP5 = 0.5
FEWEST_CLASSES = 11
"""With so many classes a high top-5 is no chance."""
UNLIKELY = 1e-5
"""Chance of a top-1 so low if predictions had nothing to do with the labels."""


OTHER_NUMBERS = "the labels and the columns of the scores may have another order of classes"


def label_warning(
    ranks: NDArray[np.integer], predict: Callable[[], Predictions], labels: NDArray[np.integer], classes: int
) -> str:
    """Why labels int [N] hardly belong to the scores, in words; empty for any accuracy that a model may have.

    Args:
        ranks: int [N], rank of each label from 0, negative without a score or a label.
        predict: gives the predictions, where the ranks alone call for one.
        classes: C, columns of the scores.
    """
    scored = ranks[ranks >= 0]
    top1, top5 = (float((scored < k).mean()) if scored.size else 0.0 for k in (1, 5))
    second = classes >= FEWEST_CLASSES and top5 >= HIGH_TOP5 and top1 < ODD_SHARE * top5
    if len(scored) < FEWEST_VIDEOS or not (second or is_near_chance(top1, classes, len(scored))):
        return ""
    predictions = predict()
    known = (labels >= 0) & (predictions.ranks >= 0) & (predictions.ranks < BEYOND)
    if not known.any():
        return ""
    best, numbers = predictions.best[known], labels[known].astype(np.int64)
    reason = _reason(best, predictions.ranks[known], numbers, classes)
    if not reason and second:
        reason = f"top-5 is {100 * top5:.2f}: {OTHER_NUMBERS}"
    if not reason and _far_below_chance(best, numbers, classes):
        reason = f"{OTHER_NUMBERS}, or the labels are other videos'"
    return reason and f"is {100 * top1:.2f}, and chance is {100 / classes:.2f}; {reason}"


def _reason(best: NDArray[np.int64], ranks: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> str:
    """What would make far more of the videos [n] right; empty if nothing does."""
    most = float(np.bincount(labels).max() / len(labels))  # what a model that always gives one class may get
    clear = max(2 * float((best == labels).mean()) + CLEAR_GAIN, beyond(most, len(labels)))
    from_1 = float((best == labels - 1).mean()) if labels.min() >= 1 else 0.0
    if from_1 >= clear:
        return f"the labels seem to count from 1: less 1, they give {100 * from_1:.2f}"
    negated = float((ranks == classes - 1).mean())
    solved = solve_order(best, labels, classes) if best_case(best, labels, classes) >= clear else None
    if solved and solved.after >= max(clear, negated):
        return (
            f"with the classes renumbered it is {100 * solved.after:.2f} (solved on one half of the videos, measured on the "
            f"other): {moved_classes(solved.columns)}. Use the list and the class file that the model was trained with"
        )
    if negated >= clear:
        return f"the lowest score is right for {100 * negated:.2f}: the scores seem to be negated"
    return ""


def _far_below_chance(best: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> bool:
    """Whether predictions [n] that had nothing to do with the labels would be right far more often."""
    shares = [np.bincount(numbers, minlength=classes) / len(labels) for numbers in (best, labels)]
    return _binomial(int((best == labels).sum()), len(labels), float(shares[0] @ shares[1])) < UNLIKELY


def _binomial(most: int, trials: int, chance: float) -> float:
    """Probability of at most so many hits."""
    if not 0 < chance < 1:
        return 1.0
    logs = [
        math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
        + hits * math.log(chance) + (trials - hits) * math.log1p(-chance)
        for hits in range(most + 1)
    ]  # fmt: skip
    return math.fsum(map(math.exp, logs))
