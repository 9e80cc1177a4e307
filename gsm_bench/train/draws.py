"""Every random number of a training, from seed, epoch and row alone: a run can go on at any step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER, CLIP, DROPOUT = 1, 2, 3
"""Streams of random numbers that do not meet."""

Key = tuple[int, int]
"""Epoch and row of a training clip."""


@dataclass(frozen=True)
class ClipDraws:
    """Uniform numbers in [0, 1) that decide a training clip: frames float64 [T], size and place of the crop, mirror."""

    frames: NDArray[np.float64]
    size: float
    place: float
    mirror: float


def clip_draws(seed: int, key: Key, frames: int) -> ClipDraws:
    """The random numbers of one clip of T frames."""
    numbers = np.random.default_rng([seed, CLIP, *key]).random(frames + 3)
    size, place, mirror = numbers[frames:].tolist()
    return ClipDraws(numbers[:frames], size, place, mirror)


def epoch_order(seed: int, epoch: int, rows: int) -> NDArray[np.int64]:
    """The rows int64 [N] of an epoch in random order."""
    return np.random.default_rng([seed, ORDER, epoch]).permutation(rows)


def dropout_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """The seed of a micro-batch's dropout in one process."""
    return int(np.random.SeedSequence([seed, DROPOUT, epoch, batch, rank]).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True)
class BatchOrder:
    """The micro-batches of all epochs, from one on, as one process sees them.

    Attributes:
        rows: N, clips of an epoch. batch: clips of a micro-batch, over all processes.
        rank, processes: each process takes every `processes`-th clip of a micro-batch, from `rank` on.
    """

    seed: int
    rows: int
    batch: int
    epochs: int
    rank: int = 0
    processes: int = 1

    def batches(self) -> int:
        """Micro-batches of an epoch. The last may be short; one with fewer clips than processes is left out."""
        full, rest = divmod(self.rows, self.batch)
        return full + (rest >= self.processes and rest > 0)

    def size(self, number: int) -> int:
        """Clips of a micro-batch, over all processes."""
        return min(self.batch, self.rows - number * self.batch)

    def batches_from(self, epoch: int, number: int) -> Iterator[list[Key]]:
        """The keys of this process's clips, micro-batch by micro-batch, from number `number` of `epoch` on."""
        for later in range(epoch, self.epochs):
            order = epoch_order(self.seed, later, self.rows)
            for at in range(number if later == epoch else 0, self.batches()):
                chosen = order[at * self.batch : (at + 1) * self.batch][self.rank :: self.processes]
                yield [(later, int(row)) for row in chosen]
