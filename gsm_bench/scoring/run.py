"""A run: networks over a split, in chunks that survive a kill, into one score file per model.

Several models share one reading of the frames. Chunks, signatures and score files of each are those of a run of its
own, so runs of one model and of several can resume and share each other's work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import nn

from gsm_bench.scorefile import NOT_SCORED, SCORED, ScoreHead, open_scores
from gsm_bench.scoring.chunks import BatchResult, Chunk
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.model_run import ModelRun
from gsm_bench.scoring.pipeline import Batch, run_locally
from gsm_bench.scoring.waiting import Waiting

Engine = Callable[["Run"], None]
"""Scores the batches that a run claims and writes its chunks."""


@dataclass(frozen=True)
class Progress:
    """Videos done by all processes of a run, of those that this run set out to score.

    Attributes:
        waiting: for whom this process waits and since when, in words; empty while it works.
    """

    done: int
    total: int
    bad: int
    waiting: str = ""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run for one model.

    Attributes:
        path: the score file, None while other shards have chunks to finish.
        videos: videos of the split.
        scored: videos that this process scored.
        reused: videos that already had scores when the run started.
        decoded: frames that this process decoded; a frame shared by several models counts for the first.
        bad: reason by id, of videos that are not scored.
        substituted: replaced frames by id, of videos scored with substituted frames.
        chunks_left: chunks that other shards have to finish.
        batch_halvings: chunks by clips per pass, where memory did not hold the batch.
        compile_fallbacks: chunks by reason, where the network could not be compiled.
        frames_unused: which videos have more frames than the list says, in words.
    """

    path: Path | None
    videos: int
    scored: int
    reused: int
    decoded: int
    seconds: float
    bad: dict[str, str] = field(default_factory=dict)
    substituted: dict[str, str] = field(default_factory=dict)
    chunks_left: int = 0
    batch_halvings: dict[str, int] = field(default_factory=dict)
    compile_fallbacks: dict[str, int] = field(default_factory=dict)
    frames_unused: str = ""


def run(job: Job, network: nn.Module, progress: Callable[[Progress], None] = lambda _: None) -> Outcome:
    """Score the videos without scores, and write the score file when all chunks are finished.

    Any number of processes may run the same job at once: each chunk is scored by one of them. A process without a
    free chunk waits for the others, unless it is a shard, which scores only its own chunks.

    Raises:
        RunConflictError: a run with another signature has its chunks or score file here.
        FrameError: a bad frame, where the policy is ``error``; finished chunks are kept.
    """
    return run_together([(job, network)], progress)[0]


def run_together(
    jobs: Sequence[tuple[Job, nn.Module]],
    progress: Callable[[Progress], None] = lambda _: None,
    engine: Engine = run_locally,
) -> list[Outcome]:
    """Score several models on one split, as `run` does, with one reading of the frames for all of them."""
    return Run([ModelRun(job, network) for job, network in jobs], progress, engine).execute()


