"""Exact ranks of labelled (verb, noun) pairs among all pairs, by counting better pairs instead of sorting them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def best_pairs(verb: Floats, noun: Floats) -> tuple[Integers, Integers]:
    """Verb and noun int64 [N] of the pair with the highest sum; equal sums rank by (verb, noun).

    Args:
        verb, noun: scores float64 [N, Cv] and [N, Cn] that add up like logarithms, finite.
    """
    rows = np.arange(len(verb))
    verbs = (verb + noun.max(axis=1, keepdims=True)).argmax(axis=1)
    return verbs, (verb[rows, verbs, None] + noun).argmax(axis=1)


def pair_ranks(verb: Floats, noun: Floats, verbs: NDArray[np.integer], nouns: NDArray[np.integer]) -> Integers:
    """Rank int64 [N], from 0, of each labelled pair among all Cv x Cn pairs; equal sums rank by (verb, noun).

    A pair's score is the sum of its verb and noun scores. For each verb the better nouns are the tail of the sorted
    ones, because floating-point addition is monotone: a binary search counts them.

    Args:
        verb, noun: scores float64 [N, Cv] and [N, Cn] that add up like logarithms, finite.
        verbs, nouns: labels [N], 0..Cv-1 and 0..Cn-1.
    """
    rows, columns = np.arange(len(verb)), np.arange(noun.shape[1])
    labelled = verb[rows, verbs] + noun[rows, nouns]
    own = verb[rows, verbs, None] + noun  # [N, Cn], the pairs of the labelled verb
    ranks: Integers = (own > labelled[:, None]).sum(axis=1)
    ranks += ((own == labelled[:, None]) & (columns < nouns[:, None])).sum(axis=1)
    # Pairs of other verbs: those of earlier verbs are better at an equal sum, too.
    earlier = np.arange(verb.shape[1]) < verbs[:, None]
    bars = np.where(earlier, np.nextafter(labelled, -np.inf)[:, None], labelled[:, None])
    possible = verb + noun.max(axis=1, keepdims=True) > bars
    possible[rows, verbs] = False
    row, other = np.nonzero(possible)
    counts = _count_above(np.sort(noun, axis=1), row, verb[row, other], bars[row, other])
    ranks += np.bincount(row, counts, minlength=len(verb)).astype(np.int64)
    return ranks


def _count_above(ordered: Floats, row: Integers, added: Floats, bars: Floats) -> Integers:
    """For each of M entries, how many values v of its row satisfy `added + v > bar`.

    Args:
        ordered: float64 [N, C], ascending rows.
        row: int64 [M], each entry's row.
        added, bars: float64 [M].
    """
    low, high = np.zeros(len(row), np.int64), np.full(len(row), ordered.shape[1])
    while (low < high).any():
        middle = (low + high) // 2
        above = added + ordered[row, np.minimum(middle, ordered.shape[1] - 1)] > bars
        low, high = np.where(above | (low >= high), low, middle + 1), np.where(above, middle, high)
    counts: Integers = ordered.shape[1] - low
    return counts
