"""Labels that count from 1 where columns count from 0: noticed, named, and corrected on request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.dump import Dump, Ints
from gsm_bench.metrics.class_order import CLEAR_GAIN
from gsm_bench.scorefile import Scores

OPTION = "--first-label 1"


def first_label_as_0(dump: Dump, first: int, where: Path) -> Dump:
    """The dump with its labels counted from 0; -1 stays unknown."""
    if not first:
        return dump
    if not dump.labels:
        raise DumpError("this dump has no labels to count from 1", where=where, fix=f"remove {OPTION}")
    for task, labels in dump.labels.items():
        low = np.flatnonzero((labels >= 0) & (labels < first))
        if low.size:
            raise DumpError(
                f"{task} label {labels[low[0]]} in row {low[0]} is below the first label {first}", where=where,
                fix=f"remove {OPTION}",
            )  # fmt: skip
    return replace(dump, labels={task: from_0(labels, first) for task, labels in dump.labels.items()})


def from_0(labels: Ints, first: int = 1) -> Ints:
    """Labels int64 [N] that count from `first`, counted from 0."""
    return np.where(labels >= first, labels - first, -1)


def check_labels(dump: Dump, where: Path) -> None:
    """Refuse labels that have no column."""
    for task, labels in dump.labels.items():
        classes = dump.scores[task].shape[2] if task in dump.scores else 0
        wrong = np.flatnonzero((labels < -1) | (labels >= classes))
        if not wrong.size:
            continue
        known = labels[labels >= 0]
        if known.size and known.min() >= 1 and known.max() == classes and (labels >= -1).all():
            raise counts_from_1(task, labels, classes, where)
        raise DumpError(
            f"{wrong.size:,} {task} labels are not among the {classes} classes, first {labels[wrong[0]]} in row {wrong[0]}",
            where=where,
            fix="class numbers start at 0, and -1 is unknown; dump scores and labels of one test run",
        )


def counts_from_1(task: str, labels: Ints, classes: int, where: Path | str) -> DumpError:
    """The error for labels that are right if 1 is taken off each."""
    known = labels[labels >= 0]
    return DumpError(
        f"{task} labels count from 1 ({known.min()} to {known.max()}, {classes} classes)", where=where, fix=OPTION
    )


def advice_on_first_label(task: str, scores: Scores, labels: Ints) -> str:
    """What to say where scores [N, V, C] are far more often right with labels [N] counted from 1; else nothing."""
    known = labels >= 0
    if not known.any() or labels[known].min() < 1:
        return ""
    best = scores[known].mean(axis=1, dtype=np.float64).argmax(axis=1)
    now, moved = (float((best == labels[known] - first).mean()) for first in (0, 1))
    if moved < 2 * now + CLEAR_GAIN:
        return ""
    return f"{task} labels seem to count from 1: top-1 is {100 * now:.2f}, with {OPTION} it is {100 * moved:.2f}"
