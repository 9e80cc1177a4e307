"""The mean over splits as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gsm_bench.evaluation.split_mean import SplitMean
from gsm_bench.metrics.topk import KS
from gsm_bench.tables.notes import few_groups_notes, half_interval
from gsm_bench.tables.table import Column, Table

NAME = "mean-over-splits"


def split_mean_table(means: Sequence[SplitMean]) -> Table:
    """One row per protocol: mean accuracies with intervals, and the top-1 accuracy of every split."""
    tasks, splits = means[0].tasks, means[0].splits
    columns = [Column("label", "Model"), Column("frames", "Frames")]
    for task in tasks:
        prefix, word = ("", "") if tasks == ("action",) else (f"{task}_", f"{task.capitalize()} ")
        columns += [Column(f"{prefix}top{k}", f"{word}Top-{k}", "percent") for k in KS]
        columns += [Column(f"{prefix}mean_class", f"{word}Mean\nclass", "percent")] if len(tasks) == 1 else []
        columns += [Column(f"{prefix}top1_{split}", f"{split}\n{word}Top-1", "percent") for split in splits]
    rows = tuple(_row(mean) for mean in means)
    groups = means[0].interval(tasks[0]).groups
    over = "videos, each of which may be in several splits" if groups is None else f"{groups:,} groups of videos"
    notes = (
        f"Mean over the splits {', '.join(splits)} of {means[0].dataset}; every split counts alike.",
        half_interval(f"Wilson's for the effective number of independent videos, over {over}"),
        *few_groups_notes(groups),
    )
    return Table("Mean over splits", tuple(columns), (rows,), notes, NAME)


def _row(mean: SplitMean) -> dict[str, Any]:
    row: dict[str, Any] = {
        "label": mean.label, "frames": mean.frames, "dataset": mean.dataset, "splits": ", ".join(mean.splits),
    }  # fmt: skip
    for task in mean.tasks:
        prefix = "" if mean.tasks == ("action",) else f"{task}_"
        for k in KS:
            interval = mean.interval(task, k)
            row |= {f"{prefix}top{k}": mean.top(task, k)}
            row |= {f"{prefix}top{k}_low95": interval.low, f"{prefix}top{k}_high95": interval.high}
        row[f"{prefix}mean_class"] = mean.mean_class(task)
        for split, result in zip(mean.splits, mean.evaluations, strict=True):
            row[f"{prefix}top1_{split}"] = result.accuracy[task].top(1)
    return row
