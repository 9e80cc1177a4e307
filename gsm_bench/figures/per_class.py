"""Accuracy class by class, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.per_class import ClassAccuracy, ClassEvaluation
from gsm_bench.figures.style import COLUMN_IN, LONG_NAME, PAGE_IN, FigureStyle, Plot, abbreviated, legend_above, styled
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 40
"""Up to so many classes all have a name; of more, the least and the most accurate have one."""
ENDS = 12
"""Classes named at each end where not all are."""
ROW_IN = 0.125
COLUMNS = (
    Column("model", "Model"),
    Column("class", "Class"),
    Column("videos", "Videos", "count"),
    Column("top1", "Top-1", "percent"),
)


@styled
def draw_per_class(style: FigureStyle, evaluations: Sequence[ClassEvaluation]) -> Plot:
    """Top-1 of each class with its interval, sorted by the first result; of many classes, the lowest and highest have names.

    Args:
        evaluations: of the same task and classes.
    """
    if not evaluations or not evaluations[0].classes:
        raise GsmBenchError("no class has a video with a label and a score", fix="give a labelled list: --data DIR")
    order = sorted(evaluations[0].classes, key=lambda one: (one.top1, one.name))
    few = len(order) <= NAMED
    named = order if few else [*order[:ENDS], *order[-ENDS:]]
    height = ROW_IN * (len(named) + (0 if few else 1)) * (1 + 0.15 * (len(evaluations) - 1)) + 0.7
    long = max(len(one.name) for one in named) > LONG_NAME
    width = style.width_in or (PAGE_IN if long else COLUMN_IN)
    figure = style.figure(width, height if few else height + 1.4)
    panels = figure.subplots(1 if few else 2, 1, squeeze=False, height_ratios=(1,) if few else (1.4, height))[:, 0]
    rows = panels[-1]
    if not few:
        _draw_curves(style, panels[0], evaluations, [one.name for one in order])
    _draw_rows(style, rows, evaluations, [one.name for one in named], gap=0 if few else ENDS)
    rows.set_yticks(rows.get_yticks(), [abbreviated(one.name, int(width * 8)) for one in named])
    if len(evaluations) > 1:
        legend_above(figure, *rows.get_legend_handles_labels())
    return Plot(figure, _numbers(evaluations), style)


def _draw_curves(style: FigureStyle, axes: Axes, evaluations: Sequence[ClassEvaluation], names: Sequence[str]) -> None:
    """All classes in the order of the first result; its intervals as a band."""
    for series, evaluation in enumerate(evaluations):
        known = {one.name: one for one in evaluation.classes}
        values = [100 * known[name].top1 if name in known else np.nan for name in names]
        axes.plot(
            range(1, len(names) + 1), values, color=style.colour(series), linewidth=0.9,
            marker=style.marker(series) if series else None, linestyle="-" if not series else "", markersize=2,
        )  # fmt: skip
        if not series:
            low = [100 * known[name].top1_interval.low for name in names]
            high = [100 * known[name].top1_interval.high for name in names]
            axes.fill_between(range(1, len(names) + 1), low, high, color=style.palette.faint, alpha=0.3, linewidth=0)
    axes.set(xlabel=f"{len(names)} classes, sorted", ylabel="top-1 (%)", ylim=(-2, 102), xlim=(0, len(names) + 1))
    axes.grid(visible=True)


def _draw_rows(
    style: FigureStyle, axes: Axes, evaluations: Sequence[ClassEvaluation], names: Sequence[str], gap: int
) -> None:
    """A row per class, the least accurate on top; with `gap`, a space after so many rows."""
    places = [row + (1.0 if gap and row >= gap else 0.0) for row in range(len(names))]
    spread = 0.5 / max(1, len(evaluations))
    for series, evaluation in enumerate(evaluations):
        known: dict[str, ClassAccuracy] = {one.name: one for one in evaluation.classes}
        shown = [(place, known[name]) for place, name in zip(places, names, strict=True) if name in known]
        values = [100 * one.top1 for _, one in shown]
        errors = [
            [max(0.0, 100 * (one.top1 - one.top1_interval.low)) for _, one in shown],
            [max(0.0, 100 * (one.top1_interval.high - one.top1)) for _, one in shown],
        ]
        shift = (series - (len(evaluations) - 1) / 2) * spread
        axes.errorbar(
            values, [place + shift for place, _ in shown], xerr=errors, linestyle="", marker=style.marker(series),
            color=style.colour(series), markersize=3, elinewidth=0.6, ecolor=style.palette.faint,
            markeredgecolor=style.palette.ink, markeredgewidth=0.4,
            label=f"{evaluation.label} {evaluation.frames}".strip(),
        )  # fmt: skip
    axes.set_yticks(places)
    axes.set(xlim=(-2, 102), ylim=(places[-1] + 0.7, -0.7), xlabel="top-1 accuracy (%)")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True)
    if gap:
        axes.axhline(gap, color=style.palette.faint, linewidth=0.5, linestyle=":")


def _numbers(evaluations: Sequence[ClassEvaluation]) -> Table:
    blocks = tuple(
        tuple(
            {"model": evaluation.label, "frames": evaluation.frames, "class": one.name, "videos": one.videos,
             "top1": one.top1, "top1_low95": one.top1_interval.low, "top1_high95": one.top1_interval.high}
            for one in evaluation.classes
        )
        for evaluation in evaluations
    )  # fmt: skip
    return Table("Accuracy by class", COLUMNS, blocks, name="per-class")
