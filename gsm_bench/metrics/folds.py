"""Folds for held-out estimates: clips of one group always in the same one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOLDS = 5


def folds_of(clips: int, groups: NDArray[np.int64] | None, count: int = FOLDS, *, seed: int = 0) -> NDArray[np.int64]:
    """The fold int64 [N] of each clip: groups dealt out at random, in equal numbers.

    There are as many folds as groups if they are fewer than `count`.
    """
    place = np.arange(clips) if groups is None else np.unique(groups, return_inverse=True)[1]
    number = int(place.max()) + 1 if clips else 0
    dealt = np.arange(number) % max(1, min(count, number))
    folds: NDArray[np.int64] = np.random.default_rng(seed).permutation(dealt)[place]
    return folds
