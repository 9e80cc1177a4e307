"""Fusion: mean over the views of each member, weighted mean over members, in blocks of rows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.screen import largest_score, ranks_of_fused, ranks_of_views, view_sums
from gsm_bench.entries import Space
from gsm_bench.errors import AlignmentError, ScoreFileError
from gsm_bench.metrics.topk import KS, Accuracy, AccuracyCounter, label_ranks
from gsm_bench.scorefile import NOT_SCORED, Kind, Scores

BLOCK_ROWS = 1024
"""Rows fused at once: small enough that a block of every member stays in cache."""
MOST_THREADS = 8
"""More threads than this wait for memory, not for cores."""
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What a probability stored as 0 counts for in a logarithm: the smallest that its file could have held."""


Out = TypeVar("Out")


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
    statuses = [member.status for member in members]

    def work(rows: slice) -> FusedBlock:
        return _fuse_block(members, statuses, task, space, rows, [_block(member, task, rows) for member in members])

    yield from _in_threads(work, len(members[0].head))


def _in_threads(work: Callable[[slice], Out], total: int) -> Iterator[Out]:
    """Blocks of rows in order, worked on by as many threads as there are cores and never far ahead."""
    blocks = [slice(start, min(start + BLOCK_ROWS, total)) for start in range(0, total, BLOCK_ROWS)]
    threads = min(len(blocks), len(os.sched_getaffinity(0)), MOST_THREADS)
    if threads < 2:
        yield from map(work, blocks)
        return
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[Out]] = deque()
        try:
            for rows in blocks:
                under_way.append(pool.submit(work, rows))
                if len(under_way) > 2 * threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _fuse_block(
    members: Sequence[OpenMember], statuses: Sequence[NDArray[np.uint8]], task: str, space: Space, rows: slice,
    blocks: Sequence[Scores],
) -> FusedBlock:  # fmt: skip
    means = tuple(_view_mean(block, member, task, space) for member, block in zip(members, blocks, strict=True))
    member_scored = tuple(status[rows] != NOT_SCORED for status in statuses)
    for member, mean, sound in zip(members, means, member_scored, strict=True):
        refuse_broken_rows(member, mean, sound, rows)
    scored: NDArray[np.bool_] = np.logical_and.reduce(member_scored)
    fused = weighted_mean(means, [member.weight for member in members])
    if not scored.all():
        fused[~scored] = np.nan
    return FusedBlock(rows.start, fused, scored, means, member_scored)


def accuracies_of(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], ks: Sequence[int] = KS
) -> tuple[Accuracy, list[Accuracy]]:
    """Accuracy of the fused scores, and of each member, against labels int [N] in the first member's rows."""
    statuses = [member.status for member in members]

    def count(rows: slice) -> list[AccuracyCounter]:
        blocks = [_block(member, task, rows) for member in members]
        sound = all((status[rows] != NOT_SCORED).all() for status in statuses)
        screened = _screened(members, blocks, task, space, labels[rows], fused=True) if sound else None
        if screened:
            return [_ranked(ranks, labels[rows], members[0], task, ks) for ranks in screened]
        block = _fuse_block(members, statuses, task, space, rows, blocks)
        sides = [(block.scores, block.scored)]
        if len(members) > 1:
            sides += zip(block.member_scores, block.member_scored, strict=True)
        return [_counted(scores, labels[rows], scored, ks) for scores, scored in sides]

    classes = members[0].head.classes_per_task[task]
    empty = [AccuracyCounter(classes, ks) for _ in range(len(members) + 1 if len(members) > 1 else 1)]
    accuracy, *singles = _added(empty, _in_threads(count, len(members[0].head)))
    return accuracy, singles or [accuracy]


def accuracies_alone(
    members: Sequence[OpenMember], task: str, space: Space, labels: NDArray[np.integer], ks: Sequence[int] = KS
) -> list[Accuracy]:
    """The accuracy of each member, as in `accuracies_of`; members of one file, in its order, share what is read."""
    statuses = [member.status for member in members]

    def count(rows: slice) -> list[AccuracyCounter]:
        read: dict[Path, Scores] = {}
        found = []
        for member, status in zip(members, statuses, strict=True):
            if member.spec.path not in read:
                read[member.spec.path] = _block(member, task, rows)
            block = read[member.spec.path]
            sound = bool((status[rows] != NOT_SCORED).all())
            screened = _screened([member], [block], task, space, labels[rows], fused=False) if sound else None
            if screened:
                found.append(_ranked(screened[0], labels[rows], member, task, ks))
                continue
            mean = _view_mean(block, member, task, space)
            scored = status[rows] != NOT_SCORED
            refuse_broken_rows(member, mean, scored, rows)
            found.append(_counted(mean, labels[rows], scored, ks))
        return found

    empty = [AccuracyCounter(member.head.classes_per_task[task], ks) for member in members]
    return _added(empty, _in_threads(count, len(members[0].head)))


