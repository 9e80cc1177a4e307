"""Paired comparison of two results over the same videos: intervals and tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.intervals import CONFIDENCE

DRAWS = 20_000
NEGLIGIBLE = 1e-18


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two accuracies over the same videos, as fractions, with its interval.

    Attributes:
        value: accuracy of the first minus that of the second.
        low, high: bounds of the 95% interval.
        gained: videos that only the first has right.
        lost: videos that only the second has right.
        videos: videos that both have scored.
        groups: number of resampled groups; None where videos are resampled.
    """

    value: float
    low: float
    high: float
    gained: int
    lost: int
    videos: int
    groups: int | None = None


def paired_difference(
    first: NDArray[np.int8], second: NDArray[np.int8], groups: NDArray[np.int64] | None = None, *, seed: int = 0
) -> PairedDifference:
    """Difference in accuracy with its paired bootstrap percentile interval.

    Args:
        first, second: int8 [N], 1 right, 0 wrong, -1 without scores or label, which is left out.
        groups: int64 [N], equal for videos that are not independent; whole groups are resampled.
        seed: seed of the resampling.

    Raises:
        ValueError: no video is scored in both.
    """
    both = (first >= 0) & (second >= 0)
    if not both.any():
        raise ValueError("no video is scored in both")
    change = first[both].astype(np.int64) - second[both]  # +1 gained, -1 lost
    rng = np.random.default_rng(seed)
    draws = _resampled_clips(change, rng) if groups is None else _resampled_groups(change, groups[both], rng)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    resampled = None if groups is None else len(np.unique(groups[both]))
    return PairedDifference(float(change.mean()), float(low), float(high), gained, lost, len(change), resampled)


def _resampled_clips(change: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Mean changes float64 [DRAWS] over resampled videos, by multinomial counts of +1, -1 and 0."""
    shares = np.array([(change > 0).mean(), (change < 0).mean(), (change == 0).mean()])
    counts = rng.multinomial(len(change), shares / shares.sum(), DRAWS)
    means: NDArray[np.float64] = (counts[:, 0] - counts[:, 1]) / len(change)
    return means


def _resampled_groups(
    change: NDArray[np.int64], groups: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Mean changes float64 [DRAWS] over resampled groups; groups of equal sum and size are multinomial counts."""
    place = np.unique(groups, return_inverse=True)[1]
    sums, sizes = np.bincount(place, change), np.bincount(place)
    kinds, counts = np.unique(np.stack((sums, sizes), axis=1), axis=0, return_counts=True)  # [K, 2]
    times = rng.multinomial(len(sizes), counts / len(sizes), DRAWS)  # [DRAWS, K]
    means: NDArray[np.float64] = (times @ kinds[:, 0]) / (times @ kinds[:, 1])
    return means


@dataclass(frozen=True)
class PairedTest:
    """Test of the null hypothesis that two results over the same videos are equally accurate.

    Attributes:
        p: two-sided exact p-value: McNemar's test over videos, or the sign-flip test over groups.
        gained, lost: videos that only the first, or only the second, has right.
        chi2: McNemar's statistic with Edwards' continuity correction, NaN over groups.
        groups: number of groups; None for a test over videos.
    """

    p: float
    gained: int
    lost: int
    chi2: float
    groups: int | None = None


def paired_test(
    first: NDArray[np.int8], second: NDArray[np.int8], groups: NDArray[np.int64] | None = None
) -> PairedTest:
    """Paired test of two results over the same videos.

    Args:
        first, second: int8 [N], 1 right, 0 wrong, -1 without scores or label, which is left out.
        groups: int64 [N], equal for videos that are not independent.
    """
    both = (first >= 0) & (second >= 0)
    change = first[both].astype(np.int64) - second[both]  # +1 gained, -1 lost
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    if groups is None:
        return PairedTest(mcnemar(gained, lost), gained, lost, mcnemar_chi2(gained, lost))
    place = np.unique(groups[both], return_inverse=True)[1]
    sums = np.bincount(place, change).astype(np.int64)
    return PairedTest(sign_flip_test(sums), gained, lost, math.nan, len(sums))


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p-value of McNemar's test: each of the discordant videos goes either way with probability 1/2."""
    flips, fewer = gained + lost, min(gained, lost)
    log = math.lgamma(flips + 1) - math.lgamma(fewer + 1) - math.lgamma(flips - fewer + 1) - flips * math.log(2)
    term = total = math.exp(log)  # probability of `fewer`, then of ever fewer, until the sum stays the same
    for k in range(fewer, 0, -1):
        term *= k / (flips - k + 1)
        total += term
        if term < NEGLIGIBLE * total:
            break
    return min(1.0, 2 * total)


def mcnemar_chi2(gained: int, lost: int) -> float:
    """McNemar's statistic with continuity correction (Edwards 1948), chi-squared with 1 degree of freedom; NaN without discordant videos."""
    return max(0, abs(gained - lost) - 1) ** 2 / (gained + lost) if gained + lost else math.nan


def sign_flip_test(changes: NDArray[np.int64]) -> float:
    """Exact two-sided p-value of the sign-flip test on the net changes int64 [G] of independent groups.

    The distribution of the total over all 2^G signs is the Fourier transform of a product of cosines. With groups of one
    video it is McNemar's exact test.
    """
    sizes, counts = np.unique(np.abs(changes[changes != 0]), return_counts=True)
    reach = int((sizes * counts).sum())
    if not reach:
        return 1.0
    length = 2 * reach + 1
    angles = 2 * np.pi * np.arange(length) / length
    transform = np.prod(np.cos(sizes[:, None] * angles) ** counts[:, None], axis=0)
    probabilities = np.clip(
        np.fft.fft(transform).real / length, 0, None
    )  # [length], of the totals 0..reach, -reach..-1
    totals = np.abs(np.fft.fftfreq(length, 1 / length))
    return min(1.0, float(probabilities[totals >= abs(int(changes.sum())) - 0.5].sum()))


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for multiple testing (Holm 1979), in the given order."""
    corrected = [0.0] * len(values)
    highest = 0.0
    for rank, at in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, values[at] * (len(values) - rank)))
        corrected[at] = highest
    return corrected
