"""The spaces in which scores are averaged: logits, probabilities, their logarithms, and the ways between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.errors import AlignmentError
from gsm_bench.metrics.softmax import log_softmax, safe_log
from gsm_bench.scorefile import Scores
from gsm_bench.settings import Space


def fusion_space(members: Sequence[OpenMember], task: str, requested: Space | None) -> Space:
    """The space in which members are averaged: the requested one, else that of their scores.

    Raises:
        AlignmentError: scores of different kinds and no requested space, or logits of members that have none.
    """
    kinds = {member.spec.label: member.head.kinds[task] for member in members}
    if requested is None and len(set(kinds.values())) == 1:
        return next(iter(kinds.values()))
    if requested is None:
        kinds_text = ", ".join(f"{label} holds {kind}" for label, kind in kinds.items())
        raise AlignmentError(
            f"the members' scores are of different kinds: {kinds_text}",
            fix="convert them: --space probabilities or --space log_probabilities",
        )
    if requested == "logits" and set(kinds.values()) != {"logits"}:
        label = next(label for label, kind in kinds.items() if kind != "logits")
        raise AlignmentError(
            f"{label} holds {kinds[label]}, from which logits cannot be computed",
            fix="--space probabilities or --space log_probabilities",
        )
    return requested


def conversions(members: Sequence[OpenMember], task: str, space: Space) -> list[str]:
    """Which members are converted, in words."""
    kinds = [(member.spec.label, member.head.kinds[task]) for member in members]
    return [f"{label}: {kind} converted to {space}" for label, kind in kinds if kind != space]


def to_space(scores: Scores, kind: Space, space: Space) -> NDArray[np.floating]:
    """Scores [..., C] of one kind in another space; float64 where they are converted.

    Raises:
        ValueError: logits cannot be computed from probabilities.
    """
    if kind == space:
        return scores
    if space == "logits":
        raise ValueError(f"logits cannot be computed from {kind}")
    values: NDArray[np.floating] = scores.astype(np.float64)
    if kind == "logits":
        values = log_softmax(values)
    if space == "probabilities":
        values = np.exp(values)
    elif kind == "probabilities":
        values = safe_log(np.asarray(values, np.float64))
    return values


def scale_by_temperature(scores: Scores, kind: Space, space: Space, temperature: float) -> NDArray[np.floating]:
    """Scores [..., C] in a space after division by a temperature; probabilities are scaled through their logarithms."""
    if temperature == 1:
        return to_space(scores, kind, space)
    if space == "logits" and kind != "logits":
        raise ValueError(f"logits cannot be computed from {kind}")
    scaled = (scores if kind == "logits" else to_space(scores, kind, "log_probabilities")) / temperature
    if space == "logits":
        return scaled
    logs = log_softmax(scaled)
    return logs if space == "log_probabilities" else np.asarray(np.exp(logs))
