"""Score with a cascade: each later model scores only the videos whose fused scores are not sure enough yet.

Every stage is a run of its own, over its own videos, into ``<target>.stages/``, kept in chunks, resumed and shared as
any other. The result is a score file; its provenance says how many videos reached each stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import running_mean
from gsm_bench.ensembles.spaces import scale_by_temperature
from gsm_bench.entries import CascadeEntry, Member
from gsm_bench.errors import RunConflictError
from gsm_bench.manifest import Manifest
from gsm_bench.metrics.cascade_rule import confidence, continues
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import AVERAGED, NOT_SCORED, ClipScores, open_scores, read, write
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.prepare import Request, prepare
from gsm_bench.scoring.resume import reuse_scores
from gsm_bench.scoring.run import Outcome, Progress, run
from gsm_bench.splits import Split
from gsm_bench.workspace import Workspace

ProgressFor = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]


@dataclass(frozen=True)
class CascadeOutcome:
    """Outcome of a cascade.

    Attributes:
        path: its score file.
        reached: videos that reached each stage.
        outcomes: outcomes of the stages that ran.
        bad: reason by id, of videos that are not scored.
        mean_macs: mean multiply-adds per video, None where those of a network are unknown.
    """

    path: Path
    reached: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    bad: dict[str, str]
    mean_macs: float | None


def run_cascade(
    entry: CascadeEntry, request: Request, manifest: Manifest, workspace: Workspace, progress_for: ProgressFor
) -> CascadeOutcome:
    """Score a split with a cascade.

    Args:
        request: as for a single model; its model, clips and crops come from the members.
        progress_for: returns the progress display of a stage, by the model's name.

    Raises:
        RunConflictError: scores of another cascade, or of other thresholds, are at the same path.
    """
    return _Cascade(entry, request, manifest, workspace).execute(progress_for)


class _Cascade:
    def __init__(self, entry: CascadeEntry, request: Request, manifest: Manifest, workspace: Workspace) -> None:
        self.entry, self.request = entry, request
        self.manifest, self.workspace = manifest, workspace
        self.target = request.out or self._target()
        self.signatures: list[str] = []
        self.outcomes: list[Outcome] = []
        self.costs: list[Provenance] = []

    def execute(self, progress_for: ProgressFor) -> CascadeOutcome:
        self._check_target()
        job, first = self._stage(0, None, progress_for)
        state = _State(job.split, first)
        for stage, member in enumerate(self.entry.members):
            scores = first if stage == 0 else self._later(stage, state, progress_for)
            if scores is None:
                break
            state.add(scores, self._means(scores, member), member)
            if stage < len(self.entry.thresholds):
                state.decide(self.entry, self.entry.thresholds[stage])
        write(self.target, self._content(job, state), force=True)
        bad = {state.ids[row]: state.problems[state.ids[row]] for row in np.flatnonzero(state.status == NOT_SCORED)}
        return CascadeOutcome(self.target, tuple(state.reached), tuple(self.outcomes), bad, self._mean_macs(state))

    def _later(self, stage: int, state: _State, progress_for: ProgressFor) -> ClipScores | None:
        return self._stage(stage, state.waiting, progress_for)[1] if state.waiting.size else None

    def _stage(self, stage: int, rows: NDArray[np.int64] | None, progress_for: ProgressFor) -> tuple[Job, ClipScores]:
        """Score some rows of the split, or all of them, with a member."""
        member = self.entry.members[stage]
        out = self.target.with_name(f"{self.target.stem}.stages") / f"{stage + 1}-{member.model}.h5"
        request = replace(self.request, model=member.model, clips=member.clips, crops=None, out=out)
        job, loaded = prepare(request, self.manifest, self.workspace)
        if rows is not None:
            job = replace(job, split=job.split.reordered(rows))
            if not job.fresh:
                reuse_scores(job)
        with progress_for(f"{stage + 1}. {member.model}") as progress:
            outcome = run(job, loaded.network, progress)
        scores = read(out)
        self.outcomes.append(outcome)
        self.signatures.append(job.signature)
        self.costs.append(scores.provenance)
        return job, scores

    def _means(self, stage: ClipScores, member: Member) -> dict[str, NDArray[np.float64]]:
        """Mean over views float64 [n, C] per task, in the cascade's space, as the fusion of score files has it."""
        means = {}
        for task, scores in stage.scores.items():
            total = np.zeros((len(stage), scores.shape[2]))
            for view in range(scores.shape[1]):
                total += scale_by_temperature(scores[:, view], stage.kinds[task], self.entry.space, member.temperature)
            means[task] = total / scores.shape[1]
        return means

    def _target(self) -> Path:
        model = self.manifest.model(self.entry.members[0].model)
        where = self.manifest.place(model.dataset, model.split, self.request.dataset, self.request.split)
        order = "" if self.request.frame_order == "forward" else f".{self.request.frame_order}"
        limit = f".limit-{self.request.limit}" if self.request.limit else ""
        return self.workspace.score_path(*where, f"{self.entry.name}{order}{limit}")

    @property
    def definition(self) -> str:
        members = [[member.model, member.clips, member.weight, member.temperature] for member in self.entry.members]
        rule = [self.entry.rule, list(self.entry.thresholds), self.entry.space, self.entry.task]
        return f"cascade={json.dumps([members, rule])}"

    def _check_target(self) -> None:
        """Refuse to replace the scores of another cascade, unless with --fresh."""
        if not self.target.exists():
            return
        if self.request.fresh:
            self.target.unlink()
            return
        with open_scores(self.target) as file:
            before = str(file.head.provenance.signature)
        if not before.startswith(f"{self.definition}; "):
            raise RunConflictError(
                f"scores of another cascade are already here\n  there: {before.split('; ')[0]}\n  now:   {self.definition}",
                where=self.target,
                fix="--out FILE writes this run elsewhere, --fresh starts again and replaces the old scores",
            )

    def _content(self, job: Job, state: _State) -> ClipScores:
        tasks = state.fused
        return ClipScores(
            ids=state.ids,
            kinds=dict.fromkeys(tasks, self.entry.space),
            classes_per_task={task: scores.shape[1] for task, scores in tasks.items()},
            views=AVERAGED,
            status=state.status,
            provenance=self._provenance(state),
            class_names=state.class_names,
            problems=state.problems,
            num_frames=state.num_frames,
            scores={task: scores[:, None].astype(np.float32) for task, scores in tasks.items()},
        )

    def _provenance(self, state: _State) -> Provenance:
        first, mean = self.costs[0], self._mean_macs(state)
        frames = [self.manifest.model(member.model).frames for member in self.entry.members]
        texts = [f"{n}x{m.clips}" if m.clips > 1 else str(n) for n, m in zip(frames, self.entry.members, strict=True)]
        params = [cost.params for cost in self.costs]
        return Provenance(
            model=self.entry.name,
            dataset=first.dataset,
            split=first.split,
            split_sha256=first.split_sha256,
            list_path=first.list_path,
            limit=first.limit,
            started=first.started,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            cascade={
                "members": [[member.model, member.clips, member.weight] for member in self.entry.members],
                "rule": self.entry.rule,
                "thresholds": list(self.entry.thresholds),
                "clips_per_stage": state.reached,
            },
            frames_text=">".join(texts),
            params=None if None in params else sum(filter(None, params)),
            macs_paper_per_view=None if mean is None else round(mean),
            versions={"gsm-bench": version("gsm-bench"), "numpy": np.__version__},
            signature="; ".join(
                [self.definition, *(f"stage-{at}={json.dumps(text)}" for at, text in enumerate(self.signatures, 1))]
            ),
        )

    def _mean_macs(self, state: _State) -> float | None:
        """Mean multiply-adds per video over the stages that ran."""
        spent = [
            (cost.macs_paper_per_view, member.clips * videos)
            for cost, member, videos in zip(self.costs, self.entry.members, state.reached, strict=False)
        ]
        if any(macs is None for macs, _ in spent):
            return None
        return float(sum(int(macs or 0) * passes for macs, passes in spent) / max(1, len(state.ids)))