class Run:
    """A run in work: its models, the batches that it claims, and the results that it keeps.

    Attributes:
        models: the models that have rows to score.
    """

    def __init__(self, models: list[ModelRun], progress: Callable[[Progress], None], engine: Engine) -> None:
        self.models = [model for model in models if model.pending.size]
        self._all_models = models
        self._progress = progress
        self._engine = engine
        self._started = time.monotonic()
        self._waiting = Waiting(self._report)
        self._total = sum(model.pending.size for model in self.models)

    def execute(self) -> list[Outcome]:
        for model in self._all_models:
            if not model.pending.size and not model.folder.claimed_by_others():
                model.folder.remove()  # created again while another process finished
        if self.models:
            self._report()
            self._score_and_merge()
        return [self._outcome(model) for model in self._all_models]

    def _score_and_merge(self) -> None:
        with ExitStack() as stack:
            for model in self.models:
                stack.enter_context(model.folder.heartbeat())
            while self.models:
                try:
                    while any([not model.is_complete() for model in self.models]):  # noqa: C419  asks every model
                        self._engine(self)
                    for model in self.models:
                        model.merge_when_complete(self._waiting)
                    return
                except FileNotFoundError as error:
                    self._drop_merged_models(error)

    def _drop_merged_models(self, error: FileNotFoundError) -> None:
        """A chunk folder disappeared: go on with the models that no other process has merged."""
        gone = [model for model in self.models if not model.folder.path.exists()]
        for model in gone or self.models[:1]:
            model.check_merged_elsewhere(error)
        self.models = [model for model in self.models if model not in gone]
        for model in self.models:
            model.drop_unfinished()

    def batches(self) -> Iterator[Batch | None]:
        """Batches of the chunks that this process claims, chunk by chunk; None where it has to wait for others."""
        size, videos = self.models[0].job.settings.batch, len(self.models[0].job.split)
        for claim in self._claims():
            if claim is None:
                yield None
                continue
            chunk, models = claim
            starts = {model: model.batch_starts(chunk) for model in models}
            for start in sorted({start for needed in starts.values() for start in needed}):
                rows = np.arange(start, min(start + size, videos))
                needing = [model for model in models if start in starts[model]]
                yield Batch(chunk, rows, [(model, model.is_pending[rows]) for model in needing])

    def keep(self, batch: Batch, results: Sequence[BatchResult]) -> list[tuple[ModelRun, Chunk]]:
        """Keep the results of a batch, one per model; returns the chunks that are now complete."""
        complete = []
        for (model, _), result in zip(batch.models, results, strict=True):
            chunk = model.keep(batch.chunk, batch.start, result)
            if chunk is not None:
                complete.append((model, chunk))
        self._report()
        return complete

    def _claims(self) -> Iterator[tuple[int, list[ModelRun]] | None]:
        """Chunks to score with the models that need them; a process that is not a shard takes over those of dead ones.

        None where every chunk left is claimed, by another process or by this one.
        """
        while unfinished := self._unfinished():
            claims = 0
            for chunk in unfinished:
                if models := [model for model in self.models if model.claim(chunk)]:
                    claims += 1
                    self._waiting.over()
                    yield chunk, models
            if not claims:
                yield None
                self._wait_for_others()

    def _wait_for_others(self) -> None:
        """Wait a moment, unless this process has finished all chunks by now."""
        if self._unfinished():
            self._waiting.wait(model.folder for model in self.models)
            for model in self.models:
                model.look_for_finished()
            self._report()

    def _unfinished(self) -> list[int]:
        """Chunks of this process's shard that a model lacks, in order, as far as is known here."""
        return sorted(set().union(*(model.unfinished for model in self.models)))

    def _report(self, waiting: str = "") -> None:
        done = sum(model.done_videos for model in self.models)
        self._progress(Progress(min(done, self._total), self._total, sum(model.bad for model in self.models), waiting))

    def _outcome(self, model: ModelRun) -> Outcome:
        videos, left = len(model.job.split), model.chunks_left()
        outcome = Outcome(
            None if left else model.job.target, videos, model.scored, videos - model.pending.size + model.reused,
            model.decoded, time.monotonic() - self._started, chunks_left=left,
        )  # fmt: skip
        return outcome if left else _with_file_content(outcome, model.job)


def _with_file_content(outcome: Outcome, job: Job) -> Outcome:
    """The outcome with problems and fallbacks as the score file has them, those of other processes included."""
    with open_scores(job.target, job.form) as file:
        head = file.head
    return replace(
        outcome,
        bad=_problems(head, np.flatnonzero(head.status == NOT_SCORED)),
        substituted=_problems(head, np.flatnonzero((head.status != NOT_SCORED) & (head.status != SCORED))),
        batch_halvings=dict(head.provenance.batch_halvings or {}),
        compile_fallbacks=dict(head.provenance.compile_fallbacks or {}),
        frames_unused=head.provenance.frames_unused_text,
    )


def _problems(head: ScoreHead, rows: np.ndarray) -> dict[str, str]:
    ids = [head.ids[row] for row in rows]
    return {name: head.problems.get(name, "unknown reason") for name in ids}
