"""Fusion: mean over the views of each member, weighted mean over members, in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.entries import Space
from gsm_bench.errors import AlignmentError, ScoreFileError
from gsm_bench.metrics.topk import KS, Accuracy, AccuracyCounter
from gsm_bench.scorefile import NOT_SCORED, Kind, Scores

BLOCK_ROWS = 1024
"""Rows fused at once: small enough that a block of every member stays in cache."""
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What a probability stored as 0 counts for in a logarithm: the smallest that its file could have held."""


@dataclass(frozen=True)
class FusedBlock:
    """A block of n rows, from row `start` on.

    Attributes:
        scores: float64 [n, C], the weighted mean over members; NaN where a member has no score.
        scored: which rows are whole.
        member_scores: float64 [n, C] per member, the mean over its views.
        member_scored: which rows have a score, per member.
    """

    start: int
    scores: NDArray[np.float64]
    scored: NDArray[np.bool_]
    member_scores: tuple[NDArray[np.float64], ...]
    member_scored: tuple[NDArray[np.bool_], ...]

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + len(self.scored))


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
        rows = slice(start, min(start + BLOCK_ROWS, total))
        means = tuple(member_mean(member, task, space, rows) for member in members)
        member_scored = tuple(status[rows] != NOT_SCORED for status in statuses)
        for member, mean, sound in zip(members, means, member_scored, strict=True):
            refuse_broken_rows(member, mean, sound, rows)
        scored: NDArray[np.bool_] = np.logical_and.reduce(member_scored)
        fused = weighted_mean(means, [member.weight for member in members])
        if not scored.all():
            fused[~scored] = np.nan
        yield FusedBlock(start, fused, scored, means, member_scored)


def accuracies_of(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], ks: Sequence[int] = KS
) -> tuple[Accuracy, list[Accuracy]]:
    """Accuracy of the fused scores, and of each member, against labels int [N] in the first member's rows."""
    classes = members[0].head.classes_per_task[task]
    whole, singles = AccuracyCounter(classes, ks), [AccuracyCounter(classes, ks) for _ in members]
    for block in fuse_blocks(members, task, space):
        wanted = labels[block.rows]
        whole.add(block.scores, wanted, block.scored)
        if len(members) > 1:
            for single, scores, scored in zip(singles, block.member_scores, block.member_scored, strict=True):
                single.add(scores, wanted, scored)
    accuracy = whole.result()
    return accuracy, [single.result() for single in singles] if len(members) > 1 else [accuracy]


def refuse_broken_rows(member: OpenMember, mean: NDArray[np.float64], scored: NDArray[np.bool_], rows: slice) -> None:
    """A row that says it is scored holds numbers (minus infinity is the logarithm of 0)."""
    broken = np.flatnonzero(scored & ~(mean < np.inf).all(axis=1))
    if broken.size:
        row = rows.start + int(broken[0])
        name = member.head.ids[row if member.rows is None else int(member.rows[row])]
        raise ScoreFileError(
            f"{broken.size} clips are marked as scored and hold no numbers, first {name!r}",
            where=member.spec.path,
            fix="score again with --fresh, or copy the file again",
        )


def weighted_mean(means: Sequence[NDArray[np.float64]], weights: Sequence[float]) -> NDArray[np.float64]:
    total = means[0] * weights[0]
    for mean, weight in zip(means[1:], weights[1:], strict=True):
        total += mean * weight
    return total


def member_mean(member: OpenMember, task: str, space: Space, rows: slice) -> NDArray[np.float64]:
    """Mean over the chosen views, float64 [n, C]."""
    if member.rows is None:
        block = member.file.block(task, rows.start, rows.stop)
    else:
        block = member.file.rows(task, member.rows[rows])
    total = np.zeros((len(block), block.shape[2]))
    for view in member.views:
        total += tempered(block[:, view], member.head.kinds[task], space, member.spec.temperature)
    total /= len(member.views)
    return total


def to_space(scores: Scores, kind: Kind, space: Space) -> NDArray[np.floating]:
    """Scores [..., C] of one kind in another space; float64 where anything has to be computed.

    Raises:
        ValueError: logits cannot be had from probabilities.
    """
    if kind == space:
        return scores
    if space == "logits":
        raise ValueError(f"logits cannot be had from {kind}")
    values: NDArray[np.floating] = scores.astype(np.float64)
    if kind == "logits":
        values = log_softmax(values)
    if space == "probabilities":
        values = np.exp(values)
    elif kind == "probabilities":
        values = np.log(np.maximum(values, SMALLEST_PROBABILITY))
    return values


def tempered(scores: Scores, kind: Kind, space: Space, temperature: float) -> NDArray[np.floating]:
    """Scores [..., C] in a space after division by a temperature, which logarithms of probabilities stand for."""
    if temperature == 1:
        return to_space(scores, kind, space)
    if space == "logits" and kind != "logits":
        raise ValueError(f"logits cannot be had from {kind}")
    scaled = (scores if kind == "logits" else to_space(scores, kind, "log_probabilities")) / temperature
    if space == "logits":
        return scaled
    logs = log_softmax(scaled)
    return logs if space == "log_probabilities" else np.asarray(np.exp(logs))


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Row-wise log-probabilities over the last axis."""
    shifted: NDArray[np.floating] = logits - logits.max(axis=-1, keepdims=True)
    total: NDArray[np.floating] = np.exp(shifted).sum(axis=-1, keepdims=True)
    log_probabilities: NDArray[np.floating] = shifted - np.log(total)
    return log_probabilities
