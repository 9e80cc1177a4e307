"""The run: networks over a split, in parts that outlive it, into a score file for each.

Several models share one reading: a clip's frames are decoded once for all of them. Parts, signatures and files of
each are those of a run of its own, so that runs of one and of many models may follow and help each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from gsm_bench.scorefile import NOT_SCORED, SCORED, open_scores
from gsm_bench.scoring.batch_result import BatchResult, batch_result
from gsm_bench.scoring.chunks import Chunk
from gsm_bench.scoring.forward import ForwardPool, Scorer
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.model_run import POLL_S, ModelRun
from gsm_bench.scoring.pipeline import Batch, Scoring, prefetch, run_forward

Engine = Callable[["Run"], None]
"""What carries a run's work: scores the batches that it claims and writes its parts."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: clips done by everybody at work on it, of those this run set out to score."""

    done: int
    total: int
    bad: int


@dataclass(frozen=True)
class Outcome:
    """What a run of one model came to.

    Attributes:
        path: the score file, or None while other shards still have parts to finish.
        scored: clips that this process scored.
        reused: clips that it found scored when it began.
        decoded: frames that this process decoded, for this model before others of the same run.
        bad: why a clip is not scored, by id.
        substituted: which frames were replaced, by id.
        parts_left: parts that other shards have yet to finish.
        batch_halvings: parts by clips per pass, where memory did not hold the batch.
        compile_fallbacks: parts by the reason why their network was not compiled, where it was to be.
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
    batch_halvings: dict[str, int] = field(default_factory=dict)
    compile_fallbacks: dict[str, int] = field(default_factory=dict)


def run(job: Job, network: nn.Module, progress: Callable[[Progress], None] = lambda _: None) -> Outcome:
    """Score what is not scored yet and write the score file when all parts are there.

    Any number of processes may run the same job at once: each part is scored by one of them. A process that finds
    no free part waits until the others are done, unless it is a shard, which only does its own.

    Raises:
        RunConflictError: a run with another signature lies at the same place.
        FrameError: a bad frame, where the policy is ``error``; finished parts are kept.
    """
    return run_together([(job, network)], progress)[0]


def run_together(
    jobs: Sequence[tuple[Job, nn.Module]],
    progress: Callable[[Progress], None] = lambda _: None,
    engine: Engine | None = None,
) -> list[Outcome]:
    """Score several models on one split, as `run` does, with one reading of the frames for all of them.

    The engine carries the work; this process does it unless told.
    """
    engine = engine or score_here
    return Run([ModelRun(job, network) for job, network in jobs], progress, engine).carry_out()


class Run:
    """A run at work: its models, the batches that it claims, and what becomes of their answers."""

    def __init__(self, members: list[ModelRun], progress: Callable[[Progress], None], engine: Engine) -> None:
        self.members = [member for member in members if member.todo.size]
        self.all = members
        self.progress = progress
        self.engine = engine
        self.began = time.monotonic()
        self.total = sum(member.todo.size for member in self.members)

    def carry_out(self) -> list[Outcome]:
        for member in self.all:
            if not member.todo.size and not member.folder.claimed_by_others():
                member.folder.remove()  # made anew while another process was finishing
        if self.members:
            self._report()
            self._score_and_merge()
        return [self._outcome(member) for member in self.all]

    def _score_and_merge(self) -> None:
        with ExitStack() as stack:
            for member in self.members:
                stack.enter_context(member.folder.heartbeat())
            while self.members:
                try:
                    self.engine(self)
                    for member in self.members:
                        member.merge_when_whole()
                    return
                except FileNotFoundError as error:
                    self._leave_merged(error)

    def _leave_merged(self, error: FileNotFoundError) -> None:
        """A folder went away under our hands: go on with the models that another process has not finished."""
        gone = [member for member in self.members if not member.folder.path.exists()]
        for member in gone or self.members[:1]:
            member.check_merged_elsewhere(error)
        self.members = [member for member in self.members if member not in gone]
        for member in self.members:
            member.drop_parts_in_hand()

    def batches(self) -> Iterator[Batch | None]:
        """Batches of the parts that this process claims, one part after the other; None where it has to wait."""
        size, clips = self.members[0].job.settings.batch, len(self.members[0].job.split)
        for claimed in self._claims():
            if claimed is None:
                yield None
                continue
            part, members = claimed
            starts = {member: member.needed_starts(part) for member in members}
            for start in sorted({start for needed in starts.values() for start in needed}):
                rows = np.arange(start, min(start + size, clips))
                wanting = [member for member in members if start in starts[member]]
                yield Batch(part, rows, [(member, member.is_todo[rows]) for member in wanting])

    def keep(self, batch: Batch, results: Sequence[BatchResult]) -> list[tuple[ModelRun, Chunk]]:
        """Keep the answers to a batch, one piece for each of its models; returns parts that are now complete."""
        complete = []
        for (member, _), result in zip(batch.members, results, strict=True):
            part = member.keep(batch.part, batch.start, result)
            if part is not None:
                complete.append((member, part))
        self._report()
        return complete

    def _claims(self) -> Iterator[tuple[int, list[ModelRun]] | None]:
        """Parts to score with the models that need them, one at a time; without shards also those of dead processes.

        None where all that is left is in somebody's hands, which may be our own.
        """
        while missing := self._missing():
            for part, wanting in missing.items():
                if claimed := [member for member in wanting if member.claim(part)]:
                    yield part, claimed
                    break
            else:
                yield None
                if self._missing():
                    time.sleep(POLL_S)
                    self._report()

    def _missing(self) -> dict[int, list[ModelRun]]:
        """Parts of this process's shard that are not finished, with the models that lack them."""
        missing: dict[int, list[ModelRun]] = {}
        for member in self.members:
            for part in member.missing_parts():
                if member.is_mine(part):
                    missing.setdefault(part, []).append(member)
        return dict(sorted(missing.items()))

    def _report(self) -> None:
        done = sum(member.done_clips() + member.in_hand for member in self.members)
        self.progress(Progress(min(done, self.total), self.total, sum(member.bad for member in self.members)))

    def _outcome(self, member: ModelRun) -> Outcome:
        left = len(member.missing_parts()) if member.folder.path.exists() else 0
        bad: dict[str, str] = {}
        substituted: dict[str, str] = {}
        batch_halvings: dict[str, int] = {}
        compile_fallbacks: dict[str, int] = {}
        if not left:
            with open_scores(member.job.target) as file:
                head = file.head
            batch_halvings = dict(head.provenance.batch_halvings or {})
            compile_fallbacks = dict(head.provenance.compile_fallbacks or {})
            for row in np.flatnonzero(head.status != SCORED):
                into = bad if head.status[row] == NOT_SCORED else substituted
                into[head.ids[row]] = head.problems.get(head.ids[row], "unknown reason")
        clips = len(member.job.split)
        return Outcome(
            None if left else member.job.target, clips, member.scored, clips - member.todo.size + member.reused,
            member.decoded, time.monotonic() - self.began, bad, substituted, left, batch_halvings, compile_fallbacks,
        )  # fmt: skip


