"""Whether an accuracy is excluded by videos that come one after the other, with an error that holds at any moment.

The videos seen so far are bet against the claimed accuracy: a mixture of all accuracies, weighted by Jeffreys' prior,
against the claim. While the claim is true, the ratio of the two likelihoods is a martingale that starts at 1, so it
ever exceeds 1/a with a chance of at most a (J. Ville 1939; H. Robbins 1970, "Statistical methods related to the law of
the iterated logarithm"; S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon 2021, "Time-uniform, nonparametric,
nonasymptotic confidence sequences", the beta-binomial mixture). One may look after every video, and stop at will.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def log_evidence(correct: NDArray[np.int8], low: float, high: float) -> NDArray[np.float64]:
    """Logarithm of the evidence after each video against every accuracy from `low` to `high`.

    Args:
        correct: int8 [n], 1 right, 0 wrong, in the order in which independent videos were seen.
        low, high: ends of the claim, fractions; a printed accuracy is a claim of everything that rounds to it.

    Returns:
        Float64 [n]; the claim is excluded with error a where it is at least log(1/a).
    """
    if not len(correct):
        return np.zeros(0)
    right = np.cumsum(correct == 1, dtype=np.float64)
    seen = np.arange(1, len(correct) + 1, dtype=np.float64)
    before, hits_before = seen - 1, right - (correct == 1)
    of_right = (hits_before + 0.5) / (before + 1)  # Krichevsky and Trofimov: the mixture, one video at a time
    mixture = np.cumsum(np.log(np.where(correct == 1, of_right, 1 - of_right)))
    best = np.clip(right / seen, low, high)  # the accuracy of the claim that explains the videos best
    return np.asarray(mixture - _log_likelihood(best, right, seen - right))


def first_exclusion(correct: NDArray[np.int8], low: float, high: float, error: float) -> int | None:
    """Number of videos after which the claim is first excluded with this error; None if it is not.

    Arguments are those of `log_evidence`: `correct` int8 [n], `low` and `high` fractions.
    """
    at = np.flatnonzero(log_evidence(correct, low, high) >= math.log(1 / error))
    return int(at[0]) + 1 if at.size else None


def _log_likelihood(
    p: NDArray[np.float64], right: NDArray[np.float64], wrong: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of so many right and wrong videos; minus infinity where they are impossible."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ones = np.where(right > 0, right * np.log(p), 0.0)
        return np.asarray(ones + np.where(wrong > 0, wrong * np.log1p(-p), 0.0))


def is_fair_part(part: NDArray[np.int64], whole: NDArray[np.int64]) -> bool:
    """Whether a part of a list has about the classes of the whole, as videos in any order do; sorted lists do not.

    The test is Pearson's chi-square for drawing without replacement, in the approximation of Wilson and Hilferty.

    Args:
        part, whole: int64 [C], videos per class.
    """
    present = whole > 0
    part, whole = part[present].astype(np.float64), whole[present].astype(np.float64)
    n, total, freedom = part.sum(), whole.sum(), len(whole) - 1
    if not n or n == total or freedom < 1:
        return True
    expected = whole * n / total
    statistic = float(((part - expected) ** 2 / expected).sum()) * (total - 1) / (total - n)
    spread = 2 / (9 * freedom)
    return bool(((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread) <= UNFAIR_Z)


UNFAIR_Z = 5.0
"""Standard errors beyond which a part of a list is no fair one."""
