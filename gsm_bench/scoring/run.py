"""The run: a network over a split, in parts that outlive it, into one score file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from gsm_bench.errors import GsmBenchError, RunConflictError
from gsm_bench.frames.clip_reader import ClipPixels, read_clip
from gsm_bench.nets.cost import Cost, count_cost
from gsm_bench.scorefile import (
    NOT_SCORED,
    SCORED,
    SUBSTITUTED,
    ClipScores,
    ScoreHead,
    Scores,
    create,
    open_scores,
    read,
)
from gsm_bench.scoring.forward import Scorer, collect
from gsm_bench.scoring.job import Job, provenance
from gsm_bench.scoring.parts import MERGE, Part, PartsFolder, RunCard
from gsm_bench.signatures import signature_difference

Rows = NDArray[np.int64]
Passes = list[Future[dict[str, Scores]]]
BATCHES_AHEAD = 2
POLL_S = 0.3


@dataclass(frozen=True)
class Progress:
    """Where a run stands: clips done by everybody at work on it, of those this run set out to score."""

    done: int
    total: int
    bad: int


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        path: the score file, or None while other shards still have parts to finish.
        scored: clips that this process scored.
        reused: clips that it found scored when it began.
        decoded: frames that this process decoded.
        bad: why a clip is not scored, by id.
        substituted: which frames were replaced, by id.
        parts_left: parts that other shards have yet to finish.
    """

    path: Path | None
    clips: int
    scored: int
    reused: int
    decoded: int
    seconds: float
    bad: dict[str, str]
    substituted: dict[str, str]
    parts_left: int = 0


@dataclass(frozen=True)
class Batch:
    """Rows that go through the network together; `wanted` marks those whose scores are needed."""

    part: int
    rows: Rows
    wanted: NDArray[np.bool_]
    last_of_part: bool


def run(job: Job, network: nn.Module, progress: Callable[[Progress], None] = lambda _: None) -> Outcome:
    """Score what is not scored yet and write the score file when all parts are there.

    Any number of processes may run the same job at once: each part is scored by one of them. A process that finds
    no free part waits until the others are done, unless it is a shard, which only does its own.

    Raises:
        RunConflictError: a run with another signature lies at the same place.
        FrameError: a bad frame, where the policy is ``error``; finished parts are kept.
    """
    return _Run(job, network, progress).carry_out()


def todo_rows(job: Job) -> Rows:
    """Rows that have no sound score yet; raises RunConflictError where a run with another signature lies here."""
    everything = np.arange(len(job.split))
    card = PartsFolder(job.parts_path).card()
    if job.fresh:
        return everything
    if card and card.signature != job.signature:
        raise _conflict(job, card.signature, job.parts_path)
    if (card and card.fresh) or not job.target.exists():  # a --fresh run that was interrupted goes on
        return everything
    with open_scores(job.target) as file:
        head = file.head
    before = str(head.provenance.get("signature"))
    if before != job.signature:
        raise _conflict(job, before, job.target)
    return np.flatnonzero(head.status != SCORED)


def begin(job: Job) -> Job:
    """Make the folder of a run's parts, or enter it; returns the job with its start settled, safe to run twice.

    Parts of an earlier process that hold clips without a score, or are damaged, are scored again: what was wrong
    with them may have been mended.

    Raises:
        RunConflictError: a run with another signature lies at the same place.
    """
    folder = PartsFolder(job.parts_path)
    alone = not folder.claimed_by_others()
    if job.fresh and alone:
        folder.remove()
    if not job.fresh and not todo_rows(job).size:
        return job
    card = folder.join(RunCard(job.signature, _now(), job.fresh))
    if card.signature != job.signature:
        raise _conflict(job, card.signature, folder.path)
    if alone:
        folder.drop_unsound()
    return replace(job, fresh=False)


