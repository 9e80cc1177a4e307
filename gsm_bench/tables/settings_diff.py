"""The settings in which two results differ, and what these change together."""

from __future__ import annotations

from gsm_bench.evaluation.compare import Comparison
from gsm_bench.evaluation.settings_diff import setting_differences
from gsm_bench.tables.comparison import task_prefix
from gsm_bench.tables.table import Column, Table

LONGEST_VALUE = 40


def settings_diff_table(comparison: Comparison) -> Table:
    """One row per setting in which the two results differ."""
    changes = setting_differences(comparison)
    rows = tuple(
        {
            "setting": change.name,
            "first": change.first,
            "second": change.second,
            "first_shown": _short(change.first),
            "second_shown": _short(change.second),
        }
        for change in changes
    )
    columns = (
        Column("setting", "Setting"),
        Column("first_shown", comparison.first.label),
        Column("second_shown", comparison.second.label),
    )
    notes = [] if changes else ["No setting that could change a number differs."]
    notes += [_effect(comparison, task) for task in comparison.predictions]
    return Table("Different settings", columns, (rows,), tuple(notes), "why")


def _effect(comparison: Comparison, task: str) -> str:
    """How many predictions differ, and which of the two is right."""
    videos, differing = comparison.differing(task)
    text = f"Together they change {differing:,} of {videos:,} {task_prefix(comparison, task)}predictions"
    if task in comparison.labels:
        gained, lost = map(len, comparison.flipped(task))
        text += (
            f": {gained:,} are right only in {comparison.first.label}, {lost:,} only in {comparison.second.label}, "
            f"{differing - gained - lost:,} wrong in both"
        )
    return f"{text}."


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 13]}...{value[-10:]}"
