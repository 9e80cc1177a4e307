"""Temperature scaling (Guo et al., 2017): one divisor of the scores that minimises the NLL.

Scores are read in blocks, several times, so that memory holds only a few numbers per video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

STEPS = 60
COLDEST, HOTTEST = 1e-3, 1e3
PRECISE = 1e-10
BLOCK_ROWS = 1024

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Out = TypeVar("Out")


class Blocks(Protocol):
    """Calls a function on every block of videos, possibly in parallel, and yields its results in order.

    The function takes logits or log-probabilities float64 [n, C], which it may overwrite, and rows int64 [n] of these
    videos among the N labels and folds.
    """

    def __call__(self, work: Callable[[Floats, Places], Out], /) -> Iterator[Out]: ...


def in_memory(log_scores: NDArray[np.floating]) -> Blocks:
    """Blocks of scores [N, C] in memory."""

    def each(work: Callable[[Floats, Places], Out]) -> Iterator[Out]:
        for start in range(0, len(log_scores), BLOCK_ROWS):
            block = log_scores[start : start + BLOCK_ROWS].astype(np.float64)
            yield work(block, np.arange(start, start + len(block)))

    return each


def fit_temperature(log_scores: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature T that minimises the NLL of softmax(scores / T).

    Args:
        log_scores: logits or log-probabilities [N, C]; minus infinity counts as very small.
        labels: integers [N], 0..C-1.
    """
    return fit_temperatures(in_memory(log_scores), labels, np.zeros(len(labels), np.int64))[0]


def held_out_temperatures(
    log_scores: NDArray[np.floating], labels: NDArray[np.integer], folds: NDArray[np.int64]
) -> Floats:
    """Temperature float64 [N] of each video, fitted on the videos of all other folds int64 [N]."""
    return fit_temperatures(in_memory(log_scores), labels, folds)[1][folds]


def fit_temperatures(blocks: Blocks, labels: NDArray[np.integer], folds: NDArray[np.int64]) -> tuple[float, Floats]:
    """Temperature of all videos, and float64 [F] of the videos outside each fold (1 where there are none).

    The NLL is convex in 1/T. Newton's method finds its minimum, with bisection where a step leaves the bracket. One
    pass over the scores serves the next step of all searches.

    Args:
        blocks: scores of the N videos.
        labels: integers [N], 0..C-1.
        folds: int64 [N], 0..F-1.
    """
    count = int(folds.max(initial=0)) + 1
    everything = np.ones(count, bool)
    searches = [_Search(everything), *(_Search(np.arange(count) != fold) for fold in range(count if count > 1 else 0))]
    for _ in range(STEPS):
        going = [search for search in searches if not search.done]
        if not going:
            break
        inverses = sorted({search.inverse for search in going})
        sums = _moments(blocks, labels, folds, count, inverses)  # [I, 3, F]
        for search in going:
            search.step(sums[inverses.index(search.inverse)])
    overall_temperature, *others = [float(1 / search.inverse) for search in searches]
    return overall_temperature, np.array(others or [1.0])


@dataclass
class _Search:
    """A search for the inverse temperature of the videos in some folds, bool [F]."""

    folds: NDArray[np.bool_]
    inverse: float = 1.0
    low: float = 1 / HOTTEST
    high: float = 1 / COLDEST
    done: bool = False

    def step(self, sums: Floats) -> None:
        """Take the next step, from counts, slopes and curvatures float64 [3, F] at the inverse temperature."""
        counts, slopes, curves = sums[:, self.folds].sum(axis=1)
        slope, curve = (slopes / counts, curves / counts) if counts else (0.0, 0.0)
        if slope < 0:
            self.low = self.inverse
        else:
            self.high = self.inverse
        step = self.inverse - slope / curve if curve > 0 else self.inverse
        step = step if self.low < step < self.high else float(np.sqrt(self.low * self.high))
        self.done = not counts or abs(step - self.inverse) < PRECISE * self.inverse
        if not self.done:
            self.inverse = step


def _moments(
    blocks: Blocks, labels: NDArray[np.integer], folds: NDArray[np.int64], count: int, inverses: Sequence[float]
) -> Floats:
    """Counts, slopes and curvatures of the NLL per fold at I inverse temperatures: float64 [I, 3, F]."""

    def work(scores: Floats, places: Places) -> Floats:
        np.maximum(scores, np.finfo(np.float32).min, out=scores)
        scores -= scores.max(axis=1, keepdims=True)
        own = scores[np.arange(len(places)), labels[places]]
        inside = folds[places]
        sums = np.empty((len(inverses), 3, count))
        for at, inverse in enumerate(inverses):
            weights = np.exp(inverse * scores)
            total = weights.sum(axis=1)
            weights *= scores
            means = weights.sum(axis=1) / total
            squares = np.einsum("nc,nc->n", weights, scores) / total
            for row, values in enumerate((np.ones(len(places)), means - own, squares - means**2)):
                sums[at, row] = np.bincount(inside, values, count)
        return sums

    totals = np.zeros((len(inverses), 3, count))
    for sums in blocks(work):
        totals += sums
    return totals
