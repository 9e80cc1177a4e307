"""Checks that scores are of the kind that their file names, before they become actions or a submission.

A wrong kind does not change the ranks of verbs and nouns, but those of their products: negative logits named
probabilities count as 0, and probabilities named logits pass a second softmax, which makes them nearly equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.errors import ScoreFileError
from gsm_bench.metrics.softmax import PROBABILITY_TOLERANCE, are_probabilities
from gsm_bench.scorefile import NOT_SCORED, Scores
from gsm_bench.settings import Space

CHECKED_ROWS = 1024
"""The first rows of a file, which are checked."""


def check_score_kinds(members: Sequence[OpenMember], tasks: Iterable[str]) -> None:
    """Raise ScoreFileError for the first member whose scores are not of the kind that its file says."""
    for task in tasks:
        for member in members:
            rows = slice(0, min(CHECKED_ROWS, len(member.head)))
            scores = member.file.block(task, rows.start, rows.stop)[member.head.status[rows] != NOT_SCORED]
            kind = member.head.kinds[task]
            reason = _contradiction(scores, kind) if scores.size else None
            if reason:
                raise ScoreFileError(
                    f"the {task} scores of {member.spec.label} are labelled {kind.replace('_', '-')}, but {reason}",
                    where=member.spec.path,
                    fix=f"correct the attribute `kind` of /scores/{task}, or import the scores with --kind",
                )


def _contradiction(scores: Scores, kind: Space) -> str | None:
    """Why scores [n, V, C] cannot be of a kind, in words; NaN and infinities are checked elsewhere."""
    low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
    if kind == "probabilities" and (low < -PROBABILITY_TOLERANCE or high > 1 + PROBABILITY_TOLERANCE):
        return f"lie between {low:.4g} and {high:.4g}"
    if kind == "log_probabilities" and high > PROBABILITY_TOLERANCE:
        return f"are as high as {high:.4g}"
    votes = np.isin(scores, (0, 1)).all()  # hard votes, which rank alike as both kinds
    if kind == "logits" and scores.shape[-1] > 1 and not votes and are_probabilities(scores):
        return "none is negative and each row sums to 1: they are probabilities"
    return None
