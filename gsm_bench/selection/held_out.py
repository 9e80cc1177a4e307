"""The accuracy of a search on videos that did not take part in it: the search itself is cross-validated.

The folds are our own: scikit-learn's GroupKFold deals groups otherwise, which would change every number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.intervals import t_quantile
from gsm_bench.selection.subsets import SubsetHits

PARTS = 100
"""Parts into which videos are split once, groups together. Every repeat splits the parts into folds anew."""
REPEATS = 50


@dataclass(frozen=True)
class HeldOutGain:
    """What the best of some subsets gains over the best of others, both chosen on the same videos, as fractions.

    Attributes:
        searched: on the videos that chose them.
        value: on held-out videos, mean over repeated cross-validations.
        low, high: bounds of its 95% interval.
    """

    searched: float
    value: float
    low: float
    high: float

    @property
    def optimism(self) -> float:
        """The part of the gain that is lost on held-out videos."""
        return self.searched - self.value


def held_out_accuracy(counts: SubsetHits, order: NDArray[np.int64], folds: int, k: int = 1) -> float:
    """Accuracy of choosing the best subset on all folds but one and evaluating it on that one, mean over repeats.

    Args:
        order: int64 [s], the subsets to choose from; of equally good ones the first is taken.
    """
    hits, total = counts.hits[k][:, order], max(1, int(counts.videos.sum()))
    right = 0
    for places in _repeated_folds(len(hits), folds):
        folded = _sums(hits, places)
        right += sum(int(own[(folded.sum(axis=0) - own).argmax()]) for own in folded)
    return right / REPEATS / total


def held_out_gain(
    counts: SubsetHits, order: NDArray[np.int64], baseline: NDArray[np.int64], folds: int, k: int = 1
) -> HeldOutGain:
    """The gain of the best of the subsets `order` int64 [s] over the best of `baseline` int64 [b].

    A cross-validated estimate spreads more than its videos do, because the other folds choose for each fold. The spread
    is estimated by nested cross-validation (Bates, Hastie, Tibshirani 2023): folds within the other folds predict each
    fold. The error of that prediction, less the fold's own sampling error, is the error of the estimate.
    """
    hits, others = counts.hits[k][:, order], counts.hits[k][:, baseline]
    videos = counts.videos.astype(np.float64)
    runs = [_Run(hits, others, videos, places) for places in _repeated_folds(len(videos), folds)]
    folds, parts = len(runs[0].sizes), len(videos)
    naive = math.sqrt(float(np.mean([run.spread for run in runs])) * parts / max(1, parts - 1))
    beyond = max(0.0, float(np.mean([run.beyond for run in runs]))) * (folds - 1) / folds
    spread = min(max(math.sqrt(beyond), naive), naive * math.sqrt(folds))
    value = float(np.mean([run.value for run in runs]))
    reach = t_quantile(max(1, parts - 1)) * spread
    searched = (hits.sum(axis=0).max() - others.sum(axis=0).max()) / videos.sum()
    return HeldOutGain(float(searched), value, value - reach, value + reach)


class _Run:
    """One cross-validation of a gain.

    Attributes:
        sizes: videos of each fold.
        value: the gain per video, each fold's choice evaluated on that fold.
        spread: its squared standard error if the choices were fixed.
        beyond: squared error of predicting a fold from the others, less the fold's own sampling error; mean over folds.
    """

    def __init__(
        self,
        hits: NDArray[np.int64],
        others: NDArray[np.int64],
        videos: NDArray[np.float64],
        places: NDArray[np.int64],
    ) -> None:
        self._hits, self._others = _sums(hits, places), _sums(others, places)  # [F, S] each
        self._total, self._other_total = self._hits.sum(axis=0), self._others.sum(axis=0)
        self.sizes = np.bincount(places, videos)
        gains = np.empty(len(videos))  # of every part, by the choice for its fold
        for fold in range(len(self.sizes)):
            mine = places == fold
            best, other = self._choice(fold)
            gains[mine] = hits[mine, best] - others[mine, other]
        self.value = float(gains.sum() / videos.sum())
        self.spread = float(((gains - self.value * videos) ** 2).sum() / videos.sum() ** 2)
        self.beyond = float(
            np.mean([self._beyond(gains[places == f], videos[places == f], f) for f in range(len(self.sizes))])
        )

    def _choice(self, *without: int) -> tuple[int, int]:
        """The best subset of each side on all folds but these."""
        left = list(without)
        best = (self._total - self._hits[left].sum(axis=0)).argmax()
        return int(best), int((self._other_total - self._others[left].sum(axis=0)).argmax())

    def _beyond(self, gains: NDArray[np.float64], videos: NDArray[np.float64], fold: int) -> float:
        size, parts = self.sizes[fold], len(gains)
        own = gains.sum() / size
        chance = ((gains - own * videos) ** 2).sum() * parts / max(1, parts - 1) / size**2
        return float((self._predicted(fold) - own) ** 2 - chance)

    def _predicted(self, fold: int) -> float:
        """The gain per video by cross-validation among the other folds; 0 without any, as for a single video."""
        others = float(self.sizes.sum() - self.sizes[fold])
        if not others:
            return 0.0
        gained = 0.0
        for inner in (inner for inner in range(len(self.sizes)) if inner != fold):
            best, other = self._choice(fold, inner)
            gained += float(self._hits[inner, best] - self._others[inner, other])
        return gained / others


def _repeated_folds(parts: int, folds: int) -> Iterator[NDArray[np.int64]]:
    """The fold int64 [parts] of each part, split anew for every repeat."""
    rng = np.random.default_rng(0)
    for _ in range(REPEATS):
        yield rng.permutation(np.arange(parts) % min(folds, parts))


def _sums(values: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over the parts of each fold: [parts, S] to [folds, S]."""
    sums: NDArray[np.int64] = np.stack([values[places == fold].sum(axis=0) for fold in range(places.max() + 1)])
    return sums
