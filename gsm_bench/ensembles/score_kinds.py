"""Scores that are not of the kind their file says, found before they are turned into actions or sent.

Ranking verbs and nouns alone survives a wrong kind; their product does not: of logits called probabilities every
negative one counts as 0, and probabilities called logits go through a softmax again, which makes all alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.errors import ScoreFileError
from gsm_bench.metrics.softmax import PROBABILITY_TOLERANCE, are_probabilities
from gsm_bench.scorefile import NOT_SCORED, Scores
from gsm_bench.settings import Space

LOOKED_AT = 1024
"""Rows of a file that are looked at: its first ones."""


def check_score_kinds(members: Sequence[OpenMember], tasks: Iterable[str]) -> None:
    """Raise ScoreFileError for the first member whose scores are not of the kind that its file says."""
    for task in tasks:
        for member in members:
            rows = slice(0, min(LOOKED_AT, len(member.head)))
            scores = member.file.block(task, rows.start, rows.stop)[member.head.status[rows] != NOT_SCORED]
            kind = member.head.kinds[task]
            found = _contradiction(scores, kind) if scores.size else None
            if found:
                raise ScoreFileError(
                    f"the {task} scores of {member.spec.label} are said to be {kind.replace('_', '-')}, but {found}",
                    where=member.spec.path,
                    fix=f"set the attribute `kind` of /scores/{task} to what they are, or import them with --kind",
                )


def _contradiction(scores: Scores, kind: Space) -> str | None:
    """What speaks against scores [n, V, C] being of a kind, in words; other checks find NaN and infinities."""
    low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
    if kind == "probabilities" and (low < -PROBABILITY_TOLERANCE or high > 1 + PROBABILITY_TOLERANCE):
        return f"lie between {low:.4g} and {high:.4g}"
    if kind == "log_probabilities" and high > PROBABILITY_TOLERANCE:
        return f"are as high as {high:.4g}"
    votes = np.isin(scores, (0, 1)).all()  # hard votes, which mean the same under both names
    if kind == "logits" and scores.shape[-1] > 1 and not votes and are_probabilities(scores):
        return "none is negative and those of every clip add up to 1: they are probabilities"
    return None
