"""Scores that a server takes and that are hardly what their sender means: upside down, mixed, constant, absurd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.softmax import PROBABILITY_TOLERANCE, are_probabilities, log_sum_exp
from gsm_bench.metrics.top_actions import TopActions
from gsm_bench.submit.findings import Finding, Severity, first_ids
from gsm_bench.submit.rescore import readings_differ
from gsm_bench.submit.server_scores import Floats, ServerScores, pair_scores

Rows = NDArray[np.bool_]

ABSURD = 1e6
"""No network's score is as large; masked classes often have -1e4."""
FLOAT32_LIMIT = float(np.finfo(np.float32).max)
LEAST_SHARE = 0.01
"""Rows of a kind that a file holds besides another kind; fewer are odd rows."""
CLOSE, FAR = 0.01, 0.5
"""How near to 0 the logarithm of a row's sum is for log-probabilities, and how far from it for anything else."""
LEAST_OFFSET = 20.0
"""Rows of one network's logits do not fall into two groups that lie farther apart than this."""
MOST_EQUAL = 0.1
"""A larger share of segments with the scores of another segment is no coincidence."""
CONTRARY = -0.3
"""A lower correlation of listed actions with verbs and nouns contradicts them."""
BASES = {"": 1.0, " to base 2": float(np.log(2)), " to base 10": float(np.log(10))}
"""Logarithms that people write; values turn one of these into the natural logarithm."""


@dataclass(frozen=True)
class TaskScores:
    """The scores float64 [N, C] of one task, of N segments, none of them NaN."""

    task: str
    scores: Floats
    ids: Sequence[str]

    def rows(self, rows: Rows) -> str:
        """The number of some rows bool [N] and the first of them, in words."""
        names = [self.ids[row] for row in np.flatnonzero(rows)[:1]]
        return f"{int(rows.sum()):,} of {len(self.ids):,} segments (first {first_ids(names)})"


def check_scores(content: ServerScores, where: str) -> list[Finding]:
    """Findings about complete scores; `where` names their file."""
    if not len(content):
        return []
    with np.errstate(over="ignore", invalid="ignore"):
        return list(_findings(content, where))


def _findings(content: ServerScores, where: str) -> Iterator[Finding]:
    for task, scores in (("verb", content.verb), ("noun", content.noun)):
        one = TaskScores(task, scores, content.ids)
        for kind, what, severity in _of_task(one):
            yield Finding(kind, what, where, severity)
    if content.actions is not None and (share := contrary_share(content, content.actions)) > 0.5:
        yield Finding(
            "action scores contradict",
            f"in {100 * share:.0f}% of segments the listed actions rank against their verbs and nouns: "
            "the highest score is the best",
            where, "warning",
        )  # fmt: skip
    if differ := readings_differ(content):
        yield Finding(
            "file-wide softmax",
            f"the organisers' code takes the softmax over the whole file, which changes {len(differ):,} segments, first "
            f"{first_ids(differ[:1])}: write the log-probabilities of each row",
            where, "warning",
        )  # fmt: skip


def _of_task(one: TaskScores) -> Iterator[tuple[str, str, Severity]]:
    absurd = list(_absurd(one))
    if absurd:
        yield from absurd
        return
    yield from _equal(one)
    if upside_down := _upside_down(one.scores):
        yield (
            "upside down",
            f"the {one.task} scores are {upside_down}: the server reads the highest score as the best",
            "error",
        )
    elif are_probabilities(one.scores):
        yield (
            "probabilities",
            f"the {one.task} scores are probabilities; the server takes their softmax, which flattens them",
            "note",
        )
    else:
        yield from _mixed(one)


def _absurd(one: TaskScores) -> Iterator[tuple[str, str, Severity]]:
    size = np.abs(one.scores)
    largest = size.max(axis=1)
    if (largest > ABSURD).any():
        row, column = np.unravel_index(int(size.argmax()), size.shape)
        beyond = bool(largest.max() > FLOAT32_LIMIT)
        yield (
            "absurd scores",
            f"{one.rows(largest > ABSURD)} have {one.task} scores as large as {one.scores[row, column]:.3g}"
            + (", beyond float32" if beyond else ": write the log-probabilities of each row"),
            "error" if beyond else "warning",
        )


