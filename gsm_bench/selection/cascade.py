"""Cascades: more models only for the clips that are not sure enough, simulated from scores that are there.

After each member the running mean of the scores so far says how sure it is; a clip goes on while its sureness is at
most the threshold. At threshold 0 nobody goes on, at 1 everybody does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import fuse_blocks, running_mean
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.entries import Rule, Space
from gsm_bench.metrics.cascade_rule import goes_on, sureness
from gsm_bench.metrics.folds import folds_of
from gsm_bench.metrics.topk import BEYOND, label_ranks
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.selection.pool import Choice

RULES: tuple[Rule, ...] = get_args(Rule)
QUANTILES = 40
"""Thresholds tried: as many quantiles of the sureness after the first member, and the two ends."""


@dataclass(frozen=True)
class Stages:
    """What is known after each of K members, for the n clips that all have scored and that have a label.

    Attributes:
        ranks: int64 [K, n], the place of the label in the running mean, from 0.
        sureness: float64 [K, n] in 0..1 per rule.
        macs: [K] multiply-adds spent by then; NaN where a member does not say.
        rows: int64 [n], the clips' rows.
    """

    ranks: NDArray[np.int64]
    sureness: dict[Rule, NDArray[np.float64]]
    macs: NDArray[np.float64]
    rows: NDArray[np.int64]

    @property
    def costs(self) -> NDArray[np.float64]:
        """What is spent by each stage: operations, or members where a member's operations are not known."""
        return np.arange(1.0, len(self.macs) + 1) if np.isnan(self.macs).any() else self.macs


@dataclass(frozen=True)
class Setting:
    """A rule and its thresholds, one for each member but the last."""

    rule: Rule
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class Simulated:
    """What a cascade comes to: the last stage int64 [n] of each clip, from 0, and the place of its label there."""

    stop: NDArray[np.int64]
    ranks: NDArray[np.int64]
    macs: NDArray[np.float64]

    def top(self, k: int) -> float:
        return float((self.ranks < k).mean())

    @property
    def mean_macs(self) -> float:
        return float(self.macs.mean())

    def shares(self, stages: int) -> list[float]:
        """The share of clips that reach each stage."""
        return [float((self.stop >= stage).mean()) for stage in range(stages)]


def stages_of(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], choices: Sequence[Choice]
) -> Stages:
    """Run every member on every clip, once; all settings are simulated from this."""
    scored = np.logical_and.reduce([member.status != NOT_SCORED for member in members]) & (labels != -1)
    rows = np.flatnonzero(scored)
    weights = [member.spec.weight for member in members]
    ranks = np.empty((len(members), len(labels)), np.int64)
    sure = {rule: np.empty((len(members), len(labels))) for rule in RULES}
    for block in fuse_blocks(members, task, space):
        kept = np.flatnonzero(scored[block.rows])
        for stage in range(len(members)):
            mean = running_mean([scores[kept] for scores in block.member_scores[: stage + 1]], weights[: stage + 1])
            wanted = labels[block.rows][kept]
            places = label_ranks(mean, np.maximum(wanted, 0))
            ranks[stage, block.start + kept] = np.where(wanted < 0, BEYOND, places)
            for rule in RULES:
                sure[rule][stage, block.start + kept] = sureness(mean, space, rule)
    macs = np.cumsum([math.nan if choice.macs is None else float(choice.macs) for choice in choices])
    return Stages(ranks[:, rows], {rule: values[:, rows] for rule, values in sure.items()}, macs, rows)


def simulate(stages: Stages, setting: Setting) -> Simulated:
    """Where each clip stops, and what it is answered there."""
    stop = np.zeros(stages.ranks.shape[1], np.int64)
    for stage, threshold in enumerate(setting.thresholds):
        here = stop == stage
        stop[here & goes_on(stages.sureness[setting.rule][stage], threshold)] = stage + 1
    clips = np.arange(len(stop))
    return Simulated(stop, stages.ranks[stop, clips], stages.macs[stop])


def settings_of(stages: Stages, rules: Sequence[Rule] = RULES, steps: int = QUANTILES) -> list[Setting]:
    """Settings with one threshold for all stages, from the first member alone to all members for every clip."""
    found: list[Setting] = []
    for rule in rules:
        inner = np.quantile(stages.sureness[rule][0], np.arange(1, steps) / steps) if len(stages.rows) else []
        thresholds = dict.fromkeys((0.0, *map(float, inner), 1.0))
        found += [Setting(rule, (threshold,) * (len(stages.ranks) - 1)) for threshold in thresholds]
    return found


def choose(stages: Stages, settings: Sequence[Setting], clips: NDArray[np.bool_], budget: float | None) -> Setting:
    """The best setting for some clips.

    Within a budget of mean multiply-adds the most accurate, of equals the cheapest; without one the cheapest that is
    at least as accurate as all members together.
    """
    runs = [simulate(stages, setting) for setting in settings]
    right = np.array([(run.ranks[clips] == 0).sum() for run in runs])
    cost = np.array([stages.costs[run.stop[clips]].mean() for run in runs])
    if budget is None:
        allowed = right >= (stages.ranks[-1][clips] == 0).sum()
        return settings[min(np.flatnonzero(allowed).tolist(), key=lambda at: (cost[at], -right[at]))]
    allowed = cost <= budget
    places = np.flatnonzero(allowed).tolist() or [int(cost.argmin())]
    return settings[min(places, key=lambda at: (-right[at], cost[at]))]


def held_out(stages: Stages, settings: Sequence[Setting], folds: NDArray[np.int64], budget: float | None) -> Simulated:
    """Every clip answered by the setting that the clips of the other folds chose."""
    stop, ranks = np.zeros(len(folds), np.int64), np.zeros(len(folds), np.int64)
    for fold in np.unique(folds):
        mine = folds == fold
        run = simulate(stages, choose(stages, settings, ~mine, budget))
        stop[mine], ranks[mine] = run.stop[mine], run.ranks[mine]
    return Simulated(stop, ranks, stages.macs[stop])


@dataclass(frozen=True)
class CascadeStudy:
    """A cascade to be set: what its stages know, and what is wanted of it.

    Attributes:
        labels: of the members, in the order in which they run.
        groups: int64 [n] of the stages' clips, or None.
        budget: mean multiply-adds per clip at most; None for as accurate as all members at the least cost.
        saved: a setting that is shown besides, and its name.
    """

    labels: Sequence[str]
    stages: Stages
    groups: NDArray[np.int64] | None
    rules: Sequence[Rule]
    budget: float | None = None
    folds: int = 5
    saved: tuple[str, Setting] | None = None

    @property
    def settings(self) -> list[Setting]:
        return settings_of(self.stages, self.rules)

    @property
    def chosen(self) -> Setting:
        everyone = np.ones(len(self.stages.rows), bool)
        return choose(self.stages, self.settings, everyone, self.budget)


def all_stop_at(stages: Stages, last: int) -> Simulated:
    stop = np.full(stages.ranks.shape[1], last)
    return Simulated(stop, stages.ranks[last], stages.macs[stop])


def held_out_run(study: CascadeStudy) -> Simulated:
    folds = folds_of(len(study.stages.rows), study.groups, study.folds)
    return held_out(study.stages, study.settings, folds, study.budget)
