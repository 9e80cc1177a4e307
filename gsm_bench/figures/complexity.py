"""Top-1 against GFLOPs, as figure 7 of the GSM paper: the area of a marker is the number of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gsm_bench.figures.cost_axes import (
    COST_LABEL,
    draw_with_labels,
    non_dominated,
    not_labelled,
    set_cost_axis,
    staircase,
)
from gsm_bench.figures.style import COLUMN_IN, PAGE_IN, FigureStyle, Plot, legend_above, shortened, styled
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST_PT2, SMALLEST_PT2 = 90.0, 8.0
"""Areas of markers, in square points; the largest is that of the most parameters."""
CROWD = 16
"""More results than this take the width of a page."""
LISTED = 6
"""Results of unknown cost named under the axis."""
COLUMNS = (
    Column("name", "Name"),
    Column("group", "Group"),
    Column("gflops", "GFLOPs", "number"),
    Column("params", "Parameters", "count"),
    Column("top1", "Top-1", "percent"),
    Column("source", "Source"),
    Column("pareto", "Best for its cost"),
)


@dataclass(frozen=True)
class CostPoint:
    """A result: its accuracy and cost.

    Attributes:
        name, group: its label, and the series that it belongs to.
        top1, low, high: a fraction with its 95% interval; without interval where the accuracy is printed in a paper.
        gflops: per video; None if unknown.
        params: None if unknown.
        source: measured or printed.
    """

    name: str
    group: str
    top1: float
    low: float | None
    high: float | None
    gflops: float | None
    params: int | None
    source: str


def cost_points(table: Table, groups: Sequence[str] = ()) -> list[CostPoint]:
    """The rows of a table of results that have an accuracy; measured, else printed.

    Args:
        table: rows with ``top1``, ``macs_paper`` and ``params``, or the same of the task ``action``.
        groups: names of the table's blocks; numbers if there are fewer.
    """
    names = _point_names(table.rows)
    printed = any(row.get("source") == "printed" for row in table.rows)
    points, at = [], 0
    for number, block in enumerate(table.blocks):
        group = groups[number] if number < len(groups) else f"block {number + 1}"
        for row in block:
            points += _point(row, names[at], group, published=not printed)
            at += 1
    return points


def _point(row: Mapping[str, Any], name: str, group: str, *, published: bool) -> list[CostPoint]:
    """The point of a row; none where it has no accuracy, measured or, with `published`, published for it."""
    prefix = "" if "top1" in row else "action_"
    top1, source = row.get(f"{prefix}top1"), row.get("source") or "measured"
    if not _is_number(top1) and published:
        top1, source = row.get("published_top1"), "printed"
    if not _is_number(top1):
        return []
    low, high = (row.get(f"{prefix}top1_{side}95") if source == "measured" else None for side in ("low", "high"))
    macs = row.get("macs_paper")
    gflops = macs / 1e9 if _is_number(macs) and macs else None
    return [CostPoint(name, group, float(str(top1)), low, high, gflops, row.get("params"), source)]


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _common_label(labels: Sequence[str]) -> str:
    """The label that more than half of the rows begin with; empty if there is none."""
    candidates = {labels[at] for at in range(len(labels))}
    counts = {label: sum(other.startswith(label) for other in labels) for label in candidates}
    best = max(sorted(counts), key=lambda label: counts[label], default="")
    return best if counts.get(best, 0) > max(1, len(labels) / 2) else ""


def _point_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Label and frames without the words that most rows share; the backbone, too, where names would be equal."""
    common = _common_label([str(row["label"]) for row in rows])
    names = [_point_name(row, common) for row in rows]
    for number in [at for at, name in enumerate(names) if names.count(name) > 1]:
        if backbone := rows[number].get("backbone"):
            names[number] = f"{names[number]} {backbone}"
    return names


def _point_name(row: Mapping[str, Any], common: str) -> str:
    label, frames = str(row["label"]), str(row.get("frames") or "").removeprefix("NA")
    if common:
        start = len(common) if label.startswith(common) else 0
        label = " ".join(word for word in label[start:].split() if start or word not in common.split())
    return f"{label} {frames}".strip() or str(row["label"])


