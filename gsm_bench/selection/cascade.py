"""Cascades simulated from score files: later members run only on videos whose confidence so far is low.

After each member the running mean of the scores so far has a confidence in 0..1. A video continues to the next member
while its confidence is at most the threshold. At threshold 0 no video continues, at 1 every video does.
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
from gsm_bench.metrics.cascade_rule import confidence, continues
from gsm_bench.metrics.topk import BEYOND, label_ranks
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.selection.pool import Choice
from gsm_bench.settings import Rule, Space

RULES: tuple[Rule, ...] = get_args(Rule)
QUANTILES = 40
"""Thresholds that are tried: so many quantiles of the confidence after the first member, and 0 and 1."""


@dataclass(frozen=True)
class Stages:
    """The state after each of K members, for the n videos that all have scored and that have a label.

    Attributes:
        ranks: int64 [K, n], the rank of the label in the running mean, from 0.
        confidence: float64 [K, n], the confidence in 0..1 per rule.
        macs: float64 [K], multiply-adds spent up to this member; NaN if unknown for a member.
        rows: int64 [n], the videos' rows in the score files.
    """

    ranks: NDArray[np.int64]
    confidence: dict[Rule, NDArray[np.float64]]
    macs: NDArray[np.float64]
    rows: NDArray[np.int64]

    @property
    def costs(self) -> NDArray[np.float64]:
        """Cost float64 [K] up to each member: multiply-adds, or members where some multiply-adds are unknown."""
        return np.arange(1.0, len(self.macs) + 1) if np.isnan(self.macs).any() else self.macs


@dataclass(frozen=True)
class Setting:
    """A rule and its thresholds, one for each member but the last."""

    rule: Rule
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class Simulated:
    """A simulated cascade.

    Attributes:
        stop: int64 [n], the last member of each video, from 0.
        ranks: int64 [n], the rank of its label there, from 0.
        macs: float64 [n], multiply-adds spent on it.
    """

    stop: NDArray[np.int64]
    ranks: NDArray[np.int64]
    macs: NDArray[np.float64]

    def correct(self, k: int = 1) -> NDArray[np.int8]:
        """int8 [n]: 1 if the label is among the k best, else 0."""
        return (self.ranks < k).astype(np.int8)

    def top(self, k: int) -> float:
        """Top-k accuracy, as a fraction."""
        return float((self.ranks < k).mean())

    @property
    def mean_macs(self) -> float:
        """Multiply-adds per video."""
        return float(self.macs.mean())

    def shares(self, stages: int) -> list[float]:
        """The share of videos that reach each member."""
        return [float((self.stop >= stage).mean()) for stage in range(stages)]


def stages_of(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], choices: Sequence[Choice]
) -> Stages:
    """Ranks and confidences after every member, for all videos; all settings are simulated from them.

    Args:
        labels: int [N], -1 unknown.
        choices: of the members, for their costs.
    """
    scored = np.logical_and.reduce([member.status != NOT_SCORED for member in members]) & (labels != -1)
    rows = np.flatnonzero(scored)
    weights = [member.spec.weight for member in members]
    ranks = np.empty((len(members), len(labels)), np.int64)
    levels = {rule: np.empty((len(members), len(labels))) for rule in RULES}
    for block in fuse_blocks(members, task, space):
        kept = np.flatnonzero(scored[block.rows])
        for stage in range(len(members)):
            mean = running_mean([scores[kept] for scores in block.member_scores[: stage + 1]], weights[: stage + 1])
            known = labels[block.rows][kept]
            label_rank = label_ranks(mean, np.maximum(known, 0))
            ranks[stage, block.start + kept] = np.where(known < 0, BEYOND, label_rank)
            for rule in RULES:
                levels[rule][stage, block.start + kept] = confidence(mean, space, rule)
    macs = np.cumsum([math.nan if choice.macs is None else float(choice.macs) for choice in choices])
    return Stages(ranks[:, rows], {rule: values[:, rows] for rule, values in levels.items()}, macs, rows)


def simulate(stages: Stages, setting: Setting) -> Simulated:
    """Where each video stops under a setting, and the rank of its label there."""
    stop = np.zeros(stages.ranks.shape[1], np.int64)
    for stage, threshold in enumerate(setting.thresholds):
        here = stop == stage
        stop[here & continues(stages.confidence[setting.rule][stage], threshold)] = stage + 1
    return Simulated(stop, stages.ranks[stop, np.arange(len(stop))], stages.macs[stop])


def all_stop_at(stages: Stages, last: int) -> Simulated:
    """Every video runs through the members up to `last`, from 0."""
    stop = np.full(stages.ranks.shape[1], last)
    return Simulated(stop, stages.ranks[last], stages.macs[stop])


def settings_of(stages: Stages, rules: Sequence[Rule] = RULES, steps: int = QUANTILES) -> list[Setting]:
    """Settings with one threshold for all members, from the first member alone to all members for every video."""
    settings: list[Setting] = []
    for rule in rules:
        inner = np.quantile(stages.confidence[rule][0], np.arange(1, steps) / steps) if len(stages.rows) else []
        thresholds = dict.fromkeys((0.0, *map(float, inner), 1.0))
        settings += [Setting(rule, (threshold,) * (len(stages.ranks) - 1)) for threshold in thresholds]
    return settings


def choose(stages: Stages, settings: Sequence[Setting], videos: NDArray[np.bool_], budget: float | None) -> Setting:
    """The best setting for some videos, bool [n].

    Within a budget of mean multiply-adds it is the most accurate, of equals the cheapest. Without a budget it is the
    cheapest that is at least as accurate as all members together.
    """
    runs = [simulate(stages, setting) for setting in settings]
    right = np.array([(run.ranks[videos] == 0).sum() for run in runs])
    cost = np.array([stages.costs[run.stop[videos]].sum() for run in runs]) / max(1, int(videos.sum()))
    if budget is None:
        allowed = right >= (stages.ranks[-1][videos] == 0).sum()
        return settings[min(np.flatnonzero(allowed).tolist(), key=lambda at: (cost[at], -right[at]))]
    allowed = cost <= budget
    places = np.flatnonzero(allowed).tolist() or [int(cost.argmin())]
    return settings[min(places, key=lambda at: (-right[at], cost[at]))]


def held_out(stages: Stages, settings: Sequence[Setting], folds: NDArray[np.int64], budget: float | None) -> Simulated:
    """A simulation in which the other folds choose the setting of each video; folds int64 [n]."""
    stop, ranks = np.zeros(len(folds), np.int64), np.zeros(len(folds), np.int64)
    for fold in np.unique(folds):
        inside = folds == fold
        run = simulate(stages, choose(stages, settings, ~inside, budget))
        stop[inside], ranks[inside] = run.stop[inside], run.ranks[inside]
    return Simulated(stop, ranks, stages.macs[stop])
