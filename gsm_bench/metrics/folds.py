"""Folds for held-out estimates; a group is never split between folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOLDS = 5


def folds_of(videos: int, groups: NDArray[np.int64] | None, count: int = FOLDS, *, seed: int = 0) -> NDArray[np.int64]:
    """Fold int64 [N] of each of N videos: groups are assigned at random, in equal numbers.

    With fewer groups than `count`, each group is a fold.
    """
    place = np.arange(videos) if groups is None else np.unique(groups, return_inverse=True)[1]
    number = int(place.max()) + 1 if videos else 0
    assigned = np.arange(number) % max(1, min(count, number))
    folds: NDArray[np.int64] = np.random.default_rng(seed).permutation(assigned)[place]
    return folds