class _Run:
    def __init__(self, job: Job, network: nn.Module, progress: Callable[[Progress], None]) -> None:
        self.job = begin(job)
        self.network = network
        self.progress = progress
        self.folder = PartsFolder(job.parts_path)
        self.began = time.monotonic()
        self.todo = todo_rows(self.job)
        self.parts = _rows_by_part(self.todo, job.part_clips)
        self.scored = self.decoded = self.bad = 0

    def carry_out(self) -> Outcome:
        if not self.todo.size:
            if not self.folder.claimed_by_others():
                self.folder.remove()  # made anew while another process was finishing
            return self._outcome(self.job.target)
        reused = self._done_clips()
        self._report()
        with self.folder.heartbeat():
            try:
                self._score_parts()
                self._merge_when_whole()
            except FileNotFoundError as error:
                self._check_merged_elsewhere(error)
        return self._outcome(self.job.target, reused=reused)

    def _check_merged_elsewhere(self, error: FileNotFoundError) -> None:
        """The folder went away under our hands: fine if another process wrote the score file."""
        if self.folder.path.exists() or not self.job.target.exists() or todo_rows(self.job).size == len(self.job.split):
            raise GsmBenchError(
                f"the parts of this run were taken away while it was at work ({error})",
                where=self.folder.path,
                fix="run the same command again; start --fresh in one process only",
            ) from error

    def _score_parts(self) -> None:
        job = self.job
        with (
            Scorer(self.network, job.entry, job.settings) as scorer,
            ThreadPoolExecutor(job.settings.workers, thread_name_prefix="frames") as pool,
        ):
            pieces: list[Part] = []
            try:
                for batch, clips, passes in _in_lanes(scorer, _read_ahead(self._batches(), self._submit(pool))):
                    pieces.append(self._piece(batch, clips, passes))
                    if batch.last_of_part:
                        self.folder.write(batch.part, _joined(pieces))
                        pieces = []
                    self._report(in_hand=sum(len(piece.rows) for piece in pieces))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _submit(self, pool: ThreadPoolExecutor) -> Callable[[Batch], list[Future[ClipPixels] | None]]:
        job = self.job

        def submit(batch: Batch) -> list[Future[ClipPixels] | None]:
            return [
                pool.submit(read_clip, job.source, job.split.clip(int(row)), job.read_plan) if wanted else None
                for row, wanted in zip(batch.rows, batch.wanted, strict=True)
            ]

        return submit

    def _batches(self) -> Iterator[Batch | None]:
        """Batches of the parts that this process claims, one part after the other; None where it has to wait."""
        size, clips = self.job.settings.batch, len(self.job.split)
        todo = np.zeros(clips, bool)
        todo[self.todo] = True
        for part in self._claims():
            if part is None:
                yield None
                continue
            starts = range(part * self.job.part_clips, min((part + 1) * self.job.part_clips, clips), size)
            needed = [start for start in starts if todo[start : start + size].any()]
            for start in needed:
                rows = np.arange(start, min(start + size, clips))
                yield Batch(part, rows, todo[rows], start == needed[-1])

    def _claims(self) -> Iterator[int | None]:
        """Parts to score, claimed one at a time; without shards also those whose process died.

        None where all that is left is in somebody's hands, which may be our own.
        """
        while missing := [part for part in self._missing_parts() if self._mine(part)]:
            claimed = next((part for part in missing if self.folder.claim(str(part))), None)
            if claimed is None:
                yield None
                if self._missing_parts():
                    time.sleep(POLL_S)
                    self._report()
            elif claimed in self.folder.finished():  # done between the look and the claim
                self.folder.release(str(claimed))
            else:
                yield claimed

    def _mine(self, part: int) -> bool:
        shard = self.job.settings.shard
        return shard is None or part % shard[1] == shard[0] - 1

    def _missing_parts(self) -> list[int]:
        finished = self.folder.finished()
        return [part for part in self.parts if part not in finished]

    def _piece(self, batch: Batch, clips: list[ClipPixels | None], passes: Passes) -> Part:
        """The wanted rows of a batch, once its passes have come back."""
        rows = batch.rows[batch.wanted]
        read = [clip for clip in clips if clip is not None]
        views, tasks = len(self.job.views), self.job.entry.tasks
        if passes:
            answers = collect(passes, [clip.pixels if clip else None for clip in clips])
            scores = {task: values[batch.wanted] for task, values in answers.items()}
        else:
            scores = {task: np.full((len(rows), views, width), np.nan, np.float32) for task, width in tasks.items()}
        problems = {int(row): clip.problem for row, clip in zip(rows, read, strict=True) if clip.problem}
        status = np.array([_status(clip) for clip in read], np.uint8)
        for at in np.flatnonzero(status != NOT_SCORED):
            if not all(np.isfinite(values[at]).all() for values in scores.values()):
                status[at], problems[int(rows[at])] = (
                    NOT_SCORED,
                    "the network answered with numbers that are not finite",
                )
        for values in scores.values():
            values[status == NOT_SCORED] = np.nan
        self.scored += len(rows)
        self.decoded += sum(clip.decoded for clip in read)
        self.bad += int((status == NOT_SCORED).sum())
        return Part(rows, status, np.array([clip.num_frames for clip in read], np.int64), problems, scores)

    def _merge_when_whole(self) -> None:
        """Write the score file if all parts are there; other shards that have some to finish do it else."""
        while self.folder.path.exists() and not self._missing_parts():
            if self.folder.claim(MERGE):
                cost = count_cost(self.network, self.job.entry.frames, self.job.entry.input.size)
                merge(self.job, self.folder, self.parts, cost)
                self.folder.remove()
            else:
                time.sleep(POLL_S)

    def _done_clips(self) -> int:
        return sum(self.parts[part].size for part in self.folder.finished() if part in self.parts)

    def _report(self, in_hand: int = 0) -> None:
        self.progress(Progress(self._done_clips() + in_hand, self.todo.size, self.bad))

    def _outcome(self, path: Path, *, reused: int = 0) -> Outcome:
        left = len(self._missing_parts()) if self.folder.path.exists() else 0
        bad: dict[str, str] = {}
        substituted: dict[str, str] = {}
        if not left:
            with open_scores(path) as file:
                head = file.head
            for row in np.flatnonzero(head.status != SCORED):
                into = bad if head.status[row] == NOT_SCORED else substituted
                into[head.ids[row]] = head.problems.get(head.ids[row], "unknown reason")
        clips = len(self.job.split)
        return Outcome(
            None if left else path, clips, self.scored, clips - self.todo.size + reused, self.decoded,
            time.monotonic() - self.began, bad, substituted, left,
        )  # fmt: skip


