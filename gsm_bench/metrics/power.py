"""Which difference a paired test can show with so many videos, and how many videos a difference needs.

Source: R. J. Connor, Sample size for testing differences in proportions for the paired-sample design, Biometrics 43
(1987). Groups of videos that are not independent enter through the variance of their sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.intervals import QUANTILE

POWER = 0.8
POWER_QUANTILE = 0.8416212335729143
"""Quantile of the normal distribution for `POWER`."""


@dataclass(frozen=True)
class PairedPower:
    """What a paired test of two results can show.

    Attributes:
        videos: videos that both have scored.
        groups: groups among them, or None where videos are independent.
        variance: of the difference of one video under the null hypothesis; without groups, the share of videos that
            only one of the two has right.
        smallest: smallest difference in accuracy, a fraction, that the test shows with probability `POWER`; NaN where
            the two are right on the same videos.
    """

    videos: int
    groups: int | None
    variance: float
    smallest: float

    def videos_for(self, difference: float) -> int:
        """Videos, in groups as large as these, that show a difference (a fraction) with probability `POWER`.

        Raises:
            ValueError: the difference is not between 0 and 1.
        """
        if not 0 < difference <= 1:
            raise ValueError(f"the difference is a fraction above 0 and at most 1, not {difference}")
        return math.ceil(_videos_needed(max(self.variance, difference), difference) - 1e-9)


def paired_power(
    first: NDArray[np.int8], second: NDArray[np.int8], groups: NDArray[np.int64] | None = None
) -> PairedPower:
    """The power of a paired test of two results on the same videos.

    Args:
        first, second: int8 [N], 1 right, 0 wrong, -1 not scored or without a label; such videos are left out.
        groups: int64 [N], equal for videos that are not independent.

    Raises:
        ValueError: no video is scored in both.
    """
    both = (first >= 0) & (second >= 0)
    if not both.any():
        raise ValueError("no video is scored in both")
    change = first[both].astype(np.int64) - second[both]
    videos = len(change)
    sums = change if groups is None else np.bincount(np.unique(groups[both], return_inverse=True)[1], change)
    variance = float((sums.astype(np.float64) ** 2).sum() / videos)
    return PairedPower(videos, None if groups is None else len(sums), variance, _smallest(variance, videos))


def _smallest(variance: float, videos: int) -> float:
    """The difference for which `videos` are just enough; NaN for a variance of 0."""
    if variance == 0:
        return math.nan
    low, high = 0.0, min(1.0, math.sqrt(variance))
    if _videos_needed(variance, high) > videos:
        return high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _videos_needed(variance, middle) > videos else (low, middle)
    return high


def _videos_needed(variance: float, difference: float) -> float:
    """Videos that show a difference, for a variance of the difference of one video; decreases with the difference."""
    if difference == 0:
        return math.inf
    under_null = QUANTILE * math.sqrt(variance)
    under_alternative = POWER_QUANTILE * math.sqrt(max(0.0, variance - difference**2))
    return float(((under_null + under_alternative) / difference) ** 2)
