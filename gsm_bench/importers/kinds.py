"""What scores are, told from the source and from their values: logits, probabilities, their sums, log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.metrics.softmax import PROBABILITY_TOLERANCE
from gsm_bench.scorefile import Scores
from gsm_bench.settings import SourceKind, Space


@dataclass(frozen=True)
class Settled:
    """Scores with their kind.

    Attributes:
        scores: float32 [N, V, C]; sums of softmax divided by their number of views.
        kind: what they are now.
        note: how this was found.
        summed: how many views each row was the sum of; 1 where it was none.
    """

    scores: Scores
    kind: Space
    note: str
    summed: int = 1


def infer_kind(scores: Scores, task: str, told: SourceKind | None, usual: Space | None, where: Path | str) -> Settled:
    """Decide what scores float32 [N, V, C] are.

    Args:
        told: what the user or the file itself says.
        usual: what this source writes by default.

    Raises:
        DumpError: the values contradict what is told, or nothing tells what they are.
    """
    found = _from_values(scores, task, where)
    if told in ("logits", "log_probabilities") or (
        told == "probabilities" and found.kind == told and found.summed == 1
    ):
        if told == "log_probabilities" and _highest(scores) > PROBABILITY_TOLERANCE:
            raise _contradiction(task, told, f"the highest is {_highest(scores):.3g}", where)
        return Settled(scores, told, f"{task} scores are {told}, as was said")
    if told is not None and found.kind != "probabilities":
        raise _contradiction(task, told, f"its values look like {found.kind}", where)
    if not found.kind_is_known:
        if usual == "logits":
            return Settled(scores, usual, f"{task} scores are taken for {usual}, as this source writes them")
        raise DumpError(
            f"{task} scores are not negative, and their rows sum to {_sums(scores)}: neither logits nor probabilities",
            where=where,
            fix="say what they are: --kind logits, probabilities, log_probabilities or softmax_sums",
        )
    against = f"; this source usually writes {usual}" if usual and usual != found.kind else ""
    return Settled(found.scores, found.kind, found.note + against, found.summed)


@dataclass(frozen=True)
class _Found(Settled):
    kind_is_known: bool = True


def _from_values(scores: Scores, task: str, where: Path | str) -> _Found:
    rows = scores.reshape(-1, scores.shape[2])
    whole = ~np.isnan(rows).any(axis=1)
    if not whole.all():
        rows = rows[whole]
    if not len(rows):
        raise DumpError(f"no row of the {task} scores is whole", where=where, fix="test again: every row holds NaN")
    sums = rows.sum(axis=1, dtype=np.float64)
    if rows.min() >= 0:
        return _not_negative(scores, sums, task)
    if (
        rows.max() <= PROBABILITY_TOLERANCE
        and np.abs(np.exp(rows, dtype=np.float64).sum(axis=1) - 1).max() <= PROBABILITY_TOLERANCE
    ):
        return _Found(scores, "log_probabilities", f"{task} scores are log-probabilities: their exponentials sum to 1")
    return _Found(scores, "logits", f"{task} scores are logits: they are of both signs")


def _not_negative(scores: Scores, sums: np.ndarray[tuple[int], np.dtype[np.float64]], task: str) -> _Found:
    if np.abs(sums - 1).max() <= PROBABILITY_TOLERANCE:
        return _Found(scores, "probabilities", f"{task} scores are probabilities: each row sums to 1")
    views = np.rint(sums)
    if not (views >= 1).all() or (np.abs(sums - views) > PROBABILITY_TOLERANCE * views).any():
        return _Found(scores, "probabilities", "", kind_is_known=False)
    low, high = int(views.min()), int(views.max())
    divisors = np.ones(scores.shape[:2])
    divisors[~np.isnan(scores).any(axis=2)] = views
    mean = (scores / divisors[..., None]).astype(np.float32)
    count = str(high) if low == high else f"{low} to {high}"
    note = f"{task} scores are sums of the softmax of {count} views: divided by it, they are probabilities"
    return _Found(mean, "probabilities", note, high)


def _highest(scores: Scores) -> float:
    return float(np.nanmax(scores))


def _sums(scores: Scores) -> str:
    sums = scores.sum(axis=2)
    return f"{np.nanmin(sums):.3g} to {np.nanmax(sums):.3g}"


def _contradiction(task: str, told: str, why: str, where: Path | str) -> DumpError:
    return DumpError(
        f"{task} scores are said to be {told}, but {why}", where=where, fix="leave --kind away, or correct it"
    )
