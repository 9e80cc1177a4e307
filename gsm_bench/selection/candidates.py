"""The subsets of a pool as candidates: what each has right, what it costs, and which are the best for their cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import GsmBenchError
from gsm_bench.selection.config import SearchConfig
from gsm_bench.selection.held_out import HeldOutGain, held_out_accuracy, held_out_gain
from gsm_bench.selection.pool import Choice
from gsm_bench.selection.subsets import SubsetHits

NO_VIDEOS = "no video has a label and a score in every member"


@dataclass(frozen=True)
class Costs:
    """What each of S subsets costs: float64 [S] multiply-adds and parameters, NaN if unknown; int64 [S] members."""

    macs: NDArray[np.float64]
    params: NDArray[np.float64]
    members: NDArray[np.int64]

    def of(self, name: str) -> NDArray[np.float64]:
        """One cost by name, float64 [S]."""
        costs = {"macs": self.macs, "params": self.params, "members": self.members.astype(np.float64)}
        return costs[name]


@dataclass(frozen=True)
class Candidates:
    """All S subsets of a pool.

    Attributes:
        choices: of the pool, in the columns of `counts.subsets`.
        counts: what every subset has right.
        allowed: bool [S], subsets within the budget.
        k: a video counts as right if its label is among the k best.
        folds: of the held-out estimates.
    """

    choices: Sequence[Choice]
    counts: SubsetHits
    costs: Costs
    allowed: NDArray[np.bool_]
    k: int
    folds: int

    @property
    def hits(self) -> NDArray[np.int64]:
        """Videos that each subset has right, int64 [S]."""
        hits: NDArray[np.int64] = self.counts.hits[self.k].sum(axis=0)
        return hits

    @property
    def best(self) -> int:
        """The most accurate subset within the budget, of equals the cheapest."""
        return best_subset(self.hits, self.allowed, self.costs)

    @property
    def single(self) -> NDArray[np.int64]:
        """The subset of each choice alone, int64 [M]."""
        alone = np.flatnonzero(self.costs.members == 1)
        single: NDArray[np.int64] = alone[self.counts.subsets[alone].argmax(axis=1).argsort()]
        return single

    def members(self, subset: int) -> list[int]:
        """The choices of a subset."""
        members: list[int] = np.flatnonzero(self.counts.subsets[subset]).tolist()
        return members

    def fronts(self) -> dict[str, list[int]]:
        """Subsets that are the best for their multiply-adds and for their parameters, else for their members."""
        fronts = {name: pareto(self.hits, self.costs.of(name), self.allowed) for name in ("macs", "params")}
        known = {name: front for name, front in fronts.items() if front}
        return known or {"members": pareto(self.hits, self.costs.of("members"), self.allowed)}

    def held_out(self, allowed: NDArray[np.bool_]) -> float:
        """Accuracy of choosing the best of some subsets bool [S], on videos that did not take part in the choice."""
        return held_out_accuracy(self.counts, in_order(allowed, self.costs), self.folds, self.k)

    def gain(self) -> HeldOutGain:
        """The gain of the best allowed subset over the best allowed single choice."""
        single = in_order(self.allowed & (self.costs.members == 1), self.costs)
        return held_out_gain(self.counts, in_order(self.allowed, self.costs), single, self.folds, self.k)


def candidates_of(choices: Sequence[Choice], counts: SubsetHits, config: SearchConfig) -> Candidates:
    """The subsets of a pool with their costs.

    Raises:
        GsmBenchError: no video to search on, or no subset within the budget.
    """
    if not counts.videos.sum():
        raise GsmBenchError(NO_VIDEOS, fix="score the missing videos")
    costs = costs_of(counts.subsets, choices)
    allowed = np.ones(len(counts.subsets), bool) if config.budget is None else costs.macs <= config.budget
    if not allowed.any():
        cheapest = min((choice.macs for choice in choices if choice.macs is not None), default=None)
        reason = (
            "the cost of every member is unknown"
            if cheapest is None
            else f"the cheapest costs {cheapest / 1e9:.2f} GFLOPs"
        )
        raise GsmBenchError(f"no ensemble fits this budget: {reason}", fix="a larger --budget, or none")
    return Candidates(choices, counts, costs, allowed, config.k, config.folds)


def costs_of(subsets: NDArray[np.bool_], choices: Sequence[Choice]) -> Costs:
    """The cost of each subset bool [S, M]: sums over its members."""
    macs = np.array([math.nan if choice.macs is None else float(choice.macs) for choice in choices])
    params = np.array([math.nan if choice.params is None else float(choice.params) for choice in choices])
    return Costs(_sums(subsets, macs), _sums(subsets, params), subsets.sum(axis=1))


def _sums(subsets: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.where(subsets, values, 0.0).sum(axis=1)
    return sums


def in_order(allowed: NDArray[np.bool_], costs: Costs) -> NDArray[np.int64]:
    """Places int64 [n] of the allowed subsets bool [S]: fewest multiply-adds first, then fewest members, then as walked."""
    places = np.flatnonzero(allowed)
    return places[np.lexsort((places, costs.members[places], np.nan_to_num(costs.macs[places])))]


def best_subset(values: NDArray[np.integer], allowed: NDArray[np.bool_], costs: Costs) -> int:
    """The allowed subset of the highest value [S], of equals the first of `in_order`."""
    order = in_order(allowed, costs)
    return int(order[values[order].argmax()])


def pareto(values: NDArray[np.integer], cost: NDArray[np.float64], allowed: NDArray[np.bool_]) -> list[int]:
    """Places of the allowed subsets that no cheaper or equally cheap one equals or beats, cheapest first; all arrays [S]."""
    places = np.flatnonzero(allowed & ~np.isnan(cost))
    order = places[np.lexsort((places, -values[places], cost[places]))]
    front: list[int] = []
    for place in order.tolist():
        if not front or values[place] > values[front[-1]]:
            front.append(place)
    return front
