"""What each member adds to an ensemble, and how much the members differ."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.selection.subsets import SubsetHits


@dataclass(frozen=True)
class Contribution:
    """What one member adds to an ensemble, as fractions.

    Attributes:
        alone: its own accuracy.
        left_out: accuracy of the ensemble minus that of the ensemble without it.
        shapley: its share of the accuracy: its mean gain over all orders of adding the members.
    """

    alone: float
    left_out: float
    shapley: float


def contributions(counts: SubsetHits, subset: int, k: int = 1) -> list[Contribution]:
    """What each member of a subset adds, in its order; the accuracy of no members counts as 0.

    Exact Shapley values over all subsets of its members. They add up to the accuracy of the ensemble.
    """
    members = np.flatnonzero(counts.subsets[subset]).tolist()
    accuracy = counts.accuracy(k)
    place = {tuple(np.flatnonzero(row).tolist()): at for at, row in enumerate(counts.subsets)}
    value = {(): 0.0} | {
        held: float(accuracy[place[held]])
        for size in range(1, len(members) + 1)
        for held in itertools.combinations(members, size)
    }
    everyone, count = tuple(members), len(members)
    results = []
    for member in members:
        others = [other for other in members if other != member]
        shapley = 0.0
        for size in range(count):
            share = 1 / (count * math.comb(count - 1, size))
            for held in itertools.combinations(others, size):
                shapley += share * (value[tuple(sorted((*held, member)))] - value[held])
        results.append(Contribution(value[(member,)], value[everyone] - value[tuple(others)], shapley))
    return results


def oracle(predictions: Sequence[Predictions]) -> float:
    """The share of videos that at least one member has right, of those that all have scored."""
    correct = np.stack([prediction.correct() for prediction in predictions])
    known = (correct >= 0).all(axis=0)
    return float(correct[:, known].any(axis=0).mean()) if known.any() else math.nan


def disagreement(predictions: Sequence[Predictions]) -> float:
    """The share of videos for which two members predict different classes, mean over pairs; NaN for one member."""
    best = np.stack([prediction.best for prediction in predictions])
    best = best[:, (best >= 0).all(axis=0)]
    pairs = [float((best[a] != best[b]).mean()) for a, b in itertools.combinations(range(len(best)), 2)]
    return float(np.mean(pairs)) if pairs else math.nan