def merge(job: Job, folder: PartsFolder, parts: Iterable[int], cost: Cost) -> None:
    """Put the parts, over what an earlier run scored, into the score file."""
    card = folder.card()
    before = None if card is None or card.fresh else _earlier_scores(job)
    head = before or _empty_head(job)
    status = head.status.copy()
    num_frames = np.zeros(len(head), np.int64) if head.num_frames is None else head.num_frames.copy()
    problems = dict(head.problems)
    widths = dict(job.entry.tasks)
    for part in (folder.read(number) for number in parts):
        status[part.rows], num_frames[part.rows] = part.status, part.num_frames
        widths |= {task: values.shape[2] for task, values in part.scores.items()}
        for row in part.rows:
            problems.pop(head.ids[row], None)
        problems |= {head.ids[row]: reason for row, reason in part.problems.items()}
    started = before.provenance["started"] if before else card.started if card else None
    said = provenance(job, started, _now()) | _cost_items(cost)
    final = ScoreHead(
        ids=head.ids, kinds=head.kinds, classes_per_task=widths, views=head.views, status=status,
        provenance=said, class_names=head.class_names, problems=problems, num_frames=num_frames,
    )  # fmt: skip
    with create(job.target, final, force=True) as datasets:
        for task, dataset in datasets.items():
            if before is not None:
                dataset[...] = before.scores[task]
            for part in (folder.read(number) for number in parts):
                _put_rows(dataset, part.rows, part.scores[task])


