"""A submission rescored as its server does: softmax again, row by row or over the whole file at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.softmax import softmax
from gsm_bench.metrics.top_actions import TopActions, top_actions
from gsm_bench.submit.server_scores import TIE, Floats, ServerScores, pair_scores

SMALLEST = float(np.finfo(np.float64).tiny)
Softmax = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Rescored:
    """What rescoring a file changes.

    Attributes:
        changed: segments whose 100 best actions, or their order, differ from those of the exact scores.
        faint: segments with actions among them whose probability underflows to 0 in float64.
    """

    changed: tuple[str, ...]
    faint: int


def rescore(read: ServerScores, exact: ServerScores) -> dict[str, Rescored]:
    """Compare the scores read back with the exact ones, under both readings of softmax.

    Args:
        read: the file's scores, its segments in the order of `exact`.
        exact: the log-probabilities before rounding.

    Returns:
        What changed per reading, ``row-wise`` and ``whole-file``. Actions whose scores differ by less than the last
        digit of float64, and actions of probability 0, count as tied.
    """
    if exact.actions is not None:
        same = Rescored(_named(read, ~_same_listed(read.actions, exact.actions)), 0)
        return {"row-wise": same, "whole-file": same}
    truth = pair_scores(exact.verb, exact.noun, top_actions(exact.verb, exact.noun))
    rescored = {}
    for reading, softmaxes in _readings(read).items():
        verb, noun = (take(scores) for take, scores in zip(softmaxes, (read.verb, read.noun), strict=True))
        best = top_actions(np.log(np.maximum(verb, SMALLEST)), np.log(np.maximum(noun, SMALLEST)))
        alive = np.take_along_axis(verb, best.verbs, 1) * np.take_along_axis(noun, best.nouns, 1) > SMALLEST
        apart = np.abs(pair_scores(exact.verb, exact.noun, best) - truth) > TIE * np.maximum(np.abs(truth), 1.0)
        rescored[reading] = Rescored(
            _named(read, np.asarray((apart & alive).any(axis=1))), int((~alive.all(axis=1)).sum())
        )
    return rescored


def readings_differ(content: ServerScores) -> tuple[str, ...]:
    """Segments whose best verb or noun changes, or gets probability 0, if softmax is taken over the whole file."""
    per_row, per_file = _readings(content).values()
    differ = np.zeros(len(content), bool)
    for at, scores in enumerate((content.verb, content.noun)):
        one, other = per_row[at](scores), per_file[at](scores)
        differ |= (one.argmax(1) != other.argmax(1)) | (other.max(1) < SMALLEST)
    return _named(content, differ)


def _readings(content: ServerScores) -> dict[str, tuple[Softmax, Softmax]]:
    """Softmax of verbs and of nouns: row by row, and with the highest score of the file subtracted from every row.

    The organisers' EPIC-100 code does the second. The division by the sum does not change the order in a row.
    """
    verb, noun = content.verb.max(initial=-np.inf), content.noun.max(initial=-np.inf)
    return {
        "row-wise": (softmax, softmax),
        "whole-file": (lambda scores: np.exp(scores - verb), lambda scores: np.exp(scores - noun)),
    }


def _same_listed(read: TopActions | None, exact: TopActions) -> NDArray[np.bool_]:
    """Bool [n]: whether the file lists the same actions in the same order."""
    if read is None or read.scores.shape != exact.scores.shape:
        return np.zeros(len(exact), bool)
    order = np.lexsort((read.nouns, read.verbs, -read.scores), axis=1)
    falls = np.diff(exact.scores, axis=1) < -TIE * np.maximum(np.abs(exact.scores[:, 1:]), 1.0)
    verbs, nouns = np.take_along_axis(read.verbs, order, 1), np.take_along_axis(read.nouns, order, 1)
    equal = (verbs == exact.verbs) & (nouns == exact.nouns)
    tied = np.zeros_like(equal)
    tied[:, 1:] |= ~falls
    tied[:, :-1] |= ~falls
    codes = [np.sort(best.verbs * 100_000 + best.nouns, axis=1) for best in (read, exact)]
    same: NDArray[np.bool_] = (equal | tied).all(axis=1) & (codes[0] == codes[1]).all(axis=1)
    return same


def _named(content: ServerScores, rows: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(content.ids[row] for row in np.flatnonzero(rows))
