"""Accuracy against cost of what a search or a cascade offers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gsm_bench.figures.cost_axes import COST_LABEL, draw_with_labels, not_labelled, set_cost_axis
from gsm_bench.figures.labels import Floats
from gsm_bench.figures.style import COLUMN_IN, FigureStyle, Plot, legend_above, styled
from gsm_bench.selection.cascade_search import CascadeResult, CascadeRow
from gsm_bench.selection.search import SearchResult, SearchRow
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUNS_LABEL = "members run per video"
HEIGHT_IN = 2.4


@styled
def draw_pareto(style: FigureStyle, search: SearchResult) -> Plot:
    """The best ensembles for their cost, with intervals, and the held-out accuracy of the same searches."""
    key, label, scale = _search_cost(search)
    cost_name = "gflops" if key == "macs" else key
    rows = sorted((row for row in search.rows if key in row.fronts), key=lambda row: (_cost(row, key), row.hits))
    k, line = search.config.k, style.colour(0)
    names = without_common_start([" + ".join(row.members) for row in rows], [choice.label for choice in search.choices])
    points = np.array([(_cost(row, key) / scale, 100 * row.accuracy[k]) for row in rows], np.float64).reshape(-1, 2)
    held = np.array([(x, 100 * row.held_out) for (x, _), row in zip(points, rows, strict=True)]).reshape(-1, 2)
    bars = [
        np.array([[x, 100 * row.interval.low], [x, 100 * row.interval.high]])
        for (x, _), row in zip(points, rows, strict=True)
    ]

    def draw(figure: Figure) -> Axes:
        axes: Axes = figure.subplots()
        for bar in bars:
            axes.plot(*bar.T, color=style.palette.faint, linewidth=0.6)
        axes.plot(*points.T, color=line, marker=style.marker(0), markersize=4, markeredgecolor=style.palette.ink,
                  markeredgewidth=0.4, label="on the videos searched")  # fmt: skip
        axes.plot(*held.T, color=style.colour(1), linestyle="--", marker=style.marker(1), markersize=3,
                  markeredgecolor=style.palette.ink, markeredgewidth=0.4, label="held out")  # fmt: skip
        _finish(figure, axes, points, label, f"top-{k} accuracy (%)")
        return axes

    figure, failed = draw_with_labels(
        style, COLUMN_IN, HEIGHT_IN, draw, [*names, *[""] * len(rows)], np.concatenate((points, held)),
        np.concatenate((np.full(len(rows), 2.5), np.full(len(rows), 2.0))), [points, held, *bars],
    )  # fmt: skip
    numbers = tuple(
        {"members": " + ".join(row.members), cost_name: _cost(row, key) / scale, f"top{k}": row.accuracy[k],
         f"top{k}_low95": row.interval.low, f"top{k}_high95": row.interval.high, "held_out": row.held_out}
        for row in rows
    )  # fmt: skip
    columns = (
        Column("members", "Members"), Column(cost_name, label, "number"), Column(f"top{k}", f"Top-{k}", "percent"),
        Column("held_out", "Held out", "percent"),
    )  # fmt: skip
    return Plot(figure, Table("Pareto front", columns, (numbers,), name="pareto"), style, not_labelled(names, failed))


def _search_cost(search: SearchResult) -> tuple[str, str, float]:
    """What the front is over: multiply-adds, else parameters, else members; with its label and unit."""
    if all(choice.macs is not None for choice in search.choices):
        return "macs", COST_LABEL, 1e9
    if all(choice.params is not None for choice in search.choices):
        return "params", "parameters (M)", 1e6
    return "members", "members", 1.0


def _cost(row: SearchRow, key: str) -> float:
    return float(len(row.members) if key == "members" else getattr(row, key) or 0)


def without_common_start(texts: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Names without the start, up to an underscore, that all labels share."""
    words = zip(*(label.split("_")[:-1] for label in labels), strict=False)
    same = [here[0] for here in itertools.takewhile(lambda here: len(set(here)) == 1, words)]
    shared = "".join(f"{word}_" for word in same) if len(labels) > 1 else ""
    return [text.replace(shared, "") if shared else text for text in texts]


