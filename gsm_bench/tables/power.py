"""What a comparison can show: the smallest difference for its videos, and the videos that a difference needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gsm_bench.evaluation.compare import Comparison
from gsm_bench.metrics.power import POWER, PairedPower, paired_power
from gsm_bench.tables.comparison import task_prefix
from gsm_bench.tables.table import Column, Table

POINTS = (0.5, 1.0, 2.0, 5.0)
"""Differences, in points, whose number of videos is shown."""


def power_table(comparison: Comparison, points: float | None = None) -> Table:
    """One row per task in top-1: the smallest difference that the test shows, and the videos that others need.

    Args:
        points: a further difference, in points.
    """
    differences = sorted({*POINTS, *([points] if points else [])})
    powers = {task: power for task in comparison.tasks if (power := _power(comparison, task))}
    rows = tuple(_row(comparison, task, power, differences) for task, power in powers.items())
    columns = (
        Column("what", ""),
        Column("videos", "Videos", "count"),
        *([Column("groups", "Groups", "count")] if any(power.groups for power in powers.values()) else []),
        Column("differing", "Right in\none alone", "percent"),
        Column("observed", "Observed", "points"),
        Column("smallest", "Smallest\nshown", "points"),
        *(Column(_key(value), f"Videos for\n{value:g}", "count") for value in differences),
    )
    return Table("Power", columns, (rows,), tuple(_notes(powers)), "power")


def _key(points: float) -> str:
    return f"videos_for_{points:g}"


def _power(comparison: Comparison, task: str) -> PairedPower | None:
    """None where no video is scored in both."""
    first, second = (predictions.correct(1) for predictions in comparison.predictions[task])
    if not ((first >= 0) & (second >= 0)).any():
        return None
    return paired_power(first, second, comparison.truth.groups)


def _row(comparison: Comparison, task: str, power: PairedPower, points: list[float]) -> dict[str, Any]:
    first, second = (predictions.correct(1) for predictions in comparison.predictions[task])
    both = (first >= 0) & (second >= 0)
    return {
        "what": f"{task_prefix(comparison, task)}top-1",
        "task": task,
        "videos": power.videos,
        "groups": power.groups,
        "differing": float(np.mean((first != second)[both])),
        "observed": float(np.mean(first[both].astype(np.int64) - second[both])),
        "smallest": None if math.isnan(power.smallest) else power.smallest,
        **{_key(value): power.videos_for(value / 100) for value in points},
    }


def _notes(powers: dict[str, PairedPower]) -> Iterator[str]:
    yield (
        f"Smallest shown: the difference in points that a two-sided paired test at 5% shows with {100 * POWER:.0f}% power. "
        "Videos for X: how many show a difference of X points, if as many are right in one alone."
    )
    if any(power.groups for power in powers.values()):
        yield "Videos of a group are not independent: more videos means more groups of this size."
