"""The best (verb, noun) pairs of every video, from verb and noun scores, without all products.

p(verb) * p(noun) ranks like the sum of the two scores, because a softmax subtracts one constant per row. float32 scores
add up exactly in float64, so ties are exact and rank by (verb, noun). The pair of the i-th best verb and the j-th best
noun (from 1) ranks behind or with the i * j pairs of verbs up to i and nouns up to j. So it is among the k best only if
i * j <= k: at most 482 candidates for k = 100.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.metrics.softmax import log_sum_exp

BLOCK_ROWS = 256
"""Rows ranked at once: their candidates fit into the cache of a core."""
SERVED = 100
"""Pairs per segment that the EPIC-KITCHENS servers and metrics use."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
TieKeys = Callable[[Integers], tuple[Integers, ...]]


@dataclass(frozen=True)
class TopActions:
    """The k best actions per video, best first; ties rank by (verb, noun).

    Attributes:
        verbs, nouns: int64 [N, k] class numbers; -1 where a row has fewer than k actions.
        scores: float64 [N, k] log-probabilities; -inf where there is none.
    """

    verbs: Integers
    nouns: Integers
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def hits(self, verbs: NDArray[np.integer], nouns: NDArray[np.integer], k: int) -> NDArray[np.bool_]:
        """Bool [N]: whether the action (verbs [N], nouns [N]) is among the first k."""
        same = (self.verbs[:, :k] == verbs[:, None]) & (self.nouns[:, :k] == nouns[:, None])
        hits: NDArray[np.bool_] = same.any(axis=1)
        return hits


def top_actions(verb: NDArray[np.floating], noun: NDArray[np.floating], k: int = SERVED) -> TopActions:
    """The k best pairs by p(verb) * p(noun), with a softmax per row.

    Args:
        verb: logits or log-probabilities [N, Cv], finite.
        noun: logits or log-probabilities [N, Cn], finite.
        k: pairs per row, at most Cv * Cn.

    Raises:
        ValueError: shapes do not match, or a score is not finite.
    """
    _check(verb, noun)
    k = min(k, verb.shape[1] * noun.shape[1])

    def block(rows: slice) -> tuple[Integers, Integers, Floats]:
        return _best_pairs(verb[rows].astype(np.float64), noun[rows].astype(np.float64), k)

    return _in_blocks(len(verb), k, block)


def top_known_actions(
    verb: NDArray[np.floating],
    noun: NDArray[np.floating],
    pairs: Integers,
    bias: Floats | None = None,
    k: int = SERVED,
) -> TopActions:
    """The k best of the given pairs by p(verb) * p(noun) * exp(bias): with a training prior, or an action head.

    Args:
        verb, noun: logits or log-probabilities [N, Cv] and [N, Cn], finite.
        pairs: int64 [A, 2] of verb and noun, ascending.
        bias: float64 [A], such as the logarithm of how often each pair occurs in training.
    """
    _check(verb, noun)
    k = min(k, len(pairs))
    added = np.zeros(len(pairs)) if bias is None else bias

    def block(rows: slice) -> tuple[Integers, Integers, Floats]:
        scores = pair_scores(verb[rows], noun[rows], pairs, added)
        columns = _ranked(scores, k)
        return pairs[columns, 0], pairs[columns, 1], np.take_along_axis(scores, columns, 1)

    return _in_blocks(len(verb), k, block)


def pair_scores(verb: NDArray[np.floating], noun: NDArray[np.floating], pairs: Integers, bias: Floats) -> Floats:
    """Scores float64 [n, A] of the pairs int64 [A, 2]: log-probabilities of verb and noun, and a bias [A]."""
    verbs, nouns = _normalised(verb), _normalised(noun)
    scores: Floats = verbs[:, pairs[:, 0]] + nouns[:, pairs[:, 1]] + bias
    return scores


