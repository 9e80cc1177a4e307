"""A cascade as a page holds it: with one threshold for all members, the page's figures are the library's own.

Confidences are not rounded. Instead, the page knows for each video and member the first threshold of a grid at which the
video continues; the grid holds every threshold that the library's rows have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.cascade_rule import continues
from gsm_bench.report.payload import SplitPayload, smallest_unsigned
from gsm_bench.selection.cascade import Stages
from gsm_bench.selection.cascade_search import CascadeResult, CascadeRow
from gsm_bench.settings import Rule

STEPS = 500
"""Steps of the grid between 0 and 1."""
WORST_RANK = 100
"""Ranks above this are kept as this: a cascade shows top-1 and top-5."""
QUANTILES = 200
"""Thresholds at quantiles of the first member's confidence, where most videos lie."""


@dataclass(frozen=True)
class ReportedCascade:
    """A simulated cascade of a split.

    Attributes:
        name: of the ensemble, the saved cascade, or the members.
        result: of the library, with its stages.
        rows: int64 [n] row in the split of each video of the stages; -1 where it is not there.
        command: that prints the same figures.
    """

    name: str
    result: CascadeResult
    rows: NDArray[np.int64]
    command: str

    @property
    def stages(self) -> Stages:
        assert self.result.stages is not None  # results of a search have them
        return self.result.stages


def threshold_grid(stages: Stages, rule: Rule, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ascending thresholds float64 [G] from 0 to 1: even steps, quantiles of the confidence, and the given ones."""
    first = stages.confidence[rule][0]
    quantiles = np.quantile(first, np.linspace(0, 1, QUANTILES)) if len(first) else []
    return np.unique(np.concatenate([np.linspace(0, 1, STEPS + 1), quantiles, thresholds]))


def first_thresholds(levels: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Place in the grid [G] of the lowest threshold at which each level continues; uint16 of the levels' shape."""
    places = np.maximum(np.searchsorted(grid, levels, side="left"), 1)  # at threshold 0 none continues
    assert continues(levels, 1.0).all()  # so that every place is in the grid
    return places.astype(np.uint16)


def add_cascades(payload: SplitPayload, cascades: tuple[ReportedCascade, ...]) -> None:
    """Add cascades.

    Fact ``cascades``: name, task, members, cumulative cost, rows of the library and the command of each. Arrays in the blob
    ``cascades``: ``cascade/0/rows`` [n], ``cascade/0/ranks`` [K, n] after each member, per rule ``cascade/0/RULE`` [K - 1, n]
    places in ``cascade/0/grids`` JSON.
    """
    payload.fact("cascades", [_fact(cascade) for cascade in cascades])
    for number, cascade in enumerate(cascades):
        stages, name = cascade.stages, f"cascade/{number}"
        kind = smallest_unsigned(len(payload.facts.get("classes", {}).get(cascade.result.task, ())) or WORST_RANK)
        unknown = np.iinfo(np.uint32).max
        payload.add(f"{name}/rows", np.where(cascade.rows < 0, unknown, cascade.rows).astype(np.uint32), "cascades")
        payload.add(f"{name}/ranks", np.minimum(stages.ranks, WORST_RANK).astype(kind), "cascades")
        grids = {}
        for rule, levels in stages.confidence.items():
            grid = threshold_grid(stages, rule, _thresholds(cascade.result, rule))
            grids[rule] = grid.tolist()
            payload.add(f"{name}/{rule}", first_thresholds(levels[:-1], grid), "cascades")
        payload.add_json(f"{name}/grids", grids, "cascades")


def last_members(cascade: ReportedCascade, videos: int) -> NDArray[np.int64]:
    """int64 [N]: the last member that runs for each video in the chosen cascade, from 0; 0 where that is unknown."""
    from gsm_bench.selection.cascade import simulate

    stops = np.zeros(videos, np.int64)
    known = cascade.rows >= 0
    stops[cascade.rows[known]] = simulate(cascade.stages, cascade.result.chosen).stop[known]
    return stops


def _thresholds(result: CascadeResult, rule: Rule) -> NDArray[np.float64]:
    """Thresholds of the library's rows of a rule."""
    rows = [row for block in (*result.cascades, result.selected) for row in block if row.setting]
    values = [value for row in rows if row.setting and row.setting.rule == rule for value in row.setting.thresholds]
    return np.array(values, np.float64)


def _fact(cascade: ReportedCascade) -> dict[str, Any]:
    result, costs = cascade.result, cascade.stages.costs
    return {
        "name": cascade.name,
        "task": result.task,
        "members": [choice.label for choice in result.choices],
        "costs": [float(cost) / (1e9 if result.costs_known else 1) for cost in costs],
        "unit": "GFLOPs" if result.costs_known else "members",
        "chosen": {"rule": result.chosen.rule, "thresholds": list(result.chosen.thresholds)},
        "points": [_point(row) for block in (result.members, *result.cascades, result.selected) for row in block],
        "videos": result.videos,
        "left_out": result.left_out,
        "command": cascade.command,
    }


def _point(row: CascadeRow) -> dict[str, Any]:
    """A row of the library: None for what it does not know."""
    return {
        "label": row.label,
        "rule": row.setting.rule if row.setting else None,
        "thresholds": list(row.setting.thresholds) if row.setting else None,
        "gflops": None if row.mean_macs is None else row.mean_macs / 1e9,
        "shares": list(row.shares),
        "top1": row.accuracy[1],
        "top5": row.accuracy[5],
    }