def _put_rows(dataset: Any, rows: Rows, values: NDArray[np.float32]) -> None:
    if rows[-1] - rows[0] + 1 == len(rows):
        dataset[rows[0] : rows[-1] + 1] = values
    else:
        dataset[rows] = values


def _earlier_scores(job: Job) -> ClipScores | None:
    if not job.target.exists():
        return None
    earlier = read(job.target)
    return earlier if earlier.provenance.get("signature") == job.signature else None


def _empty_head(job: Job) -> ScoreHead:
    names = {task: names for task, names in job.split.class_names.items() if task in job.entry.tasks}
    return ScoreHead(
        ids=job.split.ids,
        kinds=dict.fromkeys(job.entry.tasks, job.entry.score_kind),
        classes_per_task=job.entry.tasks,
        views=job.views,
        status=np.full(len(job.split), NOT_SCORED, np.uint8),
        provenance={},
        class_names=names,
    )


def _cost_items(cost: Cost) -> dict[str, Any]:
    return {
        "params": cost.params,
        "macs_bare_per_view": cost.macs_bare,
        "macs_paper_per_view": cost.macs_paper,
        "uncounted": cost.uncounted,
    }


def _rows_by_part(rows: Rows, part_clips: int) -> dict[int, Rows]:
    numbers = rows // part_clips
    return {int(number): rows[numbers == number] for number in np.unique(numbers)}


def _in_lanes(
    scorer: Scorer, batches: Iterator[tuple[Batch, list[ClipPixels | None]] | None]
) -> Iterator[tuple[Batch, list[ClipPixels | None], Passes]]:
    """Batches whose passes have been started, as many at a time as fill the scorer's lanes and one more."""
    started: deque[tuple[Batch, list[ClipPixels | None], Passes]] = deque()
    for item in batches:
        if item is not None:
            batch, clips = item
            pixels = [clip.pixels if clip else None for clip in clips]
            started.append((batch, clips, scorer.submit(pixels) if any(p is not None for p in pixels) else []))
        while started and (item is None or sum(len(passes) for _, _, passes in started) > 2 * scorer.lanes):
            yield started.popleft()
    yield from started


def _read_ahead(
    batches: Iterator[Batch | None], submit: Callable[[Batch], list[Future[ClipPixels] | None]]
) -> Iterator[tuple[Batch, list[ClipPixels | None]] | None]:
    """Batches with their clips read, a few batches ahead of the network, across parts; all of them before a wait.

    None says that a wait is near, so that whoever comes after finishes what it has in hand.
    """
    queue: deque[tuple[Batch, list[Future[ClipPixels] | None]]] = deque()
    for batch in batches:
        if batch is not None:
            queue.append((batch, submit(batch)))
        while queue and (batch is None or len(queue) > BATCHES_AHEAD):
            yield _collected(queue.popleft())
        if batch is None:
            yield None
    while queue:
        yield _collected(queue.popleft())


def _collected(
    item: tuple[Batch, list[Future[ClipPixels] | None]],
) -> tuple[Batch, list[ClipPixels | None]]:
    batch, futures = item
    return batch, [future.result() if future else None for future in futures]


def _joined(pieces: list[Part]) -> Part:
    return Part(
        rows=np.concatenate([piece.rows for piece in pieces]),
        status=np.concatenate([piece.status for piece in pieces]),
        num_frames=np.concatenate([piece.num_frames for piece in pieces]),
        problems={row: reason for piece in pieces for row, reason in piece.problems.items()},
        scores={task: np.concatenate([piece.scores[task] for piece in pieces]) for task in pieces[0].scores},
    )


def _status(clip: ClipPixels) -> int:
    if clip.pixels is None:
        return NOT_SCORED
    return SUBSTITUTED if clip.problem else SCORED


def _conflict(job: Job, before: str, where: Path) -> RunConflictError:
    return RunConflictError(
        f"a run of {job.entry.name} with other settings already lies here; they differ in\n"
        f"{signature_difference(before, job.signature)}\n"
        f"  there: {before}\n  now:   {job.signature}",
        where=where,
        fix="--out FILE writes this run elsewhere, --fresh starts again and replaces what is there",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