def _screened(
    members: Sequence[OpenMember], blocks: Sequence[Scores], task: str, space: Space,
    labels: NDArray[np.integer], *, fused: bool,
) -> list[NDArray[np.int64]] | None:  # fmt: skip
    """Ranks of the labels among the fused scores, if asked for, and among each of several members'.

    None for blocks with rows that float32 cannot answer for: converted scores, unknown labels, no ordinary numbers.
    """
    plain = all(member.head.kinds[task] == space and member.spec.temperature == 1 for member in members)
    largest = [largest_score(block) for block in blocks] if plain and len(labels) and labels.min() >= 0 else [None]
    found = [most for most in largest if most is not None]
    if len(found) < len(blocks):
        return None
    sums = [view_sums(block, member.views) for member, block in zip(members, blocks, strict=True)]
    views = [len(member.views) for member in members]
    sides: list[NDArray[np.int64]] = []
    if fused and len(members) > 1:
        ranks, unsure = ranks_of_fused(sums, [member.weight for member in members], views, found, labels)
        if unsure.size:
            means = [_view_mean(b[unsure], m, task, space) for m, b in zip(members, blocks, strict=True)]
            ranks[unsure] = label_ranks(weighted_mean(means, [member.weight for member in members]), labels[unsure])
        sides.append(ranks)
    for member, block, values, count, most in zip(members, blocks, sums, views, found, strict=True):
        ranks, unsure = ranks_of_views(values, labels, count, most)
        if unsure.size:
            ranks[unsure] = label_ranks(_view_mean(block[unsure], member, task, space), labels[unsure])
        sides.append(ranks)
    return sides


def _ranked(
    ranks: NDArray[np.int64], labels: NDArray[np.integer], member: OpenMember, task: str, ks: Sequence[int]
) -> AccuracyCounter:
    counter = AccuracyCounter(member.head.classes_per_task[task], ks)
    counter.add_ranked(ranks, labels)
    return counter


def _counted(
    scores: NDArray[np.float64], labels: NDArray[np.integer], scored: NDArray[np.bool_], ks: Sequence[int]
) -> AccuracyCounter:
    counter = AccuracyCounter(scores.shape[1], ks)
    counter.add(scores, labels, scored)
    return counter


def _added(counters: list[AccuracyCounter], blocks: Iterator[list[AccuracyCounter]]) -> list[Accuracy]:
    for block in blocks:
        for counter, later in zip(counters, block, strict=True):
            counter.append(later)
    return [counter.result() for counter in counters]


def refuse_broken_rows(member: OpenMember, mean: NDArray[np.float64], scored: NDArray[np.bool_], rows: slice) -> None:
    """A row that says it is scored holds numbers (minus infinity is the logarithm of 0)."""
    if mean.size and mean.max() < np.inf:  # one fast look; NaN is not below infinity
        return
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
    share = np.empty_like(total)
    for mean, weight in zip(means[1:], weights[1:], strict=True):
        total += np.multiply(mean, weight, out=share)
    return total


def member_mean(member: OpenMember, task: str, space: Space, rows: slice) -> NDArray[np.float64]:
    """Mean over the chosen views, float64 [n, C]."""
    return _view_mean(_block(member, task, rows), member, task, space)


def _block(member: OpenMember, task: str, rows: slice) -> Scores:
    if member.rows is None:
        return member.file.block(task, rows.start, rows.stop)
    return member.file.rows(task, member.rows[rows])


def _view_mean(block: Scores, member: OpenMember, task: str, space: Space) -> NDArray[np.float64]:
    kind, temperature = member.head.kinds[task], member.spec.temperature
    views = [tempered(block[:, view], kind, space, temperature) for view in member.views]
    total = views[0].astype(np.float64) if len(views) == 1 else np.add(views[0], views[1], dtype=np.float64)
    for view in views[2:]:
        total += view
    if len(views) > 1:
        total /= len(views)
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
