"""Weights for a pool: greedy counts, continuous weights, and a temperature per member; with a held-out estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import member_mean
from gsm_bench.ensembles.members import OpenMember, shared_out
from gsm_bench.entries import Space
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import Predictions, predict
from gsm_bench.metrics.folds import folds_of
from gsm_bench.metrics.paired import PairedDifference, paired_difference
from gsm_bench.metrics.softmax import SMALLEST_PROBABILITY, log_softmax
from gsm_bench.metrics.temperature import fit_temperature
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.selection.greedy import ROUNDS, MemberScores, member_scores, select
from gsm_bench.selection.subsets import Progress

Method = Literal["greedy", "weights"]
LEAST_SHARE = 0.005
"""Smaller shares than this are noise of the fit: such members are left out."""

Fit = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


@dataclass(frozen=True)
class Weighted:
    """A pool weighted.

    Attributes:
        weights: float64 [M], shares of all that sum to one; 0 for members left out.
        single: the best member alone.
        answers, single_answers: of the weighted pool and of that member, to all clips.
        held_out: the accuracy of both, weighted and single, each chosen on other folds.
        gain: of the weighted pool over the best single one, both chosen on other folds, with an interval that counts
            the choosing (Nadeau and Bengio 2003: the folds share most of the clips that chose).
        clips: how many were used.
    """

    weights: NDArray[np.float64]
    single: int
    answers: Predictions
    single_answers: Predictions
    held_out: tuple[float, float]
    gain: PairedDifference
    clips: int

    @property
    def searched(self) -> float:
        """The gain over the best single member on the clips that chose."""
        return _accuracy(self.answers.correct()) - _accuracy(self.single_answers.correct())


def weigh(
    members: Sequence[OpenMember], task: str, space: Space, truth: GroundTruth, method: Method, *, folds: int = 5,
    rounds: int = ROUNDS, k: int = 1, progress: Progress = lambda done, total: None,
) -> Weighted:  # fmt: skip
    """Weigh an open pool, on all clips and again on all but each fold.

    Raises:
        GsmBenchError: no clip has a label and a score in every member.
    """
    labels = truth.labels[task]
    pieces = member_scores(members, task, space, labels)
    if not pieces:
        raise GsmBenchError("no clip has a label and a score in every member", fix="score the missing clips")
    used = np.zeros(len(labels), bool)
    used[np.concatenate([piece.rows for piece in pieces])] = True
    alone = np.stack([_ranks(pieces, np.eye(len(members))[at], len(labels)) for at in range(len(members))])
    steps = iter(range(folds + 1))

    def fit(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        if method == "greedy":
            found = select(pieces, chosen, len(members), rounds=rounds, k=k).astype(np.float64)
        else:
            found = fit_weights(_scores(members, task, space, np.flatnonzero(chosen)), labels[chosen], space)
        progress(next(steps, folds) + 1, folds + 1)
        shares: NDArray[np.float64] = found / found.sum()
        return shares

    weights = fit(used)
    single = int((alone[:, used] < k).sum(axis=1).argmax())
    part = folds_of(len(labels), truth.groups, folds)
    mine, best = np.full(len(labels), -1), np.full(len(labels), -1)
    for fold in np.unique(part[used]):
        inside = used & (part == fold)
        others = used & ~inside
        mine[inside] = _ranks(pieces, fit(others), len(labels))[inside]
        best[inside] = alone[int((alone[:, others] < k).sum(axis=1).argmax()), inside]
    sides = [np.where(used, ranks < k, -1).astype(np.int8) for ranks in (mine, best)]
    gain = paired_difference(sides[0], sides[1], truth.groups)
    count = len(np.unique(part[used]))
    wider = np.sqrt(1 + count / max(1, count - 1))
    gain = replace(
        gain, low=gain.value - wider * (gain.value - gain.low), high=gain.value + wider * (gain.high - gain.value)
    )
    return Weighted(
        weights, single, predict(taken(members, weights), task, space, labels),
        predict(shared_out([members[single]]), task, space, labels),
        (_accuracy(sides[0]), _accuracy(sides[1])), gain, int(used.sum()),
    )  # fmt: skip


def taken(members: Sequence[OpenMember], weights: NDArray[np.float64]) -> list[OpenMember]:
    """The members with a share, at that share."""
    return [replace(member, weight=float(share)) for member, share in zip(members, weights, strict=True) if share > 0]


def fit_weights(scores: NDArray[np.float32], labels: NDArray[np.integer], space: Space) -> NDArray[np.float64]:
    """Weights [M] at least 0 that minimise the NLL of the fused scores.

    The NLL is convex in the weights, of log-linear and of linear pools alike; the scale of logits is free, and of no
    matter for the ranking.

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
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(scores)).x
    shares: NDArray[np.float64] = found / found.sum() if found.sum() > 0 else start
    shares[shares < LEAST_SHARE] = 0
    return shares


def member_temperatures(members: Sequence[OpenMember], task: str, truth: GroundTruth) -> list[float]:
    """The temperature of each member that minimises its own NLL on the clips with a label."""
    found = []
    for member in members:
        kind = member.head.kinds[task]
        space: Space = "logits" if kind == "logits" else "log_probabilities"
        labels = truth.labels[task]
        rows = np.flatnonzero((member.status != NOT_SCORED) & (labels >= 0))
        scores = member_mean(member, task, space, slice(0, len(labels)))[rows]
        found.append(fit_temperature(scores, labels[rows]))
    return found


def _scores(members: Sequence[OpenMember], task: str, space: Space, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Means over views float32 [M, n, C] of some rows."""
    total = len(members[0].head)
    return np.stack([member_mean(member, task, space, slice(0, total))[rows].astype(np.float32) for member in members])


def _ranks(pieces: Sequence[MemberScores], weights: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    ranks = np.full(total, -1)
    for piece in pieces:
        ranks[piece.rows] = piece.ranks(weights)
    return ranks


def _accuracy(correct: NDArray[np.int8]) -> float:
    return float(correct[correct >= 0].mean())