@styled
def draw_cascade(style: FigureStyle, cascade: CascadeResult) -> Plot:
    """Each rule of confidence over its thresholds, beside the means of the first members for every video."""
    members = _places(cascade, cascade.members)
    labels = without_common_start([row.label for row in cascade.members], [choice.label for choice in cascade.choices])
    rules = [_places(cascade, rows) for rows in cascade.cascades]
    selected = _places(cascade, cascade.selected)

    def draw(figure: Figure) -> Axes:
        axes: Axes = figure.subplots()
        edge: dict[str, Any] = {"markeredgecolor": style.palette.ink, "markeredgewidth": 0.4}
        for series, (rows, places) in enumerate(zip(cascade.cascades, rules, strict=True)):
            name = rows[0].setting.rule if rows and rows[0].setting else "rule"
            axes.plot(*places.T, color=style.colour(series), linestyle=("-", "--", ":")[series % 3], linewidth=1.0,
                      marker=style.marker(series + 1), markersize=2.5, markevery=3, label=name, **edge)  # fmt: skip
        for row, (x, _) in zip(cascade.members, members, strict=True):
            axes.plot(
                [x, x],
                [100 * row.interval[1].low, 100 * row.interval[1].high],
                color=style.palette.faint,
                linewidth=0.6,
            )
        axes.plot(*members.T, linestyle="", color=style.palette.faint, marker="o", markersize=4.5,
                  label="for every video", **edge)  # fmt: skip
        for at, (row, place) in enumerate(zip(cascade.selected, selected, strict=True)):
            axes.plot(*place, linestyle="", marker="*" if at == 0 else "P", markersize=8 if at == 0 else 5, label=row.label,
                      color=style.colour(3) if at == 0 else style.palette.paper, **edge)  # fmt: skip
        _finish(figure, axes, members, COST_LABEL if cascade.costs_known else RUNS_LABEL, "top-1 accuracy (%)")
        return axes

    others = np.concatenate([*rules, selected]) if rules else selected
    bars = [np.array([[x, 100 * row.interval[1].low], [x, 100 * row.interval[1].high]])
            for row, (x, _) in zip(cascade.members, members, strict=True)]  # fmt: skip
    figure, failed = draw_with_labels(
        style, COLUMN_IN, HEIGHT_IN, draw, [*labels, *[""] * len(others)], np.concatenate((members, others)),
        np.concatenate((np.full(len(members), 2.8), np.full(len(others), 2.0))), [*rules, *bars],
    )  # fmt: skip
    return Plot(figure, _cascade_numbers(cascade), style, not_labelled(labels, failed))


def _places(cascade: CascadeResult, rows: Sequence[CascadeRow]) -> Floats:
    """Cost and top-1 in percent, float64 [n, 2]; the cost is members run where multiply-adds are unknown."""
    return np.array([(_mean_cost(cascade, row), 100 * row.accuracy[1]) for row in rows], np.float64).reshape(-1, 2)


def _mean_cost(cascade: CascadeResult, row: CascadeRow) -> float:
    return row.mean_macs / 1e9 if cascade.costs_known and row.mean_macs is not None else float(sum(row.shares))


def _cascade_numbers(cascade: CascadeResult) -> Table:
    cost = "gflops" if cascade.costs_known else "members_run"
    blocks = tuple(
        tuple(
            {
                "what": row.label, "rule": row.setting.rule if row.setting else None,
                "thresholds": " ".join(f"{value:.6g}" for value in row.setting.thresholds) if row.setting else None,
                cost: _mean_cost(cascade, row), "top1": row.accuracy[1], "top1_low95": row.interval[1].low,
                "top1_high95": row.interval[1].high,
            }
            for row in rows
        )
        for rows in (cascade.members, *cascade.cascades, cascade.selected)
    )  # fmt: skip
    columns = (
        Column("what", "Members, or rule"), Column("rule", "Rule"), Column("thresholds", "Thresholds"),
        Column(cost, COST_LABEL if cascade.costs_known else RUNS_LABEL, "number"), Column("top1", "Top-1", "percent"),
    )  # fmt: skip
    return Table("Cascade", columns, blocks, name="cascade")


def _finish(figure: Figure, axes: Axes, points: Floats, label: str, metric: str) -> None:
    """Axis labels, and the legend above the axes, where it covers nothing."""
    set_cost_axis(axes, points[:, 0].tolist(), label)
    axes.set_ylabel(metric)
    axes.margins(0.12)
    handles, names = axes.get_legend_handles_labels()
    legend_above(figure, handles, names)
