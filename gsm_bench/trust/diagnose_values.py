"""What scores are by their values: probabilities named logits, a softmax that was applied twice, negated scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.softmax import PROBABILITY_TOLERANCE
from gsm_bench.settings import Space

FEWEST_ROWS = 20
STANDS_OUT = 2.0
"""Times the mean probability that some class has in a row in which the network is sure of something."""
OFTEN = 0.02
"""Share of rows in which a class stands out, of any network that has learned."""
NEAR_ZERO = 0.25
"""Share of the mean probability below which one that is not the right class is near zero."""


def value_faults(scores: NDArray[np.floating], kind: Space) -> list[tuple[str, str, str]]:
    """What contradicts the kind of scores [N, C]: name, evidence, and what to do; empty for sound scores."""
    rows = scores[np.isfinite(scores).all(axis=1)].astype(np.float64)
    if len(rows) < FEWEST_ROWS or rows.shape[1] < 3:
        return []
    if (rows.max(axis=1) == rows.min(axis=1)).all():
        return [
            (
                "constant scores",
                "every class has the same score",
                "check that the weights were loaded and the frames are not black",
            )
        ]
    sums = rows.sum(axis=1)
    probabilities = bool((rows >= 0).all() and (np.abs(sums - 1) <= PROBABILITY_TOLERANCE).all())
    votes = bool(np.isin(rows, (0, 1)).all())
    if probabilities and not votes and is_doubled(rows):
        highest = rows.max()
        return [(
            "softmax applied twice",
            f"no probability is above {highest:.3f}, and their logarithms are probabilities themselves",
            "leave one softmax out; of scores that exist, take the logarithm and subtract its mean: the result plus 1/C "
            "is the first softmax",
        )]  # fmt: skip
    if kind == "logits" and probabilities and not votes:
        return [
            (
                "probabilities named logits",
                "none is negative and each row sums to 1",
                'score_kind = "probabilities" in the model\'s entry',
            )
        ]
    if kind == "probabilities" and not probabilities:
        evidence = f"rows sum to {sums.min():.3g} to {sums.max():.3g}, the lowest score is {rows.min():.3g}"
        return [("scores that are no probabilities", evidence, 'score_kind = "logits" in the model\'s entry')]
    if kind == "log_probabilities" and rows.max() > PROBABILITY_TOLERANCE:
        return [
            (
                "scores that are no log-probabilities",
                f"the highest is {rows.max():.3g}",
                'score_kind = "logits" in the model\'s entry',
            )
        ]
    return []


def is_doubled(rows: NDArray[np.float64]) -> bool:
    """Whether probabilities [N, C] are the softmax of probabilities.

    The logarithm of a softmax is its input up to a constant, and an input that sums to 1 gives the constant. So the
    first softmax can be computed; it must lie within 0 and 1, with classes that stand out and others near zero.
    """
    classes = rows.shape[1]
    logs = np.log(np.maximum(rows, 1e-30))
    first = logs - logs.mean(axis=1, keepdims=True) + 1 / classes
    if first.min() < -1e-3 or first.max() > 1 + 1e-3:
        return False
    sure = (first.max(axis=1) >= STANDS_OUT / classes).mean() >= OFTEN
    return bool(sure and np.median(first.min(axis=1)) <= NEAR_ZERO / classes)
