"""Fusion: mean over the views of each member, weighted mean over members, in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.entries import Space
from gsm_bench.errors import AlignmentError
from gsm_bench.metrics.topk import KS, Accuracy, AccuracyCounter
from gsm_bench.scorefile import NOT_SCORED, Kind, Scores

BLOCK_ROWS = 1024
"""Rows fused at once: small enough that a block of every member stays in cache."""
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What a probability stored as 0 counts for in a logarithm: the smallest that its file could have held."""


@dataclass(frozen=True)
class FusedBlock:
    """Fused scores [n, C] (float32, or float64 after a softmax) of rows `start`.., and which of them are whole."""

    start: int
    scores: NDArray[np.floating]
    scored: NDArray[np.bool_]


def fusion_space(members: Sequence[OpenMember], task: str, asked: Space | None) -> Space:
    """The space in which members are averaged: the one asked for, else the one their scores are in.

    Raises:
        AlignmentError: scores of unlike kinds and no space asked for, or logits asked of members that have none.
    """
    kinds = {member.spec.label: member.head.kinds[task] for member in members}
    if asked is None and len(set(kinds.values())) == 1:
        return next(iter(kinds.values()))
    if asked is None:
        said = ", ".join(f"{label} holds {kind}" for label, kind in kinds.items())
        raise AlignmentError(
            f"the members' scores are of unlike kinds: {said}",
            fix="--space probabilities or --space log_probabilities converts them",
        )
    if asked == "logits" and set(kinds.values()) != {"logits"}:
        label = next(label for label, kind in kinds.items() if kind != "logits")
        raise AlignmentError(
            f"{label} holds {kinds[label]}, from which logits cannot be had",
            fix="--space probabilities or --space log_probabilities",
        )
    return asked


def conversions(members: Sequence[OpenMember], task: str, space: Space) -> list[str]:
    """In words, which members are converted."""
    kinds = [(member.spec.label, member.head.kinds[task]) for member in members]
    return [f"{label}: {kind} converted to {space}" for label, kind in kinds if kind != space]


def fuse_blocks(members: Sequence[OpenMember], task: str, space: Space) -> Iterator[FusedBlock]:
    """Fused scores of all rows, block by block; a row needs all its members."""
    total = len(members[0].head)
    statuses = [member.status for member in members]
    for start in range(0, total, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, total)
        scored = np.all([status[start:stop] != NOT_SCORED for status in statuses], axis=0)
        fused = _weighted_mean(members, task, space, start, stop)
        if not scored.all():
            fused[~scored] = np.nan
        yield FusedBlock(start, fused, scored)


def accuracy_of(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], ks: Sequence[int] = KS
) -> Accuracy:
    """Accuracy of the fused scores against labels int [N] in the first member's rows."""
    counter = AccuracyCounter(members[0].head.classes_per_task[task], ks)
    for block in fuse_blocks(members, task, space):
        counter.add(block.scores, labels[block.start : block.start + len(block.scored)], block.scored)
    return counter.result()


def _weighted_mean(
    members: Sequence[OpenMember], task: str, space: Space, start: int, stop: int
) -> NDArray[np.floating]:
    total: NDArray[np.floating] | None = None
    for member in members:
        share = _member_mean(member, task, space, start, stop) * np.float64(member.weight)
        total = share if total is None else np.add(total, share, out=total)
    assert total is not None
    return total


def _member_mean(member: OpenMember, task: str, space: Space, start: int, stop: int) -> NDArray[np.float64]:
    """Mean over the chosen views, float64 [n, C]."""
    if member.rows is None:
        block = member.file.block(task, start, stop)
    else:
        block = member.file.rows(task, member.rows[start:stop])
    if len(member.views) != block.shape[1]:
        block = block[:, member.views]  # [n, V, C]
    values = to_space(block, member.head.kinds[task], space)
    mean: NDArray[np.float64] = np.mean(np.asarray(values, np.float64), axis=1)
    return mean


def to_space(scores: Scores, kind: Kind, space: Space) -> NDArray[np.floating]:
    """Scores [..., C] of one kind in another space; float64 where anything had to be computed.

    Raises:
        ValueError: logits cannot be had from probabilities.
    """
    if kind == space:
        return scores
    if space == "logits":
        raise ValueError(f"logits cannot be had from {kind}")
    values = scores.astype(np.float64)
    if kind == "logits":
        log_probabilities = log_softmax(values)
        return np.exp(log_probabilities) if space == "probabilities" else log_probabilities
    if kind == "log_probabilities":
        return np.exp(values)
    return np.log(np.maximum(values, SMALLEST_PROBABILITY))


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row-wise log-probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    norm: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted - norm
