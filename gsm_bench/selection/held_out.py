"""What a search is worth on clips it has not seen: cross-validation of the search itself, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.intervals import t_quantile
from gsm_bench.selection.subsets import SubsetHits

PARTS = 100
"""Parts into which clips are dealt once, whole groups each; folds are drawn from them again and again."""
REPEATS = 50


@dataclass(frozen=True)
class HonestGain:
    """What the best of some subsets gains over the best of others, both chosen by the same clips, as fractions.

    Attributes:
        searched: on the clips that chose them.
        value: on held-out clips, mean over repeated cross-validations.
        low, high: bounds of its 95% interval.
    """

    searched: float
    value: float
    low: float
    high: float

    @property
    def optimism(self) -> float:
        return self.searched - self.value


def held_out_accuracy(found: SubsetHits, order: NDArray[np.int64], folds: int, k: int = 1) -> float:
    """Accuracy of choosing the best subset on all folds but one and counting on that one, mean over repeats.

    Args:
        order: the subsets to choose from, of equally good ones the first.
    """
    hits, total = found.hits[k][:, order], max(1, int(found.clips.sum()))
    right = 0
    for places in _dealt(len(hits), folds):
        folded = _sums(hits, places)
        right += sum(int(own[(folded.sum(axis=0) - own).argmax()]) for own in folded)
    return right / REPEATS / total


def honest_gain(
    found: SubsetHits, order: NDArray[np.int64], baseline: NDArray[np.int64], folds: int, k: int = 1
) -> HonestGain:
    """The gain of the best of `order` over the best of `baseline`.

    The spread of a cross-validated estimate is more than that of its clips: every fold's choice was made by the other
    folds. It is estimated as in nested cross-validation (Bates, Hastie, Tibshirani 2023): folds within the other folds
    foretell each fold, and how far off they are, beyond the fold's own chance, is how far off the whole may be.
    """
    hits, others = found.hits[k][:, order], found.hits[k][:, baseline]
    clips = found.clips.astype(np.float64)
    runs = [_Run(hits, others, clips, places) for places in _dealt(len(clips), folds)]
    folds, parts = len(runs[0].sizes), len(clips)
    naive = math.sqrt(float(np.mean([run.spread for run in runs])) * parts / max(1, parts - 1))
    beyond = max(0.0, float(np.mean([run.beyond for run in runs]))) * (folds - 1) / folds
    spread = min(max(math.sqrt(beyond), naive), naive * math.sqrt(folds))
    value = float(np.mean([run.value for run in runs]))
    reach = t_quantile(max(1, parts - 1)) * spread
    searched = (hits.sum(axis=0).max() - others.sum(axis=0).max()) / clips.sum()
    return HonestGain(float(searched), value, value - reach, value + reach)


class _Run:
    """One cross-validation of a gain.

    Attributes:
        sizes: clips of each fold.
        value: the gain per clip, every fold's choice counted on that fold.
        spread: its squared standard error as if the choices had been given.
        beyond: how far off folds are foretold by the others, squared, beyond their own chance; mean over folds.
    """

    def __init__(
        self,
        hits: NDArray[np.int64],
        others: NDArray[np.int64],
        clips: NDArray[np.float64],
        places: NDArray[np.int64],
    ) -> None:
        self._hits, self._others = _sums(hits, places), _sums(others, places)  # [F, S] each
        self._total, self._other_total = self._hits.sum(axis=0), self._others.sum(axis=0)
        self.sizes = np.bincount(places, clips)
        gains = np.empty(len(clips))  # of every part, by the choice for its fold
        for fold in range(len(self.sizes)):
            mine = places == fold
            best, other = self._choice(fold)
            gains[mine] = hits[mine, best] - others[mine, other]
        self.value = float(gains.sum() / clips.sum())
        self.spread = float(((gains - self.value * clips) ** 2).sum() / clips.sum() ** 2)
        self.beyond = float(
            np.mean([self._beyond(gains[places == f], clips[places == f], f) for f in range(len(self.sizes))])
        )

    def _choice(self, *without: int) -> tuple[int, int]:
        """The best of both sides on all folds but these."""
        left = list(without)
        best = (self._total - self._hits[left].sum(axis=0)).argmax()
        return int(best), int((self._other_total - self._others[left].sum(axis=0)).argmax())

    def _beyond(self, gains: NDArray[np.float64], clips: NDArray[np.float64], fold: int) -> float:
        size, parts = self.sizes[fold], len(gains)
        own = gains.sum() / size
        chance = ((gains - own * clips) ** 2).sum() * parts / max(1, parts - 1) / size**2
        return float((self._foretold(fold) - own) ** 2 - chance)

    def _foretold(self, fold: int) -> float:
        """The gain per clip by cross-validation among the other folds."""
        gained = 0.0
        for inner in (inner for inner in range(len(self.sizes)) if inner != fold):
            best, other = self._choice(fold, inner)
            gained += float(self._hits[inner, best] - self._others[inner, other])
        return gained / float(self.sizes.sum() - self.sizes[fold])


def _dealt(parts: int, folds: int) -> Iterator[NDArray[np.int64]]:
    """Folds [parts] of the parts, dealt anew for every repeat."""
    rng = np.random.default_rng(0)
    for _ in range(REPEATS):
        yield rng.permutation(np.arange(parts) % min(folds, parts))


def _sums(values: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over the parts of each fold: [parts, S] to [folds, S]."""
    sums: NDArray[np.int64] = np.stack([values[places == fold].sum(axis=0) for fold in range(places.max() + 1)])
    return sums
