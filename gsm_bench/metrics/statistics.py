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
        groups: groups that were resampled, or None where clips were.
    """

    value: float
    low: float
    high: float
    gained: int
    lost: int
    clips: int
    groups: int | None = None


def paired_difference(
    first: NDArray[np.int8], second: NDArray[np.int8], groups: NDArray[np.int64] | None = None, *, seed: int = 0
) -> PairedDifference:
    """Paired bootstrap of the difference in accuracy (percentile interval).

    Args:
        first, second: int8 [N], 1 right, 0 wrong, -1 not scored or without a label; such clips are left out.
        groups: int64 [N], equal for clips that are not independent; whole groups are then resampled.
        seed: of the resampling.

    Raises:
        ValueError: no clip is scored in both.
    """
    both = (first >= 0) & (second >= 0)
    if not both.any():
        raise ValueError("no clip is scored in both")
    change = first[both].astype(np.int64) - second[both]  # +1 gained, -1 lost, per clip
    rng = np.random.default_rng(seed)
    draws = _resampled_clips(change, rng) if groups is None else _resampled_groups(change, groups[both], rng)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    resampled = None if groups is None else len(np.unique(groups[both]))
    return PairedDifference(float(change.mean()), float(low), float(high), gained, lost, len(change), resampled)


def _resampled_clips(change: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Means over resamples of clips: only how many are +1, -1 and 0 varies, as multinomial counts."""
    shares = np.array([(change > 0).mean(), (change < 0).mean(), (change == 0).mean()])
    counts = rng.multinomial(len(change), shares / shares.sum(), DRAWS)
    means: NDArray[np.float64] = (counts[:, 0] - counts[:, 1]) / len(change)
    return means


def _resampled_groups(
    change: NDArray[np.int64], groups: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Means over resamples of whole groups; groups of equal sum and size are drawn together, as multinomial counts."""
    place = np.unique(groups, return_inverse=True)[1]
    sums, sizes = np.bincount(place, change), np.bincount(place)
    kinds, counts = np.unique(np.stack((sums, sizes), axis=1), axis=0, return_counts=True)  # [K, 2]
    drawn = rng.multinomial(len(sizes), counts / len(sizes), DRAWS)  # [DRAWS, K]
    means: NDArray[np.float64] = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    return means
