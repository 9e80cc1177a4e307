"""Fusion: mean over the views of each member, weighted mean over members, in blocks of rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.spaces import scale_by_temperature
from gsm_bench.errors import ScoreFileError
from gsm_bench.kernels import add_weighted, view_means
from gsm_bench.row_windows import RowWindow
from gsm_bench.scorefile import NOT_SCORED, Scores
from gsm_bench.settings import Space

BLOCK_ROWS = 1024
"""Rows fused at once."""
BLOCKS_AHEAD = 4
"""Blocks that the system is told to read ahead; without it, reading from disk takes twice as long."""
MASKED = -1e4
"""What minus infinity counts as: no chance beside any score of a network, and yet a number that can be averaged."""
MOST_THREADS = 8
"""More threads than this only wait for memory."""

Out = TypeVar("Out")
Means = NDArray[np.float64]


@dataclass(frozen=True)
class FusedBlock:
    """A block of n rows, from row `start` on.

    Attributes:
        scores: float64 [n, C], the weighted mean over members; NaN where a member has no score.
        scored: bool [n], rows with a score of every member.
        member_scores: float64 [n, C] per member, the mean over its views.
        member_scored: bool [n] per member, rows with a score.
    """

    start: int
    scores: Means
    scored: NDArray[np.bool_]
    member_scores: tuple[Means, ...]
    member_scored: tuple[NDArray[np.bool_], ...]

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + len(self.scored))


@overload
def fuse_blocks(members: Sequence[OpenMember], task: str, space: Space) -> Iterator[FusedBlock]: ...
@overload
def fuse_blocks(
    members: Sequence[OpenMember], task: str, space: Space, work: Callable[[FusedBlock], Out]
) -> Iterator[Out]: ...
def fuse_blocks(
    members: Sequence[OpenMember], task: str, space: Space, work: Callable[[FusedBlock], Any] = lambda block: block
) -> Iterator[Any]:
    """Fused scores of all rows, block by block; a row needs a score of every member.

    Args:
        work: applied to each block in the thread that fuses it; its results are returned in place of the blocks.
    """
    statuses = [member.status for member in members]

    def fuse(rows: slice) -> Any:
        return work(fuse_rows(members, task, space, rows, statuses))

    yield from in_threads(fuse, len(members[0].head), BLOCK_ROWS)


def fuse_rows(
    members: Sequence[OpenMember], task: str, space: Space, rows: slice, statuses: Sequence[NDArray[np.uint8]]
) -> FusedBlock:
    """The fused scores of one block of rows; statuses uint8 [N] are those of the members."""
    means = tuple(member_mean(member, task, space, rows) for member in members)
    member_scored = tuple(status[rows] != NOT_SCORED for status in statuses)
    for member, mean, scored in zip(members, means, member_scored, strict=True):
        refuse_broken_rows(member, mean, scored, rows)
    all_scored: NDArray[np.bool_] = np.logical_and.reduce(member_scored)
    fused = weighted_mean(means, [member.weight for member in members])
    if not all_scored.all():
        fused[~all_scored] = np.nan
    return FusedBlock(rows.start, fused, all_scored, means, member_scored)


def in_threads(work: Callable[[slice], Out], total: int, rows_at_once: int) -> Iterator[Out]:
    """Results of `work` for blocks of rows, in order, from as many threads as there are cores, a few blocks ahead."""
    blocks = [slice(start, min(start + rows_at_once, total)) for start in range(0, total, rows_at_once)]
    threads = min(len(blocks), usable_cpus(), MOST_THREADS)
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


def refuse_broken_rows(member: OpenMember, mean: Means, scored: NDArray[np.bool_], rows: slice) -> None:
    """Raise ScoreFileError for a scored row [n] whose means [n, C], of floored scores, are not finite."""
    if np.isfinite(mean.sum()):  # fast path
        return
    broken = np.flatnonzero(scored & ~np.isfinite(mean).all(axis=1))
    if broken.size:
        row = rows.start + int(broken[0])
        name = member.head.ids[row if member.rows is None else int(member.rows[row])]
        raise ScoreFileError(
            f"scored videos contain NaN or inf scores, or views of nothing but -inf, first: {name!r}",
            where=member.spec.path,
            fix="score again with --fresh, or import the dump again: such videos then count as not scored",
        )


def weighted_mean(means: Sequence[Means], weights: Sequence[float]) -> Means:
    """Weighted sum float64 [n, C] of means [n, C]; the weights sum to one."""
    total = np.empty_like(means[0])
    for at, (mean, weight) in enumerate(zip(means, weights, strict=True)):
        add_weighted(mean, weight, total, at == 0)
    return total


def member_window(member: OpenMember, task: str, rows: slice) -> RowWindow:
    """Scores float32 [n, V, C] of a member's rows, in the ensemble's order, that may not have been compared yet."""
    if member.rows is None:
        ahead = BLOCKS_AHEAD * (rows.stop - rows.start)
        member.file.will_read(task, rows.start + ahead, rows.stop + ahead)
        return member.file.window(task, rows.start, rows.stop)
    return RowWindow(member.file.rows(task, member.rows[rows]))


def member_mean(member: OpenMember, task: str, space: Space, rows: slice) -> Means:
    """Mean over the chosen views, float64 [n, C]."""
    block = member_window(member, task, rows).compared()
    means = np.empty((block.shape[0], block.shape[2]))
    mean_over_views(member, task, space, block, means)
    return means


def is_plain(member: OpenMember, task: str, space: Space) -> bool:
    """Whether a member's scores are averaged as they are."""
    return member.head.kinds[task] == space and member.spec.temperature == 1


def mean_over_views(member: OpenMember, task: str, space: Space, block: Scores, means: Means) -> bool:
    """Write the mean over a member's views of a block float32 [n, V, C] to `means` float64 [n, C].

    Returns:
        Whether all means are finite, with minus infinity as in `floored`.
    """
    if is_plain(member, task, space):
        if view_means(block, member.views, means):
            return True
        finite = floored(block)
        return finite is not block and view_means(finite, member.views, means)
    block = floored(block)
    kind, temperature = member.head.kinds[task], member.spec.temperature
    views = [scale_by_temperature(block[:, view], kind, space, temperature) for view in member.views]
    if len(views) == 1:
        means[...] = views[0]
    else:
        np.add(views[0], views[1], out=means, dtype=np.float64)
        for view in views[2:]:
            means += view
        means /= len(views)
    return bool(np.isfinite(means).all())


def floored(block: Scores) -> Scores:
    """Scores float32 [n, V, C] with numbers in place of minus infinity, which masks a class; the block itself if it has none.

    A masked class gets -10,000, or twice the lowest number of its view where that is lower. A view of nothing but minus
    infinity becomes NaN.
    """
    masked = block == -np.inf
    if not masked.any():
        return block
    lowest = np.where(masked, np.inf, block).min(axis=2, keepdims=True, initial=np.inf).astype(np.float64)
    floor = np.where(lowest > MASKED, MASKED, np.maximum(2 * lowest, np.finfo(np.float32).min))
    floor[lowest == np.inf] = np.nan
    return np.where(masked, floor, block).astype(np.float32)


def running_mean(means: Sequence[NDArray[np.float64]], weights: Sequence[float]) -> NDArray[np.float64]:
    """Fused scores [n, C] of some members with means [n, C], at weights relative to each other."""
    total = sum(weights)
    return weighted_mean(means, [weight / total for weight in weights])
