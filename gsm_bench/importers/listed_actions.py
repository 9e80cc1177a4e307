"""Actions that a server's file lists per segment, some of all pairs, as columns of a score file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.importers.limits import require_memory
from gsm_bench.metrics.softmax import PROBABILITY_TOLERANCE, are_probabilities, log_softmax, safe_log
from gsm_bench.metrics.top_actions import SERVED, top_actions
from gsm_bench.scorefile import Scores
from gsm_bench.settings import Space

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CODE = 1 << 20
"""More than there are nouns: an action's number is its verb times this, plus its noun."""
MOST_APART = 0.01
"""How far listed scores may lie from products of verb and noun, as fractions of each segment's best."""
LEAST_SHARED = 0.95
"""Share of listed actions that are among the best products, where a list holds such products."""


@dataclass(frozen=True)
class ListedActions:
    """The listed actions of N segments, one after the other.

    Attributes:
        rows: int64 [M] segment of each listed action, ascending.
        pairs: int64 [M, 2] its verb and noun.
        scores: float64 [M].
    """

    rows: Integers
    pairs: Integers
    scores: Floats

    @cached_property
    def _codes(self) -> tuple[Integers, Integers]:
        """The A different actions as numbers, ascending, and the place int64 [M] of each listed one among them."""
        codes = self.pairs[:, 0] * CODE + self.pairs[:, 1]
        different, places = np.unique(codes, return_inverse=True)
        return different, places.reshape(-1)

    def names(self) -> tuple[str, ...]:
        """The A different actions ``<verb>,<noun>``, ascending."""
        return tuple(f"{code // CODE},{code % CODE}" for code in self._codes[0].tolist())

    def kind(self, segments: int) -> Space:
        """What the scores are."""
        return kind_of_lists(self.scores, self.rows, segments)

    def counts(self, segments: int) -> str:
        """How many actions a segment lists, in words."""
        counts = np.bincount(self.rows, minlength=segments)
        low, high = int(counts.min()), int(counts.max())
        return f"{high:,}" if low == high else f"{low:,} to {high:,}"

    def columns(self, segments: int, kind: Space, where: Path) -> Scores:
        """Scores float32 [N, 1, A], a column for each of `names`; an action that a segment does not list has no chance."""
        different, places = self._codes
        width = len(different)
        require_memory(8 * segments * width, f"a table of {width:,} listed actions", where)
        table = np.full((segments, 1, width), no_chance(kind), np.float32)
        table[self.rows, 0, places] = self.scores
        return table


def kind_of_lists(scores: Floats, rows: Integers, count: int) -> Space:
    """What listed scores [M] of `count` rows are: a list holds a part of all classes, so probabilities sum to 1 or less."""
    if scores.min() >= 0:
        return "probabilities" if np.bincount(rows, scores, count).max() <= 1 + PROBABILITY_TOLERANCE else "logits"
    if scores.max() > PROBABILITY_TOLERANCE:
        return "logits"
    sums = np.bincount(rows, np.exp(scores), count)
    return "log_probabilities" if sums.max() <= 1 + PROBABILITY_TOLERANCE else "logits"


def no_chance(kind: Space) -> float:
    """The score of an action that cannot be: 0 as a probability, minus infinity as its logarithm."""
    return 0.0 if kind == "probabilities" else -np.inf


def are_products(listed: ListedActions, verb: Floats, noun: Floats) -> bool:
    """Whether listed scores say no more than verbs [N, Cv] and nouns [N, Cn]: they are the best products of both.

    The servers compute such a list themselves. The products of averages are better than averages of such lists.
    """
    counts = np.bincount(listed.rows, minlength=len(verb))
    if not counts[0] or (counts != counts[0]).any() or counts[0] > verb.shape[1] * noun.shape[1]:
        return False
    k = int(counts[0])
    verb, noun = _logarithms(verb), _logarithms(noun)
    scores = listed.scores.reshape(-1, k)
    values = _logarithms(scores, whole=False)
    pairs = listed.pairs.reshape(-1, k, 2)
    sums = np.take_along_axis(verb, pairs[:, :, 0], 1) + np.take_along_axis(noun, pairs[:, :, 1], 1)
    apart = float(np.abs(_relative(values) - _relative(sums)).max())
    if apart > MOST_APART or k > SERVED:
        return apart <= MOST_APART
    best = top_actions(verb, noun, k)
    return bool((sums >= best.scores[:, -1:] - MOST_APART).mean() >= LEAST_SHARED)


def _logarithms(scores: Floats, *, whole: bool = True) -> Floats:
    """Rows [N, C] that add up like logarithms; `whole` where a row has all classes."""
    if whole:
        return np.asarray(log_softmax(safe_log(scores) if are_probabilities(scores) else scores), np.float64)
    return safe_log(scores) if scores.min() >= 0 and scores.max() <= 1 + PROBABILITY_TOLERANCE else scores


def _relative(logarithms: Floats) -> Floats:
    """Values [N, k] as fractions of the best of each row."""
    return np.asarray(np.exp(logarithms - logarithms.max(axis=1, keepdims=True)))


def columns_of(table: Scores, names: Sequence[str], wanted: Sequence[str], kind: Space) -> Scores:
    """Scores [N, 1, A] of the actions `names` with the columns `wanted`, which hold them all; others have no chance.

    Rows that hold NaN, of segments without scores, hold nothing else.
    """
    place = {name: at for at, name in enumerate(wanted)}
    wide = np.full((len(table), 1, len(wanted)), no_chance(kind), np.float32)
    wide[:, :, [place[name] for name in names]] = table
    wide[np.isnan(table).any(axis=(1, 2))] = np.nan
    return wide