@styled
def draw_complexity(style: FigureStyle, points: Sequence[CostPoint], *, metric: str = "Top-1 accuracy (%)") -> Plot:
    """Accuracy with interval against cost; results of unknown cost are listed under the axis."""
    shown = [point for point in points if point.gflops]
    unknown = [point for point in points if not point.gflops]
    places = np.array([(point.gflops, 100 * point.top1) for point in shown], np.float64).reshape(-1, 2)
    largest = max((point.params or 0 for point in shown), default=0)
    areas = np.array([_area(point.params, largest) for point in shown], np.float64)
    front = non_dominated(places[:, 0].tolist(), places[:, 1].tolist())

    line = staircase(places[front])
    width = style.width_in or (COLUMN_IN if len(points) <= CROWD else PAGE_IN)
    bars = [
        np.array([[point.gflops, 100 * side] for side in (point.low, point.high) if side is not None], np.float64)
        for point in shown
        if _is_number(point.low) and _is_number(point.high)
    ]

    def draw(figure: Figure) -> Axes:
        axes: Axes = figure.subplots()
        axes.plot(*line.T, color=style.palette.faint, linewidth=0.8, zorder=1)
        for bar in bars:
            axes.plot(*bar.T, color=style.palette.faint, linewidth=0.6, zorder=2)
        groups = _draw_groups(style, axes, shown, places, areas)
        set_cost_axis(axes, places[:, 0].tolist(), "\n".join([COST_LABEL, *_unknown_lines(unknown, width)]))
        axes.set_ylabel(metric)
        axes.margins(0.12)
        _draw_legend(style, figure, groups, [point.params for point in shown if point.params])
        if not shown:
            axes.text(0.5, 0.5, "no result of known cost", transform=axes.transAxes, ha="center")
        return axes

    names = [point.name for point in shown]
    figure, failed = draw_with_labels(
        style, width, 2.6, draw, names, places, np.sqrt(areas / math.pi) + 0.5, [line, *bars]
    )
    best = {id(shown[number]) for number in front}
    rows = tuple(_row(point, id(point) in best) for point in points)
    return Plot(figure, Table("complexity", COLUMNS, (rows,), name="complexity"), style, not_labelled(names, failed))


def _row(point: CostPoint, pareto: bool) -> dict[str, Any]:
    return {
        "name": point.name, "group": point.group, "gflops": point.gflops, "params": point.params, "top1": point.top1,
        "top1_low95": point.low, "top1_high95": point.high, "source": point.source, "pareto": pareto,
    }  # fmt: skip


def _area(params: int | None, largest: int) -> float:
    """Square points; markers of unknown size are the smallest."""
    return max(SMALLEST_PT2, LARGEST_PT2 * params / largest) if params and largest else SMALLEST_PT2


def _draw_groups(
    style: FigureStyle, axes: Axes, shown: Sequence[CostPoint], places: Any, areas: Any
) -> list[tuple[str, dict[str, Any]]]:
    """A colour and marker per group, hollow where accuracies are printed; returns names and markers for a legend."""
    legend = []
    for series, group in enumerate(dict.fromkeys(point.group for point in shown)):
        for source in ("measured", "printed"):
            chosen = [at for at, point in enumerate(shown) if (point.group, point.source) == (group, source)]
            if not chosen:
                continue
            colour, hollow = style.colour(series), source == "printed"
            face, edge = style.palette.paper if hollow else colour, style.palette.ink
            axes.scatter(
                places[chosen, 0], places[chosen, 1], s=areas[chosen], marker=style.marker(series), zorder=3,
                linewidths=0.6, facecolor=face, edgecolor=edge,
            )  # fmt: skip
            look = {"marker": style.marker(series), "markerfacecolor": face, "markeredgecolor": edge, "markersize": 4.5}
            legend.append((f"{group}, printed" if hollow else group, look))
    return legend


def _draw_legend(
    style: FigureStyle, figure: Figure, groups: list[tuple[str, dict[str, Any]]], params: list[int]
) -> None:
    """Groups and areas in rows above the axes, so that they cover nothing."""
    from matplotlib.lines import Line2D

    largest, ink = max(params, default=0), style.palette.ink
    for size in _round_sizes(params):
        diameter = 2 * math.sqrt(_area(size, largest) / math.pi)
        groups.append(
            (
                f"{size / 1e6:g} M",
                {"marker": "o", "markerfacecolor": "none", "markeredgecolor": ink, "markersize": diameter},
            )
        )
    if len(groups) > 1:
        marks = [Line2D([], [], linestyle="", markeredgewidth=0.6, **look) for _, look in groups]
        legend_above(figure, marks, [name for name, _ in groups])


def _round_sizes(params: Sequence[int]) -> list[int]:
    """One or two round numbers of parameters in the range of the results."""
    if not params:
        return []
    top = _round_down(max(params))
    return sorted({top, _round_down(max(min(params), top / 4))})


def _round_down(value: float) -> int:
    """The largest of 1, 2, 5 times a power of ten that is not above a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    return round(max(factor * power for factor in (1, 2, 5) if factor * power <= value * (1 + 1e-9)))


def _unknown_lines(unknown: Sequence[CostPoint], width_in: float) -> list[str]:
    """The results of unknown cost with their accuracies, in lines that fit under the axis."""
    if not unknown:
        return []
    width = int(width_in * 14)
    texts = [f"{shortened(point.name, 24)} {100 * point.top1:.2f}" for point in unknown[:LISTED]]
    if len(unknown) > LISTED:
        texts.append(f"{len(unknown) - LISTED} more")
    lines = ["cost unknown: " + texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + len(text) + 2 > width:
            lines.append(text)
        else:
            lines[-1] += f", {text}"
    return lines