class _State:
    """Fused scores of every video so far, and the videos that wait for the next member."""

    def __init__(self, split: Split, first: ClipScores) -> None:
        self.ids = split.ids
        self.waiting = np.arange(len(split))
        self.reached: list[int] = []
        self.status = np.zeros(len(split), np.uint8)
        self.problems: dict[str, str] = {}
        self.num_frames = np.zeros(len(split), np.int64) if first.num_frames is None else first.num_frames.copy()
        self.class_names = first.class_names
        self.fused = {task: np.full((len(split), n), np.nan) for task, n in first.classes_per_task.items()}
        self._means: list[dict[str, NDArray[np.float64]]] = []  # of the waiting videos, per member so far
        self._weights: list[float] = []

    def add(self, stage: ClipScores, means: Mapping[str, NDArray[np.float64]], member: Member) -> None:
        """Add the scores of one more member for the waiting videos; those that it could not score leave."""
        rows = self.waiting
        self.reached.append(len(rows))
        self.status[rows] = np.maximum(self.status[rows], stage.status)
        self.problems |= {name: f"{member.model}: {reason}" for name, reason in stage.problems.items()}
        self._means.append(dict(means))
        self._weights.append(member.weight)
        for task, fused in self.fused.items():
            fused[rows] = running_mean([earlier[task] for earlier in self._means], self._weights)
            fused[rows[stage.status == NOT_SCORED]] = np.nan
        self._keep(stage.status != NOT_SCORED)

    def decide(self, entry: CascadeEntry, threshold: float) -> None:
        """Keep only the videos that the rule sends to the next stage."""
        level = confidence(self.fused[entry.task][self.waiting], entry.space, entry.rule)
        self._keep(continues(level, threshold))

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self.waiting = self.waiting[kept]
        self._means = [{task: mean[kept] for task, mean in earlier.items()} for earlier in self._means]
