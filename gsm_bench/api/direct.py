"""Functions that need no workspace: evaluate, fuse and check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.api.arrays import from_arrays
from gsm_bench.api.labels import labels_of
from gsm_bench.api.sources import GivenLabels, file_source
from gsm_bench.ensembles.members import common_tasks, open_members, reweighted
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.ensembles.write import fused_scores
from gsm_bench.errors import ArrayError
from gsm_bench.evaluation.evaluation import evaluate_members
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.scorefile import InMemoryScores, ScoreFile, ScoreHead

if TYPE_CHECKING:
    from gsm_bench.api.results import EvaluationResult, FileCheckResult, VerdictResult
    from gsm_bench.settings import Space


def evaluate(scores: Any, labels: Any = None, *, per_class: bool = False, confusions: bool = False) -> EvaluationResult:
    """Top-1, top-5 and mean class accuracy of scores.

    Args:
        scores: a score file, its path, or an array (N, C) or (N, V, C); the mean over views of an array ranks classes.
        labels: (N,) class numbers or names, or a dict per task; those of the score file if None.
        per_class, confusions: tables of classes.

    Raises:
        ArrayError: labels that do not fit the scores, or none.
    """
    from gsm_bench.api.evaluating import evaluate_sources

    file = _score_file(scores)
    truth = GroundTruth(_labels(file.head, labels))
    return evaluate_sources([file_source(file)], GivenLabels(truth), per_class=per_class, confusions=confusions)


def fuse(
    members: Sequence[ScoreFile | str | Path],
    weights: Sequence[float] | None = None,
    space: Space | None = "logits",
    *,
    name: str = "fused",
) -> ScoreFile:
    """The weighted mean of score files in memory, matched by video id; the mean over views of each comes first.

    Args:
        members: score files, open or as paths.
        weights: one positive number per member, divided by their sum; equal if None.
        space: what is averaged: ``logits``, ``probabilities``, ``log_probabilities``; what they hold if None.
        name: of the result in tables.

    Raises:
        AlignmentError: members that cannot be fused, and why.
    """
    if isinstance(members, str | Path | ScoreFile) or not all(isinstance(m, str | Path | ScoreFile) for m in members):
        raise ArrayError("fuse takes a list of score files", fix="make them with from_arrays(ids, scores)")
    if not members:
        raise ArrayError("there is nothing to fuse", fix="give a list of score files")
    sources = [file_source(_score_file(member), number) for number, member in enumerate(members, start=1)]
    specs = reweighted([source.members[0] for source in sources], weights)
    opened = {path: file for source in sources for path, file in source.opened.items()}
    with open_members(specs, opened) as parts:
        spaces = {task: fusion_space(parts, task, space) for task in common_tasks(parts)}
        described, _ = evaluate_members(name, parts, GroundTruth({}), space)
        return InMemoryScores(fused_scores(name, parts, spaces, described), name)


def check(path: str | Path, *, data: str | Path | None = None) -> VerdictResult | FileCheckResult:
    """Compare a score file with its checksums, or judge an EPIC-KITCHENS zip or JSON; see `Bench.check`."""
    from gsm_bench.api.bench import Bench

    return Bench().check(path, data=data)


def _score_file(scores: Any) -> ScoreFile:
    if isinstance(scores, ScoreFile):
        return scores
    if isinstance(scores, str | Path):
        return ScoreFile.open(scores)
    if hasattr(scores, "index") and hasattr(scores, "columns"):
        return from_arrays(None, scores, kind="logits")
    if not isinstance(scores, Mapping) and not hasattr(scores, "__len__"):
        raise ArrayError(f"expected scores, not {scores!r}", fix="give a score file, its path, or an array (N, C)")
    rows = scores if not isinstance(scores, Mapping) else next(iter(scores.values()), [])
    return from_arrays(range(len(rows)), scores, kind="logits")


def _labels(head: ScoreHead, labels: Any) -> dict[str, NDArray[np.int32]]:
    if labels is None and not head.labels:
        raise ArrayError("these scores have no labels", fix="evaluate(scores, labels)")
    if labels is None:
        return dict(head.labels)
    per_task = labels if isinstance(labels, Mapping) and set(labels) <= set(head.kinds) else {"action": labels}
    unknown = sorted(per_task.keys() - head.kinds.keys())
    if unknown:
        raise ArrayError(
            f"labels of {', '.join(unknown)} for scores of {', '.join(head.kinds)}", fix="give a dict per task"
        )
    return {
        task: labels_of(values, head.ids, head.class_names.get(task), head.classes_per_task[task], task)
        for task, values in per_task.items()
    }
