"""Which ensemble to take: the front of accuracy against cost, with an honest estimate of what searching gained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember, shared_out
from gsm_bench.entries import Space
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.actions import ActionRule
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import Predictions, predict
from gsm_bench.metrics.folds import FOLDS, folds_of
from gsm_bench.selection.action_subsets import count_action_subsets
from gsm_bench.selection.held_out import PARTS, HonestGain, held_out_accuracy, honest_gain
from gsm_bench.selection.pool import Choice, choices_of
from gsm_bench.selection.subsets import Progress, SubsetHits, count_subsets

MOST_CHOICES = 16


@dataclass(frozen=True)
class Costs:
    """What each of S subsets costs: float64 [S] multiply-adds, parameters and members; NaN where not known."""

    macs: NDArray[np.float64]
    params: NDArray[np.float64]
    members: NDArray[np.int64]


@dataclass(frozen=True)
class Contribution:
    """What one member adds to an ensemble, as fractions.

    Attributes:
        alone: its own accuracy.
        left_out: accuracy of the ensemble minus that of the ensemble without it.
        shapley: its share of the accuracy, its mean gain over all orders in which the members could have come.
    """

    alone: float
    left_out: float
    shapley: float


@dataclass(frozen=True)
class Search:
    """A pool searched: what every subset has right and costs, and what any of them answers.

    Attributes:
        allowed: bool [S], subsets within the budget.
        k: what counts as right: the label among the k best.
        folds: of the held-out estimates.
        groups: int64 [N], equal for clips that are not independent, or None.
        answers: what a subset answers to all clips.
    """

    choices: Sequence[Choice]
    found: SubsetHits
    costs: Costs
    allowed: NDArray[np.bool_]
    k: int
    folds: int
    groups: NDArray[np.int64] | None
    answers: Callable[[int], Predictions]

    @property
    def values(self) -> NDArray[np.int64]:
        hits: NDArray[np.int64] = self.found.hits[self.k].sum(axis=0)
        return hits

    @property
    def best(self) -> int:
        return best_subset(self.values, self.allowed, self.costs)

    @property
    def members(self) -> list[int]:
        """The choices of the best subset."""
        held: list[int] = np.flatnonzero(self.found.subsets[self.best]).tolist()
        return held

    def held_out(self, allowed: NDArray[np.bool_]) -> float:
        """What choosing the best of some subsets is worth on clips that did not choose."""
        return held_out_accuracy(self.found, in_order(allowed, self.costs), self.folds, self.k)

    def gain(self) -> HonestGain:
        """The gain of the best allowed subset over the best allowed single choice, searched and held out."""
        single = in_order(self.allowed & (self.costs.members == 1), self.costs)
        return honest_gain(self.found, in_order(self.allowed, self.costs), single, self.folds, self.k)

    def name(self, subset: int) -> str:
        return " + ".join(self.choices[at].label for at in np.flatnonzero(self.found.subsets[subset]).tolist())


@dataclass(frozen=True)
class SearchConfig:
    """What to search for: top-k, within a budget of multiply-adds per clip, estimated over so many folds."""

    k: int = 1
    budget: float | None = None
    folds: int = FOLDS


def search_pool(
    members: Sequence[OpenMember],
    task: str,
    space: Space,
    truth: GroundTruth,
    wanted: SearchConfig = SearchConfig(),
    *,
    progress: Progress = lambda done, total: None,
) -> Search:
    """Try every subset of an open pool.

    Raises:
        GsmBenchError: too many choices, a budget that no choice meets, or no clip to search on.
    """
    _refuse_many(members)
    labels = truth.labels[task]
    parts = folds_of(len(labels), truth.groups, PARTS)
    found = count_subsets(members, task, space, labels, parts, progress=progress)

    @cache
    def answers(subset: int) -> Predictions:
        held = [members[at] for at in np.flatnonzero(found.subsets[subset]).tolist()]
        return predict(shared_out(held), task, space, labels)

    return _searched(choices_of(members), found, answers, truth, wanted)


def search_actions(
    members: Sequence[OpenMember],
    rule: ActionRule,
    space: Space | None,
    truth: GroundTruth,
    wanted: SearchConfig = SearchConfig(),
    *,
    progress: Progress = lambda done, total: None,
) -> Search:
    """As `search_pool`, for actions that follow from verbs and nouns by a rule.

    Raises:
        GsmBenchError: as there, and too many subsets.
    """
    _refuse_many(members)
    parts = folds_of(len(truth.labels["verb"]), truth.groups, PARTS)
    found, answers = count_action_subsets(members, rule, space, truth.labels, parts, progress=progress)
    return _searched(choices_of(members), found, answers, truth, wanted)


def _refuse_many(members: Sequence[OpenMember]) -> None:
    if len(members) > MOST_CHOICES:
        raise GsmBenchError(
            f"a pool of {len(members)} choices: every subset can be tried of at most {MOST_CHOICES}",
            fix="name fewer, with @K to say how many clips of each, or --method greedy",
        )


def _searched(
    choices: Sequence[Choice],
    found: SubsetHits,
    answers: Callable[[int], Predictions],
    truth: GroundTruth,
    wanted: SearchConfig,
) -> Search:
    if not found.clips.sum():
        raise GsmBenchError("no clip has a label and a score in every member", fix="score the missing clips")
    costs = costs_of(found.subsets, choices)
    allowed = np.ones(len(found.subsets), bool) if wanted.budget is None else costs.macs <= wanted.budget
    if not allowed.any():
        cheapest = min((choice.macs for choice in choices if choice.macs is not None), default=None)
        known = (
            "no member says what it costs" if cheapest is None else f"the cheapest costs {cheapest / 1e9:.2f} GFLOPs"
        )
        raise GsmBenchError(f"no ensemble fits this budget: {known}", fix="a larger --budget, or none")
    return Search(choices, found, costs, allowed, wanted.k, wanted.folds, truth.groups, answers)


def costs_of(subsets: NDArray[np.bool_], choices: Sequence[Choice]) -> Costs:
    """The cost of each subset bool [S, M]: sums over its members."""
    macs = np.array([math.nan if choice.macs is None else float(choice.macs) for choice in choices])
    params = np.array([math.nan if choice.params is None else float(choice.params) for choice in choices])
    return Costs(_sums(subsets, macs), _sums(subsets, params), subsets.sum(axis=1))


def _sums(subsets: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.where(subsets, values, 0.0).sum(axis=1)
    return sums


def in_order(allowed: NDArray[np.bool_], costs: Costs) -> NDArray[np.int64]:
    """The allowed subsets, those with fewest operations first, then members, then as walked."""
    places = np.flatnonzero(allowed)
    return places[np.lexsort((places, costs.members[places], np.nan_to_num(costs.macs[places])))]


def best_subset(values: NDArray[np.integer], allowed: NDArray[np.bool_], costs: Costs) -> int:
    """The allowed subset of the highest value [S], of equals the first of `in_order`."""
    order = in_order(allowed, costs)
    return int(order[values[order].argmax()])


def pareto(values: NDArray[np.integer], cost: NDArray[np.float64], allowed: NDArray[np.bool_]) -> list[int]:
    """Allowed subsets that no cheaper or equally cheap one equals or beats, cheapest first."""
    places = np.flatnonzero(allowed & ~np.isnan(cost))
    order = places[np.lexsort((places, -values[places], cost[places]))]
    front: list[int] = []
    for place in order.tolist():
        if not front or values[place] > values[front[-1]]:
            front.append(place)
    return front


def contributions(found: SubsetHits, subset: int, k: int = 1) -> list[Contribution]:
    """What each member of a subset adds, in its order; the accuracy of no members counts as 0.

    Shapley's values, exactly, over all subsets of its members; they add up to the accuracy of the whole.
    """
    members = np.flatnonzero(found.subsets[subset]).tolist()
    accuracy = found.accuracy(k)
    place = {tuple(np.flatnonzero(row).tolist()): at for at, row in enumerate(found.subsets)}
    value = {(): 0.0} | {
        held: float(accuracy[place[held]])
        for size in range(1, len(members) + 1)
        for held in itertools.combinations(members, size)
    }
    whole, count = tuple(members), len(members)
    results = []
    for member in members:
        others = [other for other in members if other != member]
        shapley = 0.0
        for size in range(count):
            share = 1 / (count * math.comb(count - 1, size))
            for held in itertools.combinations(others, size):
                shapley += share * (value[tuple(sorted((*held, member)))] - value[held])
        results.append(Contribution(value[(member,)], value[whole] - value[tuple(others)], shapley))
    return results


def oracle(answers: Sequence[Predictions]) -> float:
    """The share of clips that at least one of several has right, over those that all have scored."""
    correct = np.stack([prediction.correct() for prediction in answers])
    known = (correct >= 0).all(axis=0)
    return float(correct[:, known].any(axis=0).mean()) if known.any() else math.nan


def disagreement(answers: Sequence[Predictions]) -> float:
    """The share of clips to which two members give different answers, mean over pairs; NaN for one member."""
    best = np.stack([prediction.best for prediction in answers])
    best = best[:, (best >= 0).all(axis=0)]
    pairs = [float((best[a] != best[b]).mean()) for a, b in itertools.combinations(range(len(best)), 2)]
    return float(np.mean(pairs)) if pairs else math.nan
