"""Why a score file is less accurate than it should be: what can be seen without a network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import fuse_blocks
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import NoLabelsError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.label_warnings import label_warning
from gsm_bench.evaluation.predictions import Predictions, predict
from gsm_bench.metrics.class_order import moved_classes, solve_order
from gsm_bench.metrics.intervals import accuracy_interval
from gsm_bench.metrics.paired import holm, paired_difference, paired_test
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.trust.diagnose_findings import ALPHA, SMALLEST_LIFT, Cause, Diagnosis, Tried
from gsm_bench.trust.diagnose_fixes import words_for
from gsm_bench.trust.diagnose_labels import AS_THEY_ARE, SOLVED, Hits, can_be_solved, hits_of, readings_of, share_right
from gsm_bench.trust.diagnose_values import value_faults

MOST_SHIFTED = 20
"""Rows that labels may be away from theirs."""
CHECKED_ROWS = 4096
"""The first rows of a file, whose values are looked at."""
WORSE = 0.05
NEGATED = "scores negated"


@dataclass(frozen=True, eq=False)
class _Explanation:
    name: str
    hits: Hits = field(repr=False)
    price: float

    @property
    def accuracy(self) -> float:
        return share_right(self.hits)


def diagnose_scores(member: OpenMember, truth: GroundTruth, task: str | None = None) -> Diagnosis:
    """Other orders of classes, labels and rows that would make more videos right, and kinds that values contradict.

    Args:
        task: whose labels are used; the first with labels if None.

    Raises:
        NoLabelsError: the file has no such task, or it has no labels.
    """
    started = time.monotonic()
    head = member.head
    task = _task(member, truth, task)
    labels, classes = truth.labels[task].astype(np.int64), head.classes_per_task[task]
    space = fusion_space([member], task, None)
    predictions = predict([member], task, space, labels)
    several = _explanations(member, task, truth, predictions)
    base, groups = several[0], truth.groups
    values = member.file.block(task, 0, CHECKED_ROWS)[head.status[:CHECKED_ROWS] != NOT_SCORED]
    outcome = Diagnosis(
        model=member.spec.label, videos=int((base.hits >= 0).sum()), before=base.accuracy, place=head.provenance.place,
        interval=accuracy_interval(base.hits, groups), task=task, tested=len(several) - 1,
        value_faults=tuple(value_faults(values[:, 0], head.kinds[task])) if values.size else (),
        tried=_tried(several, groups), notes=tuple(_notes(predictions, labels, classes, int((base.hits >= 0).sum()))),
    )  # fmt: skip
    if not outcome.videos:
        return replace(outcome, seconds=time.monotonic() - started)
    best, others = _cheapest(several, groups)
    p = min(1.0, paired_test(best.hits, base.hits, groups).p * len(several))
    lift = paired_difference(best.hits, base.hits, groups)
    if p < ALPHA and lift.value >= SMALLEST_LIFT:
        name = "scores" if best.name == NEGATED else "labels"
        cause = Cause(
            name,
            "sign of scores" if best.name == NEGATED else name,
            AS_THEY_ARE,
            best.name,
            lift,
            lift,
            _fix(best.name),
        )
        alike = tuple(f"{one.name} ({100 * one.accuracy:.2f})" for one in others)
        notes = (*outcome.notes, *_order_note(best.name, predictions, labels, classes))
        outcome = replace(outcome, causes=(cause,), after=best.accuracy, lift=lift, p=p, alike=alike, notes=notes)
    return replace(outcome, seconds=time.monotonic() - started)


def _task(member: OpenMember, truth: GroundTruth, task: str | None) -> str:
    head = member.head
    known = [
        name for name, labels in truth.labels.items()
        if name in head.kinds and ((labels >= 0) & (labels < head.classes_per_task[name])).any()
    ]  # fmt: skip
    if not known or (task is not None and task not in known):
        raise NoLabelsError(
            f"no {task} labels belong to these scores" if task is not None else "no labels belong to these scores",
            where=member.spec.path,
            fix=f"--task {' or '.join(known)}" if known else "name the directory with the list: --data DIR",
        )
    return task or known[0]


def _explanations(member: OpenMember, task: str, truth: GroundTruth, predictions: Predictions) -> list[_Explanation]:
    """What may be wrong, the file as it is first."""
    head, labels = member.head, truth.labels[task].astype(np.int64)
    classes, rows = head.classes_per_task[task], np.arange(len(head))
    labels = np.where(labels < classes, labels, -1)
    names = head.class_names.get(task, ()) or (truth.split.class_names.get(task, ()) if truth.split else ())
    readings = readings_of(labels, classes, names, list(head.ids), MOST_SHIFTED)
    several = [
        _Explanation(reading.name, hits_of(reading, predictions.best, labels, rows, classes), reading.price)
        for reading in readings
        if reading.labels is not None or can_be_solved(int((labels >= 0).sum()), classes)
    ]
    return [*several, _Explanation(NEGATED, _negated_hits(member, task, labels), 1)]


def _negated_hits(member: OpenMember, task: str, labels: NDArray[np.int64]) -> Hits:
    """Whether the lowest score is that of the label: int8 [N], -1 without a score or a label."""
    hits = np.full(len(labels), -1, np.int8)
    for block in fuse_blocks([member], task, fusion_space([member], task, None)):
        known = np.flatnonzero(block.scored & (labels[block.rows] >= 0))
        if known.size:
            hits[block.start + known] = block.scores[known].argmin(axis=1) == labels[block.start + known]
    return hits


def _cheapest(
    several: Sequence[_Explanation], groups: NDArray[np.int64] | None
) -> tuple[_Explanation, list[_Explanation]]:
    """The cheapest explanation that is not significantly worse than the best one, and others that fit as well."""
    best = max(several, key=lambda one: one.accuracy)
    level = WORSE / len(several)
    eligible = [one for one in several if one is best or paired_test(best.hits, one.hits, groups).p >= level]
    chosen = min(eligible, key=lambda one: (round(one.price, 6), -one.accuracy))
    return chosen, [one for one in eligible if one is not chosen]


def _tried(several: Sequence[_Explanation], groups: NDArray[np.int64] | None) -> tuple[Tried, ...]:
    base, *others = several
    if not (base.hits >= 0).any():
        return ()
    corrected = holm([paired_test(one.hits, base.hits, groups).p for one in others])
    rows = [
        Tried(one.name, paired_difference(one.hits, base.hits, groups), p, int((one.hits >= 0).sum()), 0)
        for one, p in zip(others, corrected, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.lift.value))


def _fix(name: str) -> str:
    return "multiply the scores by -1: they were distances or losses" if name == NEGATED else words_for("labels", name)


def _order_note(name: str, predictions: Predictions, labels: NDArray[np.int64], classes: int) -> list[str]:
    """Which classes are which columns, where that was solved."""
    if name != SOLVED:
        return []
    known = (labels >= 0) & (labels < classes) & (predictions.best >= 0)
    solved = solve_order(predictions.best[known], labels[known], classes)
    return [f"{moved_classes(solved.columns)}; solved on one half of the videos and measured on the other"]


def _notes(predictions: Predictions, labels: NDArray[np.int64], classes: int, videos: int) -> list[str]:
    notes = []
    if warning := label_warning(predictions.ranks, lambda: predictions, labels, classes):
        notes.append(f"top-1 {warning}")
    if not can_be_solved(videos, classes):
        notes.append(f"{SOLVED} is not tried: {videos:,} videos are too few for {classes:,} classes")
    return notes
