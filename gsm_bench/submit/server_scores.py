"""The scores in a submission: row-wise log-probabilities of verbs and nouns, rounded without changing a ranking."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.top_actions import SERVED, TopActions, top_actions

LEAST_DECIMALS, MOST_DECIMALS = 5, 12
TIE = 1e-12
"""Scores closer than this, relative to their size, are tied: they differ by rounding errors of float64 only."""

Floats = NDArray[np.float64]
Order = NDArray[np.int64]


@dataclass(frozen=True)
class ServerScores:
    """The scores of one split.

    Attributes:
        ids: of N segments.
        verb, noun: float64 [N, C] log-probabilities.
        actions: the best actions of every segment, or None if the file has none.
        sls: supervision levels by name; empty if the target has none.
    """

    ids: tuple[str, ...]
    verb: Floats
    noun: Floats
    actions: TopActions | None = None
    sls: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """sha256 of all values; it depends neither on the order of segments nor on how numbers are written."""
        order = sorted(range(len(self)), key=self.ids.__getitem__)
        digest = hashlib.sha256(repr((sorted(self.sls.items()), [self.ids[row] for row in order])).encode())
        digest.update(np.ascontiguousarray(self.verb[order]).tobytes())
        digest.update(np.ascontiguousarray(self.noun[order]).tobytes())
        if self.actions is not None:
            for part in (self.actions.verbs, self.actions.nouns, self.actions.scores):
                digest.update(np.ascontiguousarray(part[order]).tobytes())
        return digest.hexdigest()

    @property
    def ranked(self) -> TopActions:
        """The 100 best actions as the server ranks them: those in the file, else from verb x noun."""
        return self.actions if self.actions is not None else top_actions(self.verb, self.noun)


def rounded(content: ServerScores) -> ServerScores:
    """The same scores, each row rounded to the fewest decimals, at least five, that keep its ranking.

    A row keeps its ranking if verbs, nouns and the 100 best actions keep their order and different scores stay
    different. A row whose ranking needs more than 12 decimals is not rounded.
    """
    verb, noun = content.verb.copy(), content.noun.copy()
    scores = None if content.actions is None else content.actions.scores.copy()
    rows = np.arange(len(content))
    for decimals in range(LEAST_DECIMALS, MOST_DECIMALS + 1):
        verb[rows], noun[rows] = _grid(content.verb[rows], decimals), _grid(content.noun[rows], decimals)
        kept = _same_order(content.verb[rows], decimals) & _same_order(content.noun[rows], decimals)
        if scores is None or content.actions is None:
            kept &= _same_actions(content.verb[rows], content.noun[rows], decimals)
        else:
            scores[rows] = _grid(content.actions.scores[rows], decimals)
            kept &= _strictly_kept(content.actions.scores[rows], _units(content.actions.scores[rows], decimals))
        rows = rows[~kept]
        if not rows.size:
            break
    verb[rows], noun[rows] = content.verb[rows], content.noun[rows]
    actions = content.actions
    if actions is not None and scores is not None:
        scores[rows] = actions.scores[rows]
        actions = TopActions(actions.verbs, actions.nouns, scores)
    return ServerScores(content.ids, verb, noun, actions, content.sls)


def consistent(scores: Floats) -> NDArray[np.bool_]:
    """Bool [n]: whether scores [n, k] fall along each row, up to rounding errors."""
    return np.asarray((np.diff(scores, axis=1) <= _tolerance(scores)).all(axis=1))


def pair_scores(verb: Floats, noun: Floats, best: TopActions) -> Floats:
    """Sums [n, k] of the scores of some pairs."""
    return np.take_along_axis(verb, best.verbs, 1) + np.take_along_axis(noun, best.nouns, 1)


def _units(scores: Floats, decimals: int) -> Floats:
    """Scores in units of the last decimal: integers, which float64 and their sums hold exactly."""
    return np.rint(scores * 10.0**decimals)


def _grid(scores: Floats, decimals: int) -> Floats:
    return _units(scores, decimals) / 10.0**decimals


def _tolerance(scores: Floats) -> Floats:
    """The largest difference float64 [n, k - 1] at which two neighbours are tied."""
    return TIE * np.maximum(np.abs(scores[:, 1:]), 1.0)


def _strictly_kept(scores: Floats, units: Floats) -> NDArray[np.bool_]:
    """Bool [n]: whether units [n, k] fall exactly where the falling scores [n, k] do."""
    falls = scores[:, :-1] - scores[:, 1:] > _tolerance(scores)
    steps = units[:, :-1] - units[:, 1:]
    return np.asarray(np.where(falls, steps > 0, steps == 0).all(axis=1))


def _same_order(scores: Floats, decimals: int) -> NDArray[np.bool_]:
    order = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order, 1)
    return _strictly_kept(ranked, np.take_along_axis(_units(scores, decimals), order, 1))


def _same_actions(verb: Floats, noun: Floats, decimals: int) -> NDArray[np.bool_]:
    """Bool [n]: whether rounding keeps the 100 best pairs, their order, and their distance from all others.

    Pairs beyond the 101st are compared as long as rounding ties them with the 100th.
    """
    same = np.ones(len(verb), bool)
    rows, k, pairs = np.arange(len(verb)), SERVED + 1, verb.shape[1] * noun.shape[1]
    while rows.size:
        kept, tied = _same_best(verb[rows], noun[rows], decimals, min(k, pairs))
        same[rows] = kept
        rows = rows[kept & tied] if k < pairs else rows[:0]
        k *= 2
    return same


def _same_best(verb: Floats, noun: Floats, decimals: int, k: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Bool [n] twice: whether rounding keeps the k best pairs in order, and whether it ties the 100th with the last."""
    before, last = top_actions(verb, noun, k), min(SERVED, k) - 1
    after = top_actions(_units(verb, decimals), _units(noun, decimals), k)
    old, new = pair_scores(verb, noun, after), pair_scores(_units(verb, decimals), _units(noun, decimals), after)
    complete = old[:, last] >= pair_scores(verb, noun, before)[:, last] - TIE
    return consistent(old) & _strictly_kept(old, new) & complete, new[:, -1] >= new[:, last]
