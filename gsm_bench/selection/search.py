"""The best ensembles of a pool: accuracy against cost, with a held-out estimate of what the search gained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import MemberSpec, OpenMember, shared_out
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.actions import ActionRule
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import Predictions, predict
from gsm_bench.evaluation.significance import holm_p_values_vs_best
from gsm_bench.metrics.folds import folds_of
from gsm_bench.metrics.intervals import Interval, accuracy_interval
from gsm_bench.selection.action_subsets import count_action_subsets
from gsm_bench.selection.candidates import Candidates, candidates_of
from gsm_bench.selection.config import DEFAULTS, SearchConfig, SearchTask, resolve
from gsm_bench.selection.contributions import Contribution, contributions, disagreement, oracle
from gsm_bench.selection.held_out import PARTS, HeldOutGain
from gsm_bench.selection.pool import Choice, choices_of
from gsm_bench.selection.subsets import Progress, SubsetHits, count_subsets
from gsm_bench.settings import Space

__all__ = ["SearchConfig", "SearchResult", "SearchRow", "search"]
MOST_CHOICES = 16
PredictSubset = Callable[[int], Predictions]


@dataclass(frozen=True)
class SearchRow:
    """A subset that is the best for its cost.

    Attributes:
        members: labels of its members.
        macs, params: None if unknown for a member.
        hits: videos whose label is among the `SearchConfig.k` best.
        accuracy: top-k per k, as fractions.
        interval: the 95% interval of the accuracy that was searched for.
        held_out: accuracy of the same search on videos that did not take part in the choice.
        fronts: costs it is the best for: "macs", "params" or "members".
        p: of the paired test against the most accurate row, Holm-corrected; None for that row.
        best: whether it is the best within the budget.
    """

    members: tuple[str, ...]
    macs: int | None
    params: int | None
    hits: int
    accuracy: dict[int, float]
    interval: Interval
    held_out: float
    fronts: tuple[str, ...]
    p: float | None
    best: bool


@dataclass(frozen=True)
class TriedSubsets:
    """Every subset that a search tried: bool [S, M] its members; float64 [S] multiply-adds (NaN unknown) and accuracy."""

    members: NDArray[np.bool_]
    macs: NDArray[np.float64]
    accuracy: NDArray[np.float64]


@dataclass(frozen=True)
class SearchResult:
    """A pool searched exhaustively.

    Attributes:
        config: as asked for.
        task, space, rule: what was searched; `rule` says how actions follow from verbs and nouns, where they do.
        tasks: of the score files.
        choices: of the pool.
        subsets: how many were tried within the budget.
        videos: how many all members have scored and that have a label.
        left_out: videos without a label or without a score in some member.
        groups: of those videos; None where videos are independent.
        rows: the subsets that are the best for their cost, cheapest first.
        members: of the pool, with their temperatures.
        best: members of the best subset, at equal weights and with their temperatures.
        best_choices: the same, as what they cost.
        contributions: of the best subset's members, in their order.
        oracle: share of videos that at least one of them has right.
        disagreement: share of videos for which two of them predict different classes; NaN for one member.
        gain: of the best subset over the best single choice.
        unverified: whether some rows were matched by position.
        tried: every subset within the budget; None where they were not kept.
    """

    config: SearchConfig
    task: str
    space: Space
    rule: ActionRule | None
    tasks: tuple[str, ...]
    choices: tuple[Choice, ...]
    subsets: int
    videos: int
    left_out: int
    groups: int | None
    rows: tuple[SearchRow, ...]
    members: tuple[MemberSpec, ...]
    best: tuple[MemberSpec, ...]
    best_choices: tuple[Choice, ...]
    contributions: tuple[Contribution, ...]
    oracle: float
    disagreement: float
    gain: HeldOutGain
    unverified: bool
    tried: TriedSubsets | None = field(default=None, repr=False)


def search(
    members: Sequence[OpenMember],
    truth: GroundTruth,
    config: SearchConfig = DEFAULTS,
    *,
    progress: Progress = lambda done, total: None,
) -> SearchResult:
    """Try every subset of an open pool.

    Raises:
        GsmBenchError: too many choices, a budget that no choice meets, or no video to search on.
        TaskError, LabelError: as `resolve`.
    """
    if len(members) > MOST_CHOICES:
        raise GsmBenchError(
            f"a pool of {len(members)} choices: an exact search takes at most {MOST_CHOICES}",
            fix="name fewer, with @K for the number of clips of each, or --method greedy",
        )
    task = resolve(members, truth, config)
    counts, predictions = _count(task, truth, config, progress)
    candidates = candidates_of(choices_of(task.members), counts, config)
    return _result(task, truth, config, candidates, predictions)


def _count(
    task: SearchTask, truth: GroundTruth, config: SearchConfig, progress: Progress
) -> tuple[SubsetHits, PredictSubset]:
    labels = truth.labels["verb" if task.rule else task.name]
    parts = folds_of(len(labels), truth.groups, PARTS)
    if task.rule:
        return count_action_subsets(task.members, task.rule, config.space, truth.labels, parts, progress=progress)
    counts = count_subsets(task.members, task.name, task.space, labels, parts, progress=progress)

    @cache
    def predictions(subset: int) -> Predictions:
        members = [task.members[at] for at in np.flatnonzero(counts.subsets[subset]).tolist()]
        return predict(shared_out(members), task.name, task.space, labels)

    return counts, predictions


def _result(
    task: SearchTask, truth: GroundTruth, config: SearchConfig, candidates: Candidates, predictions: PredictSubset
) -> SearchResult:
    best = candidates.members(candidates.best)
    singles = [predictions(int(candidates.single[at])) for at in best]
    videos = int(candidates.counts.videos.sum())
    return SearchResult(
        config=config,
        task=task.name,
        space=task.space,
        rule=task.rule,
        tasks=task.tasks,
        choices=tuple(candidates.choices),
        subsets=int(candidates.allowed.sum()),
        videos=videos,
        left_out=len(task.members[0].head) - videos,
        groups=None if truth.groups is None else len(np.unique(truth.groups[candidates.counts.rows])),
        rows=_rows(candidates, truth, predictions),
        members=tuple(member.spec for member in task.members),
        best=tuple(replace(task.members[at].spec, weight=1.0) for at in best),
        best_choices=tuple(candidates.choices[at] for at in best),
        contributions=tuple(contributions(candidates.counts, candidates.best, config.k)),
        oracle=oracle(singles),
        disagreement=disagreement(singles),
        gain=candidates.gain(),
        unverified=task.unverified,
        tried=_tried(candidates),
    )


def _tried(candidates: Candidates) -> TriedSubsets:
    allowed = candidates.allowed
    accuracy = np.asarray(candidates.counts.accuracy(candidates.k), np.float64)
    return TriedSubsets(candidates.counts.subsets[allowed], candidates.costs.macs[allowed], accuracy[allowed])


def _rows(candidates: Candidates, truth: GroundTruth, predictions: PredictSubset) -> tuple[SearchRow, ...]:
    fronts, hits, macs = candidates.fronts(), candidates.hits, np.nan_to_num(candidates.costs.macs)
    subsets = sorted({subset for front in fronts.values() for subset in front}, key=lambda at: (macs[at], hits[at]))
    correct = [predictions(subset).correct(candidates.k) for subset in subsets]
    p_values = holm_p_values_vs_best(correct, truth.groups)
    rows = []
    for subset, right, p in zip(subsets, correct, p_values, strict=True):
        names = tuple(name for name, front in fronts.items() if subset in front)
        cost = candidates.costs.of(names[0])
        row = SearchRow(
            members=tuple(candidates.choices[at].label for at in candidates.members(subset)),
            macs=_known(candidates.costs.macs[subset]),
            params=_known(candidates.costs.params[subset]),
            hits=int(hits[subset]),
            accuracy={k: float(candidates.counts.accuracy(k)[subset]) for k in candidates.counts.hits},
            interval=accuracy_interval(right, truth.groups),
            held_out=candidates.held_out(candidates.allowed & (cost <= cost[subset])),
            fronts=names,
            p=p,
            best=subset == candidates.best,
        )
        rows.append(row)
    return tuple(rows)


def _known(value: float) -> int | None:
    return None if np.isnan(value) else int(value)
