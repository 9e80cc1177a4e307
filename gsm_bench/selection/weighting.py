"""Weights for a pool: how often greedy selection takes each member, or continuous weights; with a held-out estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import member_mean
from gsm_bench.ensembles.members import MemberSpec, OpenMember, shared_out
from gsm_bench.errors import GsmBenchError, TaskError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import Predictions, predict
from gsm_bench.evaluation.significance import holm_p_values_vs_best
from gsm_bench.metrics.folds import folds_of
from gsm_bench.metrics.intervals import Interval, accuracy_interval
from gsm_bench.metrics.paired import PairedDifference, paired_difference
from gsm_bench.metrics.softmax import SMALLEST_PROBABILITY, log_softmax
from gsm_bench.selection.candidates import NO_VIDEOS
from gsm_bench.selection.config import DEFAULTS, DERIVED_FIX, SearchConfig, SearchTask, resolve
from gsm_bench.selection.greedy import MemberScores, member_scores, select
from gsm_bench.selection.pool import Choice, choices_of
from gsm_bench.selection.subsets import Progress
from gsm_bench.settings import Space

Method = Literal["greedy", "weights"]
LEAST_SHARE = 0.005
"""Smaller shares than this are noise of the fit: such members are left out."""

Fit = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


@dataclass(frozen=True)
class WeightedRow:
    """The weighted pool, or its best single member.

    Attributes:
        choices: the members that have a weight.
        accuracy: top-1 and top-5 on all videos, as fractions.
        interval: the 95% interval of its top-1.
        held_out: accuracy where the weights, or the single member, were chosen on the other folds.
        p: of the paired test against the better of the two; None for that one.
    """

    choices: tuple[Choice, ...]
    accuracy: dict[int, float]
    interval: Interval
    held_out: float
    p: float | None


@dataclass(frozen=True)
class WeightedResult:
    """A pool weighted.

    Attributes:
        config, method: as asked for.
        task, space: what was fused, and how.
        tasks: of the score files.
        choices: of the pool.
        weights: float64 [M], shares that sum to one; 0 for members left out.
        members: of the pool, with their temperatures.
        best: the members that have a weight, with that weight and their temperature.
        single, weighted: the best member alone, and the weighted pool.
        searched: the gain in top-1 of the weighted pool over that member, on the videos that chose them.
        gain: the same where both are chosen on the other folds. The interval counts the choosing (Nadeau and Bengio
            2003: the folds share most of the videos that chose).
        videos: how many all members have scored and that have a label.
        left_out: the other videos.
        unverified: whether some rows were matched by position.
    """

    config: SearchConfig
    method: Method
    task: str
    space: Space
    tasks: tuple[str, ...]
    choices: tuple[Choice, ...]
    weights: NDArray[np.float64]
    members: tuple[MemberSpec, ...]
    best: tuple[MemberSpec, ...]
    single: WeightedRow
    weighted: WeightedRow
    searched: float
    gain: PairedDifference
    videos: int
    left_out: int
    unverified: bool

    @property
    def optimism(self) -> float:
        """How much of the gain was lost on videos that did not take part in the choice."""
        return self.searched - self.gain.value


def weigh(
    members: Sequence[OpenMember], truth: GroundTruth, method: Method, config: SearchConfig = DEFAULTS, *,
    progress: Progress = lambda done, total: None,
) -> WeightedResult:  # fmt: skip
    """Weigh an open pool, on all videos and again on all but each fold.

    Args:
        progress: called with fits done and fits in all.

    Raises:
        GsmBenchError: no video has a label and a score in every member.
        TaskError, LabelError: as `resolve`; or actions would follow from verbs and nouns.
    """
    task = resolve(members, truth, config)
    if task.rule:
        raise TaskError("actions from verb x noun have no weights", fix=DERIVED_FIX)
    labels = truth.labels[task.name]
    blocks = member_scores(task.members, task.name, task.space, labels)
    if not blocks:
        raise GsmBenchError(NO_VIDEOS, fix="score the missing videos")
    used = np.zeros(len(labels), bool)
    used[np.concatenate([block.rows for block in blocks])] = True
    fit = _fit(task, blocks, labels, method, config, progress)
    weights = fit(used)
    alone = np.stack([_ranks(blocks, np.eye(len(members))[at], len(labels)) for at in range(len(members))])
    folds = folds_of(len(labels), truth.groups, config.folds)
    ranks = _held_out_ranks(blocks, alone, used, folds, fit, config.k)
    return _result(task, truth, method, config, weights, _best_row(alone[:, used], config.k), used, folds, ranks)


def _fit(
    task: SearchTask, blocks: Sequence[MemberScores], labels: NDArray[np.integer], method: Method,
    config: SearchConfig, progress: Progress,
) -> Fit:  # fmt: skip
    """A function of the videos that choose, bool [N], to weights [M] that sum to one."""
    steps = iter(range(config.folds + 1))

    def fit(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        if method == "greedy":
            counts = select(blocks, chosen, len(task.members), rounds=config.rounds, k=config.k)
            weights = counts.astype(np.float64)
        else:
            weights = fit_weights(_scores(task, np.flatnonzero(chosen)), labels[chosen], task.space)
        progress(next(steps, config.folds) + 1, config.folds + 1)
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares

    return fit


def _best_row(ranks: NDArray[np.int64], k: int) -> int:
    """The row of ranks [M, n] with most videos right."""
    return int((ranks < k).sum(axis=1).argmax())


def _held_out_ranks(
    blocks: Sequence[MemberScores], alone: NDArray[np.int64], used: NDArray[np.bool_], folds: NDArray[np.int64],
    fit: Fit, k: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """Ranks [N] of the labels by the weights, and by the best single member, that the other folds chose."""
    weighted, single = np.full(len(folds), -1), np.full(len(folds), -1)
    for fold in np.unique(folds[used]):
        inside = used & (folds == fold)
        others = used & ~inside
        weighted[inside] = _ranks(blocks, fit(others), len(folds))[inside]
        single[inside] = alone[_best_row(alone[:, others], k), inside]
    return weighted, single


def _result(
    task: SearchTask, truth: GroundTruth, method: Method, config: SearchConfig, weights: NDArray[np.float64],
    single: int, used: NDArray[np.bool_], folds: NDArray[np.int64], ranks: Sequence[NDArray[np.int64]],
) -> WeightedResult:  # fmt: skip
    labels, choices = truth.labels[task.name], choices_of(task.members)
    held_out = [np.where(used, side < config.k, -1).astype(np.int8) for side in ranks]
    members = [taken(task.members, weights), shared_out([task.members[single]])]
    weighted, alone = (predict(side, task.name, task.space, labels) for side in members)
    p_values = holm_p_values_vs_best([alone.correct(), weighted.correct()], truth.groups)
    places = [[single], np.flatnonzero(weights).tolist()]
    rows = [
        _row([choices[at] for at in side], predictions, right, p, truth)
        for side, predictions, right, p in zip(places, (alone, weighted), reversed(held_out), p_values, strict=True)
    ]
    best = [
        replace(member.spec, weight=float(share))
        for member, share in zip(task.members, weights, strict=True)
        if share > 0
    ]
    return WeightedResult(
        config, method, task.name, task.space, task.tasks, tuple(choices), weights,
        tuple(member.spec for member in task.members), tuple(best), rows[0], rows[1],
        _accuracy(weighted.correct()) - _accuracy(alone.correct()),
        _widened(paired_difference(held_out[0], held_out[1], truth.groups), len(np.unique(folds[used]))),
        int(used.sum()), len(labels) - int(used.sum()), task.unverified,
    )  # fmt: skip


def _row(
    choices: Sequence[Choice], predictions: Predictions, held_out: NDArray[np.int8], p: float | None, truth: GroundTruth
) -> WeightedRow:
    correct = predictions.correct()
    accuracy = {1: _accuracy(correct), 5: _accuracy(predictions.correct(5))}
    return WeightedRow(tuple(choices), accuracy, accuracy_interval(correct, truth.groups), _accuracy(held_out), p)


def _widened(gain: PairedDifference, folds: int) -> PairedDifference:
    """The gain with the interval of an estimate by so many folds."""
    wider = np.sqrt(1 + folds / max(1, folds - 1))
    low, high = gain.value - wider * (gain.value - gain.low), gain.value + wider * (gain.high - gain.value)
    return replace(gain, low=low, high=high)


def taken(members: Sequence[OpenMember], weights: NDArray[np.float64]) -> list[OpenMember]:
    """The members with a share in `weights` [M], with that share as weight."""
    return [replace(member, weight=float(share)) for member, share in zip(members, weights, strict=True) if share > 0]


def fit_weights(scores: NDArray[np.float32], labels: NDArray[np.integer], space: Space) -> NDArray[np.float64]:
    """Weights [M] of at least 0 that minimise the NLL of the fused scores.

    The NLL is convex in the weights, for log-linear and for linear pools. The scale of logits is free, because it does
    not change the ranking.

    Args:
        scores: float32 [M, n, C] in the space.
        labels: integers [n].
    """
    from scipy.optimize import minimize

    rows, own = np.arange(len(labels)), labels.astype(np.int64)
    mine = scores[:, rows, own].astype(np.float64)  # [M, n]

    def log_linear(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logs = log_softmax(np.tensordot(weights.astype(np.float32), scores, axes=1).astype(np.float64))
        chances = np.exp(logs).astype(np.float32)
        slopes = np.array([float((member * chances).sum(dtype=np.float64)) for member in scores]) - mine.sum(axis=1)
        return float(-logs[rows, own].mean()), slopes / len(rows)

    def linear(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, fused = weights.sum(), np.maximum(weights @ mine, SMALLEST_PROBABILITY)
        return float(np.log(total) - np.log(fused).mean()), 1 / total - (mine / fused).mean(axis=1)

    objective = linear if space == "probabilities" else log_linear
    start = np.full(len(scores), 1 / len(scores))
    weights = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(scores)).x
    shares: NDArray[np.float64] = weights / weights.sum() if weights.sum() > 0 else start
    shares[shares < LEAST_SHARE] = 0
    return shares


def _scores(task: SearchTask, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Means over views float32 [M, n, C] of some rows."""
    every = slice(0, len(task.members[0].head))
    means = [member_mean(member, task.name, task.space, every)[rows] for member in task.members]
    return np.stack([mean.astype(np.float32) for mean in means])


def _ranks(blocks: Sequence[MemberScores], weights: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    ranks = np.full(total, -1)
    for block in blocks:
        ranks[block.rows] = block.ranks(weights)
    return ranks


def _accuracy(correct: NDArray[np.int8]) -> float:
    """The share of 1 among the values of at least 0."""
    return float(correct[correct >= 0].mean())
