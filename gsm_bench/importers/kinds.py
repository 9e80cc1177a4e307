"""What scores are, from what is declared and from their values: logits, probabilities, sums of them, log-probabilities.

Rows that are not negative and have one sum K other than 1 are views only in formats that write sums of softmax. Elsewhere
they are scaled probabilities (percent, votes), whose cost is not multiplied.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.metrics.softmax import PROBABILITY_TOLERANCE
from gsm_bench.scorefile import Scores
from gsm_bench.settings import SourceKind, Space

MOST_VIEWS, MOST_UNLIKE_VIEWS = 1000, 100
MOST_ROUNDED = 50
"""Sums are rounded to a whole number within PROBABILITY_TOLERANCE times at most this, a quarter."""
CHOOSE = "say what they are: --kind logits, probabilities, log_probabilities or softmax_sums"
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class InferredKind:
    """Scores with their kind.

    Attributes:
        scores: float32 [N, V, C]; sums and percentages divided by what they sum to.
        kind: what they are now.
        note: why.
        summed: how many views each row was the sum of; 1 where it was none.
    """

    scores: Scores
    kind: Space
    note: str
    summed: int = 1


def infer_kind(
    scores: Scores,
    task: str,
    declared: SourceKind | None,
    usual: Space | None,
    where: Path | str,
    *,
    sums: bool = False,
) -> InferredKind:
    """Decide what scores float32 [N, V, C] are.

    Args:
        declared: what the user or the file itself says.
        usual: what this format holds by default.
        sums: whether this format writes sums of softmax over views.

    Raises:
        DumpError: the values contradict what is declared, or several readings are possible.
    """
    rows = _complete_rows(scores, task, where)
    if declared is not None:
        return _as_declared(scores, rows, task, declared, where)
    if rows.min() < 0:
        return _signed(scores, rows, task, usual)
    return _not_negative(scores, rows, task, usual, where, sums=sums)


def _complete_rows(scores: Scores, task: str, where: Path | str) -> Scores:
    """The rows [n, C] of all views that hold neither NaN nor infinity; minus infinity stays."""
    rows = scores.reshape(-1, scores.shape[2])
    complete = (rows < np.inf).all(axis=1)
    if not complete.any():
        raise DumpError(f"every row of the {task} scores holds NaN or infinity", where=where, fix="test again")
    return rows if complete.all() else rows[complete]


def _as_declared(scores: Scores, rows: Scores, task: str, declared: SourceKind, where: Path | str) -> InferredKind:
    if declared == "logits":
        return InferredKind(scores, declared, f"{task} scores are logits, as declared")
    if declared == "log_probabilities":
        if rows.max() > PROBABILITY_TOLERANCE:
            raise _contradiction(task, declared, f"the highest is {rows.max():.3g}", where)
        return InferredKind(scores, declared, f"{task} scores are log_probabilities, as declared")
    if rows.min() < 0:
        raise _contradiction(task, declared, f"the lowest is {rows.min():.3g}", where)
    row_sums = rows.sum(axis=1, dtype=np.float64)
    if declared == "softmax_sums":
        if not _is_whole(row_sums):
            raise _contradiction(task, declared, f"rows sum to {_span(row_sums)}", where)
        return _mean_of_views(scores, row_sums, task)
    if _sum_to_1(row_sums):
        return InferredKind(scores, "probabilities", f"{task} scores are probabilities, as declared")
    total = _one_sum(row_sums)
    if not total:
        raise _contradiction(task, declared, f"rows sum to {_span(row_sums)}", where)
    return _scaled(scores, total, task)


def _signed(scores: Scores, rows: Scores, task: str, usual: Space | None) -> InferredKind:
    if (
        rows.max() <= PROBABILITY_TOLERANCE
        and np.abs(np.exp(rows, dtype=np.float64).sum(axis=1) - 1).max() <= PROBABILITY_TOLERANCE
    ):
        return InferredKind(
            scores, "log_probabilities", f"{task} scores are log-probabilities: their exponentials sum to 1"
        )
    signs = "they are of both signs" if rows.max() > 0 else "they are negative"
    return InferredKind(scores, "logits", f"{task} scores are logits: {signs}{_unusual('logits', usual)}")


def _not_negative(
    scores: Scores, rows: Scores, task: str, usual: Space | None, where: Path | str, *, sums: bool
) -> InferredKind:
    row_sums = rows.sum(axis=1, dtype=np.float64)
    if _sum_to_1(row_sums):
        note = f"{task} scores are probabilities: each row sums to 1{_unusual('probabilities', usual)}"
        return InferredKind(scores, "probabilities", note)
    total, fractions = _one_sum(row_sums), bool((rows != np.rint(rows)).any())
    if total > 1 and rows.max() <= total * (1 + PROBABILITY_TOLERANCE):
        if rows.min() > total / rows.shape[1] / 2:
            raise _undecided(task, f"all rows sum to about {total:.6g}, and no class stands out", where)
        if sums and fractions and total == np.rint(total) and 2 <= total <= MOST_VIEWS:
            return _mean_of_views(scores, row_sums, task)
        return _scaled(scores, total, task)
    if sums and fractions and _is_whole(row_sums) and row_sums.max() <= MOST_UNLIKE_VIEWS and _fit(rows, row_sums):
        raise _undecided(task, f"rows sum to {_span(row_sums)}, as sums over unlike numbers of views do", where)
    if usual == "logits":
        return InferredKind(scores, usual, f"{task} scores are taken for logits, as this format holds them")
    if rows.max() <= 1:
        raise _undecided(
            task, f"they lie between 0 and 1 and rows sum to {_span(row_sums)}: neither logits nor probabilities", where
        )
    note = f"{task} scores are taken for logits: none is negative, and rows sum to {_span(row_sums)}"
    return InferredKind(scores, "logits", note + _unusual("logits", usual))


def _unusual(kind: Space, usual: Space | None) -> str:
    return f"; this format usually holds {usual}" if usual and usual != kind else ""


def _sum_to_1(row_sums: Sums) -> bool:
    return bool(np.abs(row_sums - 1).max() <= PROBABILITY_TOLERANCE)


def _one_sum(row_sums: Sums) -> float:
    """K where all rows sum to K, else 0; a whole number where K is near one."""
    total = float(np.median(row_sums))
    if not 0 < total < np.inf or np.abs(row_sums - total).max() > PROBABILITY_TOLERANCE * total:
        return 0.0
    nearest = float(np.rint(total))
    return nearest if abs(total - nearest) <= PROBABILITY_TOLERANCE * min(nearest, MOST_ROUNDED) else total


def _is_whole(row_sums: Sums) -> bool:
    views = np.rint(row_sums)
    return bool((views >= 1).all() and (np.abs(row_sums - views) <= PROBABILITY_TOLERANCE * views).all())


def _fit(rows: Scores, row_sums: Sums) -> bool:
    """Whether no value of a row is larger than what V probabilities can sum to."""
    return bool((rows.max(axis=1) <= row_sums * (1 + PROBABILITY_TOLERANCE)).all())


def _mean_of_views(scores: Scores, row_sums: Sums, task: str) -> InferredKind:
    """Each row divided by the number of views that it is the sum of."""
    views = np.rint(row_sums)
    low, high = int(views.min()), int(views.max())
    divisors = np.ones(scores.shape[:2])
    divisors[~np.isnan(scores).any(axis=2)] = views
    mean = (scores / divisors[..., None]).astype(np.float32)
    count = str(high) if low == high else f"{low} to {high}"
    note = f"{task} scores are sums of the softmax of {count} views: divided by it, they are probabilities"
    return InferredKind(mean, "probabilities", note, high)


def _scaled(scores: Scores, total: float, task: str) -> InferredKind:
    note = (
        f"{task} scores are probabilities times {total:.6g}, as percent or votes: divided by it, cost unchanged; "
        "if they are sums over views: --kind softmax_sums"
    )
    return InferredKind((scores / np.float64(total)).astype(np.float32), "probabilities", note)


def _span(row_sums: Sums) -> str:
    return f"{row_sums.min():.3g} to {row_sums.max():.3g}"


def _undecided(task: str, why: str, where: Path | str) -> DumpError:
    return DumpError(f"the kind of the {task} scores is not clear: {why}", where=where, fix=CHOOSE)


def _contradiction(task: str, declared: str, why: str, where: Path | str) -> DumpError:
    return DumpError(
        f"{task} scores are declared to be {declared}, but {why}", where=where, fix="remove --kind, or correct it"
    )