def _equal(one: TaskScores) -> Iterator[tuple[str, str, Severity]]:
    constant = np.ptp(one.scores, axis=1) == 0
    if constant.any():
        yield "constant scores", f"{one.rows(constant)} have equal scores for every {one.task}", "warning"
    repeated = np.ones(len(one.scores), bool)
    repeated[np.unique(one.scores, axis=0, return_index=True)[1]] = False
    repeated &= ~constant
    if repeated.sum() > MOST_EQUAL * len(repeated):
        yield "same scores", f"{one.rows(repeated)} have the same {one.task} scores as another segment", "warning"


def _upside_down(scores: Floats) -> str:
    """What scores [N, C] are if all their rankings are upside down, as their sums prove; else nothing."""
    if are_probabilities(-scores):
        return "negated probabilities"
    if are_probabilities(1 - scores):
        return "1 minus the probabilities"
    if scores.min() < -PROBABILITY_TOLERANCE or np.ptp(scores) == 0:
        return ""
    for base, factor in BASES.items():
        if (np.abs(_log_sums(-scores * factor)) <= CLOSE).all():
            return f"negated log-probabilities{base}"
    return ""


def _mixed(one: TaskScores) -> Iterator[tuple[str, str, Severity]]:
    """Rows of two kinds in one file, or of two offsets."""
    sums = _log_sums(one.scores)
    logarithms, off = np.abs(sums) <= CLOSE, np.abs(sums) > PROBABILITY_TOLERANCE
    probabilities = (one.scores >= 0).all(axis=1) & (np.abs(one.scores.sum(axis=1) - 1) <= PROBABILITY_TOLERANCE)
    least = max(1.0, LEAST_SHARE * len(sums))
    if 0 < off.sum() <= least < len(sums):
        yield (
            "odd rows",
            f"{one.rows(off)} have {one.task} scores that are not log-probabilities, unlike others",
            "error",
        )
    elif logarithms.sum() >= least and (np.abs(sums) > FAR).any():
        other = "probabilities" if probabilities[~logarithms].all() else "not log-probabilities, as the others are"
        yield "two kinds of rows", f"the {one.task} scores of {one.rows(~logarithms)} are {other}", "warning"
    elif probabilities.sum() >= least:
        yield (
            "two kinds of rows",
            f"the {one.task} scores of {one.rows(probabilities)} are probabilities, unlike the others",
            "warning",
        )
    elif (apart := _offset_rows(sums)).any():
        yield "rows with an offset", f"the {one.task} scores of {one.rows(apart)} lie far from the others", "warning"


def _offset_rows(sums: Floats) -> Rows:
    """Bool [N]: the smaller of two groups of rows, if log-sums [N] fall into two groups far apart; else none."""
    order = np.sort(sums)
    if len(order) < 2:
        return np.zeros(len(sums), bool)
    steps = np.diff(order)
    at = int(steps.argmax())
    spread = max(order[at] - order[0], order[-1] - order[at + 1])
    if steps[at] < LEAST_OFFSET + spread:
        return np.zeros(len(sums), bool)
    low: Rows = sums <= order[at]
    return low if low.sum() <= len(low) / 2 else ~low


def _log_sums(scores: Floats) -> Floats:
    """Logarithm float64 [N] of the sum of exponentials of each row [N, C]."""
    return log_sum_exp(scores)[:, 0]


def contrary_share(content: ServerScores, actions: TopActions) -> float:
    """Share of segments whose listed actions rank against the sums of their verbs' and nouns' scores."""
    sums = pair_scores(content.verb, content.noun, actions)
    one, other = (values - values.mean(axis=1, keepdims=True) for values in (sums, actions.scores))
    scale = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    correlation = (one * other).sum(axis=1) / np.where(scale > 0, scale, 1.0)
    return float((correlation < CONTRARY).mean())
