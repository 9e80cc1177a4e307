"""One result class by class as tables: accuracy, and which classes are confused."""

from __future__ import annotations

from typing import Any

import numpy as np

from gsm_bench.evaluation.per_class import ClassAccuracy, ClassEvaluation
from gsm_bench.tables.table import Column, Table


def per_class_table(evaluation: ClassEvaluation) -> Table:
    """One row per class that occurs: videos, accuracies with interval, the most frequent confusion."""
    columns = (
        Column("class", "Class"),
        Column("videos", "Videos", "count"),
        Column("top1", "Top-1", "percent"),
        Column("top5", "Top-5", "percent"),
        Column("precision", "Precision", "percent"),
        Column("confused_with", "Most often confused with"),
    )
    rows = tuple(_row(accuracy) for accuracy in evaluation.classes)
    return Table(f"Classes of {_title(evaluation)}", columns, (rows,), name="per-class")


def _row(accuracy: ClassAccuracy) -> dict[str, Any]:
    return {
        "class": accuracy.name,
        "videos": accuracy.videos,
        "top1": accuracy.top1,
        "top1_low95": accuracy.top1_interval.low,
        "top1_high95": accuracy.top1_interval.high,
        "top5": accuracy.top5,
        "precision": accuracy.precision,
        "confused_with": f"{accuracy.confused_with} ({accuracy.confused})" if accuracy.confused else "-",
    }


def confusions_table(evaluation: ClassEvaluation, most: int | None) -> Table:
    """Confused pairs of classes, the most frequent first: the confusion matrix without its diagonal."""
    columns = (
        Column("true", "True class"),
        Column("predicted", "Predicted"),
        Column("videos", "Videos", "count"),
        Column("of_class", "Of class", "count"),
        Column("share", "Share", "percent"),
        Column("reverse", "Reverse", "count"),
    )
    rows = tuple(
        {
            "true": confusion.true,
            "predicted": confusion.predicted,
            "videos": confusion.videos,
            "of_class": confusion.of_class,
            "share": confusion.share,
            "reverse": confusion.reverse,
        }
        for confusion in evaluation.confusions(most)
    )
    errors = evaluation.errors
    note = (
        f"{int(errors.sum()):,} of {int(evaluation.matrix.sum()):,} videos are predicted as another class, "
        f"in {np.count_nonzero(errors):,} pairs. Reverse: videos with the two classes exchanged."
    )
    return Table(f"Confusions of {_title(evaluation)}", columns, (rows,), (note,), "confusions")


def _title(evaluation: ClassEvaluation) -> str:
    task = "" if evaluation.task == "action" else f", {evaluation.task}"
    return f"{evaluation.label} {evaluation.frames}{task}"
