"""How sure a difference is, when two results are over the same clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 20_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two accuracies over the same clips, as fractions, with its interval.

    Attributes:
        value: the first's accuracy minus the second's.
        low, high: bounds of the 95% interval.
        gained: clips that only the first has right.
        lost: clips that only the second has right.
        clips: clips that both have scored.
    """

    value: float
    low: float
    high: float
    gained: int
    lost: int
    clips: int


def paired_difference(first: NDArray[np.int8], second: NDArray[np.int8], *, seed: int = 0) -> PairedDifference:
    """Paired bootstrap of the difference in accuracy (percentile interval).

    Resampling clips in pairs only changes how many of them fall to each side, so the resamples are drawn as
    multinomial counts of (gained, lost, same), which is the same distribution.

    Args:
        first, second: int8 [N], 1 right, 0 wrong, -1 not scored or without a label; such clips are left out.
        seed: of the resampling.

    Raises:
        ValueError: no clip is scored in both.
    """
    both = (first >= 0) & (second >= 0)
    clips = int(both.sum())
    if not clips:
        raise ValueError("no clip is scored in both")
    gained = int(((first == 1) & (second == 0) & both).sum())
    lost = int(((first == 0) & (second == 1) & both).sum())
    shares = np.array([gained, lost, clips - gained - lost]) / clips
    draws = np.random.default_rng(seed).multinomial(clips, shares, DRAWS)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile((draws[:, 0] - draws[:, 1]) / clips, [tail, 100 - tail])
    return PairedDifference((gained - lost) / clips, float(low), float(high), gained, lost, clips)
