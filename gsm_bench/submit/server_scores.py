"""What a server's file says: row-wise log-probabilities of verbs and nouns, with as many decimals as rankings need."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.top_actions import SERVED, TopActions, top_actions

LEAST_DECIMALS, MOST_DECIMALS = 5, 12
TIE = 1e-12
"""Scores closer than this, relative to their size, rank as equals: the last digit of float64 is no opinion."""

Floats = NDArray[np.float64]
Order = NDArray[np.int64]


@dataclass(frozen=True)
class ServerScores:
    """The content of one file.

    Attributes:
        ids: N clip ids.
        verb, noun: float64 [N, C].
        actions: the best actions of every clip, or None where the file has none.
        sls: supervision levels by name; empty where the target asks for none.
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
        """sha256 of all that is said, whatever the order of clips and the text of numbers."""
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
        """The 100 best actions as the server finds them: those that the file names, else by verb x noun."""
        return self.actions if self.actions is not None else top_actions(self.verb, self.noun)


def rounded(answers: ServerScores) -> ServerScores:
    """The same answers in as few decimals as keep every ranking, five at least, row by row.

    A row keeps its ranking when verbs, nouns and the 100 best actions have the order they had, and scores that
    differed still do. Where even 12 decimals do not keep it, the row stays as it is.
    """
    verb, noun = answers.verb.copy(), answers.noun.copy()
    scores = None if answers.actions is None else answers.actions.scores.copy()
    rows = np.arange(len(answers))
    for decimals in range(LEAST_DECIMALS, MOST_DECIMALS + 1):
        verb[rows], noun[rows] = _grid(answers.verb[rows], decimals), _grid(answers.noun[rows], decimals)
        kept = _same_order(answers.verb[rows], decimals) & _same_order(answers.noun[rows], decimals)
        if scores is None or answers.actions is None:
            kept &= _same_actions(answers.verb[rows], answers.noun[rows], decimals)
        else:
            scores[rows] = _grid(answers.actions.scores[rows], decimals)
            kept &= _strictly_kept(answers.actions.scores[rows], _units(answers.actions.scores[rows], decimals))
        rows = rows[~kept]
        if not rows.size:
            break
    verb[rows], noun[rows] = answers.verb[rows], answers.noun[rows]
    actions = answers.actions
    if actions is not None and scores is not None:
        scores[rows] = actions.scores[rows]
        actions = TopActions(actions.verbs, actions.nouns, scores)
    return ServerScores(answers.ids, verb, noun, actions, answers.sls)


def consistent(scores: Floats) -> NDArray[np.bool_]:
    """Bool [n]: whether scores [n, k] fall along each row, as far as float64 can tell."""
    return np.asarray((np.diff(scores, axis=1) <= _tolerance(scores)).all(axis=1))


def pair_scores(verb: Floats, noun: Floats, best: TopActions) -> Floats:
    """Sums [n, k] of the scores of some pairs."""
    return np.take_along_axis(verb, best.verbs, 1) + np.take_along_axis(noun, best.nouns, 1)


def _units(scores: Floats, decimals: int) -> Floats:
    """Whole numbers of the last decimal: float64 holds them, and their sums, exactly."""
    return np.rint(scores * 10.0**decimals)


def _grid(scores: Floats, decimals: int) -> Floats:
    return _units(scores, decimals) / 10.0**decimals


def _tolerance(scores: Floats) -> Floats:
    """[n, k - 1]: below which two neighbours are a tie."""
    return TIE * np.maximum(np.abs(scores[:, 1:]), 1.0)


def _strictly_kept(scores: Floats, units: Floats) -> NDArray[np.bool_]:
    """Bool [n]: along each row of falling scores [n, k], units fall wherever the scores do."""
    falls = scores[:, :-1] - scores[:, 1:] > _tolerance(scores)
    steps = units[:, :-1] - units[:, 1:]
    return np.asarray(np.where(falls, steps > 0, steps == 0).all(axis=1))


def _same_order(scores: Floats, decimals: int) -> NDArray[np.bool_]:
    order = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order, 1)
    return _strictly_kept(ranked, np.take_along_axis(_units(scores, decimals), order, 1))


def _same_actions(verb: Floats, noun: Floats, decimals: int) -> NDArray[np.bool_]:
    """Bool [n]: rounding keeps the 100 best pairs, their order, and their distance from the 101st."""
    k = SERVED + 1
    before = top_actions(verb, noun, k)
    after = top_actions(_units(verb, decimals), _units(noun, decimals), k)
    old, new = pair_scores(verb, noun, after), pair_scores(_units(verb, decimals), _units(noun, decimals), after)
    complete = old[:, SERVED - 1 : SERVED] >= pair_scores(verb, noun, before)[:, SERVED - 1 : SERVED] - TIE
    return consistent(old) & _strictly_kept(old, new) & complete.all(axis=1)