def score_here(run: Run) -> None:
    """The local engine: threads of this process read frames, carry passes and write parts."""
    settings = run.members[0].job.settings
    with (
        ForwardPool(settings) as forward_pool,
        ThreadPoolExecutor(settings.workers, thread_name_prefix="frames") as readers,
        ThreadPoolExecutor(1, thread_name_prefix="results") as writer,
    ):
        scorers = {
            member: Scorer(member.network, member.job.entry, member.job.settings, forward_pool)
            for member in run.members
        }
        writing: list[Future[None]] = []
        try:
            for scoring in run_forward(scorers, forward_pool, prefetch(run.batches(), readers)):
                for member, part in run.keep(scoring.batch, _pieces(scoring, scorers)):
                    writing.append(writer.submit(member.folder.write, scoring.batch.part, part))
                writing = _settled(writing)
        except BaseException:
            readers.shutdown(wait=False, cancel_futures=True)
            raise
        for future in writing:
            future.result()


def _pieces(scoring: Scoring, scorers: dict[ModelRun, Scorer]) -> list[BatchResult]:
    return [
        batch_result(scoring.batch.rows, clips, passes, scorers[member], len(member.job.views))
        for (member, _), clips, passes in zip(scoring.batch.members, scoring.clips, scoring.passes, strict=True)
    ]


def _settled(writing: list[Future[None]]) -> list[Future[None]]:
    """Parts that are still being written; raises what went wrong with one that is not."""
    for future in writing:
        if future.done():
            future.result()
    return [future for future in writing if not future.done()]