def top_columns(action: NDArray[np.floating], pairs: Integers, k: int = SERVED) -> TopActions:
    """The k best columns of an action head: scores [N, A] of the pairs int64 [A, 2] in column order, ascending."""
    k = min(k, len(pairs))

    def block(rows: slice) -> tuple[Integers, Integers, Floats]:
        scores = _normalised(action[rows])
        columns = _ranked(action[rows], k)
        return pairs[columns, 0], pairs[columns, 1], np.take_along_axis(scores, columns, 1)

    return _in_blocks(len(action), k, block)


def _check(verb: NDArray[np.floating], noun: NDArray[np.floating]) -> None:
    if verb.ndim != 2 or noun.ndim != 2 or len(verb) != len(noun):
        raise ValueError(f"scores must be [N, Cv] and [N, Cn], not {verb.shape} and {noun.shape}")


def _in_blocks(rows: int, k: int, block: Callable[[slice], tuple[Integers, Integers, Floats]]) -> TopActions:
    """The k best actions of N rows, computed in blocks by one thread per core."""
    actions = TopActions(np.empty((rows, k), np.int64), np.empty((rows, k), np.int64), np.empty((rows, k)))

    def fill(start: int) -> None:
        part = slice(start, start + BLOCK_ROWS)
        actions.verbs[part], actions.nouns[part], actions.scores[part] = block(part)

    with ThreadPoolExecutor(usable_cpus()) as pool:
        list(pool.map(fill, range(0, rows, BLOCK_ROWS)))
    return actions


def _best_pairs(verb: Floats, noun: Floats, k: int) -> tuple[Integers, Integers, Floats]:
    """Pairs and their log-probabilities, all [n, k], of float64 [n, Cv] and [n, Cn]."""
    if not (np.isfinite(verb).all() and np.isfinite(noun).all()):
        raise ValueError("scores must be finite")
    best_verbs, best_nouns = (_ranked(scores, min(k, scores.shape[1])) for scores in (verb, noun))
    i, j = _candidates(best_verbs.shape[1], best_nouns.shape[1], k)
    sums = np.take(np.take_along_axis(verb, best_verbs, 1), i, axis=1)  # [n, 482] for k = 100
    sums += np.take(np.take_along_axis(noun, best_nouns, 1), j, axis=1)
    order = _ranked(sums, k, ties=lambda rows: (best_verbs[rows][:, i], best_nouns[rows][:, j]))
    return (
        np.take_along_axis(best_verbs, i[order], 1),
        np.take_along_axis(best_nouns, j[order], 1),
        np.take_along_axis(sums, order, 1) - (log_sum_exp(verb) + log_sum_exp(noun)),
    )


@cache
def _candidates(verbs: int, nouns: int, k: int) -> tuple[Integers, Integers]:
    """Ranks (i, j), from 0, with (i + 1) * (j + 1) <= k."""
    i, j = np.divmod(np.arange(verbs * nouns), nouns)
    possible = (i + 1) * (j + 1) <= k
    return i[possible], j[possible]


def _ranked(scores: NDArray[np.floating], k: int, ties: TieKeys | None = None) -> Integers:
    """Columns int64 [n, k] of the k highest of [n, C], best first.

    Ties rank by the keys that `ties` returns for some rows, the first key first; by default by column. Rows without ties,
    nearly all, need the fast unstable sort only.
    """
    order: Integers = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order[:, : k + 1], 1)
    tied = np.flatnonzero((ranked[:, 1:] == ranked[:, :-1]).any(axis=1))
    if tied.size:
        keys = ties(tied) if ties else ()
        order[tied] = np.lexsort((*keys[::-1], -scores[tied]), axis=1)
    return order[:, :k]


def _normalised(scores: NDArray[np.floating]) -> Floats:
    """Log-probabilities float64 [n, C]; ranks and submissions depend on the rounding of these steps in this order."""
    values = scores.astype(np.float64)
    values -= log_sum_exp(values)
    return values
