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
    counts = possible.sum(axis=1)
    first = np.cumsum(counts) - counts
    above = _count_above(noun, np.repeat(rows, counts), verb[possible], bars[possible])
    totals = np.concatenate(([0], np.cumsum(above)))
    ranks += totals[first + counts] - totals[first]
    return ranks


def _count_above(values: Floats, row: Integers, added: Floats, bars: Floats) -> Integers:
    """For each of M entries, how many of the values v of its row satisfy `added + v > bar`.

    Args:
        values: float64 [N, C], finite.
        row: int64 [M], each entry's row.
        added, bars: float64 [M].
    """
    columns = values.shape[1]
    width = 1 << columns.bit_length()  # the search halves a power of two; infinities fill the rows up
    ordered = np.full((len(values), width), np.inf)
    ordered[:, :columns] = values
    ordered[:, :columns].sort(axis=1)
    flat, start = ordered.ravel(), row * width
    at = start.copy()  # of the first value that is above, as far as it is known
    step = width >> 1
    while step:
        below = flat.take(at + (step - 1))
        below += added
        at += (below <= bars) * step
        step >>= 1
    counts: Integers = columns - (at - start)
    return counts
