"""Candidates for wrong labels: videos on which all strong members agree against the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import fuse_blocks
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import GsmBenchError, NoLabelsError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.folds import folds_of
from gsm_bench.metrics.softmax import safe_log, softmax
from gsm_bench.metrics.temperature import held_out_temperatures
from gsm_bench.scorefile import NOT_SCORED

FEWEST_MEMBERS = 2
STRONG = 0.1
"""A member is strong if its top-1 is at most this far below the best one's."""
FOLDS = 5
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LabelCandidate:
    """A video whose label may be wrong.

    Attributes:
        label: class number in the list; agreed: the one that all strong members give.
        p_agreed, p_label: mean calibrated probabilities of both.
        margin: mean logarithm of their ratio: candidates are ranked by it.
    """

    id: str
    label: int
    agreed: int
    p_agreed: float
    p_label: float
    margin: float


@dataclass(frozen=True)
class LabelErrors:
    """Candidates, the likeliest first.

    Attributes:
        members: the strong ones, with their top-1; weak: those left out.
        videos: with a label and a score of every strong member.
        class_names: C names.
    """

    task: str
    candidates: tuple[LabelCandidate, ...]
    members: dict[str, float]
    weak: dict[str, float]
    videos: int
    class_names: tuple[str, ...]


def label_errors(members: Sequence[OpenMember], truth: GroundTruth, task: str | None = None) -> LabelErrors:
    """Videos on which all strong members give one class that is not the label, as sure as they usually are of it.

    Probabilities are calibrated by a temperature that was fitted on other videos. A video is a candidate if the mean
    probability of the agreed class is at least the mean of videos that have it as their label (Northcutt et al. 2021).

    Raises:
        NoLabelsError: no labels belong to these scores.
        GsmBenchError: fewer than two members are strong.
    """
    known = [name for name in truth.labels if all(name in member.head.kinds for member in members)]
    if not known or (task is not None and task not in known):
        raise NoLabelsError("no labels belong to these scores", fix="name the directory with the list: --data DIR")
    task = task or known[0]
    labels = truth.labels[task].astype(np.int64)
    classes = members[0].head.classes_per_task[task]
    scored = np.logical_and.reduce([member.status != NOT_SCORED for member in members])
    rows = np.flatnonzero(scored & (labels >= 0) & (labels < classes))
    if not rows.size:
        raise NoLabelsError("no video has a label and a score of every member", fix="score the missing videos")
    groups = None if truth.groups is None else truth.groups[rows]
    folds = folds_of(len(rows), groups, FOLDS)
    probabilities = [_calibrated(member, task, labels, rows, folds) for member in members]
    names = [member.spec.label for member in members]
    if len(set(names)) < len(names):
        names = [str(member.spec.path) for member in members]
    if len(set(names)) < len(names):
        raise GsmBenchError("a score file is named twice", where=names[0], fix="name each score file once")
    accuracies = {
        name: float((values.argmax(axis=1) == labels[rows]).mean())
        for name, values in zip(names, probabilities, strict=True)
    }
    best = max(accuracies.values())
    strong = {name: top1 for name, top1 in accuracies.items() if top1 >= best - STRONG}
    if len(strong) < FEWEST_MEMBERS:
        raise GsmBenchError(
            f"one strong member is no agreement: {', '.join(f'{name} {100 * top1:.2f}' for name, top1 in accuracies.items())}",
            fix="name two or more results of similar accuracy",
        )
    used = [values for name, values in zip(accuracies, probabilities, strict=True) if name in strong]
    class_names = members[0].head.class_names.get(task) or (
        truth.split.class_names.get(task, ()) if truth.split else ()
    )
    return LabelErrors(
        task, tuple(_candidates(used, labels[rows], [members[0].head.ids[int(row)] for row in rows])), strong,
        {name: top1 for name, top1 in accuracies.items() if name not in strong}, len(rows),
        tuple(class_names) or tuple(f"class {number}" for number in range(classes)),
    )  # fmt: skip


def _calibrated(
    member: OpenMember, task: str, labels: NDArray[np.int64], rows: NDArray[np.int64], folds: NDArray[np.int64]
) -> Floats:
    """Probabilities float64 [n, C] of rows, scaled by temperatures of the other folds."""
    space = fusion_space([member], task, None)
    blocks = [block.scores for block in fuse_blocks([member], task, space)]
    scores = np.concatenate(blocks)[rows]
    logs = safe_log(scores) if space == "probabilities" else scores
    logs = logs / held_out_temperatures(logs, labels[rows], folds)[:, None]
    return softmax(logs)


def _candidates(members: Sequence[Floats], labels: NDArray[np.int64], ids: Sequence[str]) -> list[LabelCandidate]:
    """Candidates of n videos from the probabilities [n, C] of the strong members, the largest margin first."""
    best = np.stack([values.argmax(axis=1) for values in members])
    mean = np.mean(members, axis=0)
    agreed, rows = best[0], np.arange(len(labels))
    usual = _usual_confidence(mean, labels)
    wrong = (best == agreed).all(axis=0) & (agreed != labels) & (mean[rows, agreed] >= usual[agreed])
    logs = np.mean([safe_log(values) for values in members], axis=0)
    margins = logs[rows, agreed] - logs[rows, labels]
    return [
        LabelCandidate(
            ids[row], int(labels[row]), int(agreed[row]), float(mean[row, agreed[row]]), float(mean[row, labels[row]]),
            float(margins[row]),
        )
        for row in sorted(np.flatnonzero(wrong).tolist(), key=lambda row: (-margins[row], ids[row]))
    ]  # fmt: skip


def _usual_confidence(mean: Floats, labels: NDArray[np.int64]) -> Floats:
    """Mean probability float64 [C] of each class over the videos that have it as their label; 1 without such videos."""
    counts = np.bincount(labels, minlength=mean.shape[1])
    sums = np.bincount(labels, mean[np.arange(len(labels)), labels], minlength=mean.shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
