"""One result class by class: accuracy, and what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.metrics.intervals import accuracy_interval
from gsm_bench.tables.table import Column, Table


def confusion_matrix(best: NDArray[np.integer], labels: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Clips int64 [C, C] by true class (rows) and best class (columns); unscored and unlabelled clips left out."""
    known = (best >= 0) & (labels >= 0)
    pairs = np.bincount(labels[known].astype(np.int64) * classes + best[known], minlength=classes * classes)
    return pairs.reshape(classes, classes)


def per_class_table(
    title: str,
    answers: Predictions,
    labels: NDArray[np.integer],
    names: Sequence[str],
    groups: NDArray[np.int64] | None,
) -> Table:
    """One row per class that occurs: clips, top-1 and top-5 with intervals, what it is taken for most often."""
    matrix = confusion_matrix(answers.best, labels, len(names))
    rows = []
    for number in np.flatnonzero(matrix.sum(axis=1)).tolist():
        of_class = np.flatnonzero((labels == number) & (answers.ranks >= 0))
        own = answers.correct()[of_class], answers.correct(5)[of_class]
        wrong = matrix[number].copy()
        wrong[number] = 0
        most = int(wrong.argmax())
        interval = accuracy_interval(own[0], None if groups is None else groups[of_class])
        rows.append(
            {
                "class": names[number],
                "clips": len(of_class),
                "top1": float(own[0].mean()),
                "top1_low95": interval.low,
                "top1_high95": interval.high,
                "top5": float(own[1].mean()),
                "precision": _share(matrix[number, number], matrix[:, number].sum()),
                "taken_for": f"{names[most]} ({wrong[most]})" if wrong[most] else "-",
            }
        )
    columns = (
        Column("class", "Class"),
        Column("clips", "Clips", "count"),
        Column("top1", "Top-1", "percent"),
        Column("top5", "Top-5", "percent"),
        Column("precision", "Precision", "percent"),
        Column("taken_for", "Most often taken for"),
    )
    return Table(title, columns, (tuple(rows),), name="per-class")


def confusions_table(
    title: str, best: NDArray[np.integer], labels: NDArray[np.integer], names: Sequence[str], most: int | None
) -> Table:
    """Pairs of classes by how many clips of one are taken for the other: the confusion matrix without its diagonal."""
    matrix = confusion_matrix(best, labels, len(names))
    counts = matrix.sum(axis=1)
    wrong = matrix * (1 - np.eye(len(names), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)][:most]
    rows = tuple(
        {
            "true": names[true],
            "said": names[said],
            "clips": int(wrong[true, said]),
            "of_class": int(counts[true]),
            "share": _share(wrong[true, said], counts[true]),
            "back": int(wrong[said, true]),
        }
        for true, said in (divmod(place, len(names)) for place in order.tolist())
    )
    columns = (
        Column("true", "True class"),
        Column("said", "Taken for"),
        Column("clips", "Clips", "count"),
        Column("of_class", "Of class", "count"),
        Column("share", "Share", "percent"),
        Column("back", "And back", "count"),
    )
    notes = (
        f"{int(wrong.sum()):,} of {int(counts.sum()):,} clips are taken for another class, in {np.count_nonzero(wrong):,} pairs.",
    )
    return Table(title, columns, (rows,), notes, "confusions")


def _share(part: np.integer, whole: np.integer) -> float | None:
    return float(part / whole) if whole else None
