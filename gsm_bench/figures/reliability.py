"""Reliability diagrams: accuracy by confidence, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.calibrate import Calibrated
from gsm_bench.figures.style import (
    PANEL_IN,
    SMALL_PT,
    TEXT_PT,
    FigureStyle,
    Plot,
    legend_above,
    panel_grid,
    shortened,
    styled,
)
from gsm_bench.metrics.calibration import Calibration
from gsm_bench.metrics.intervals import wilson
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = (
    Column("label", "Result"),
    Column("how", ""),
    Column("low", "From", "number"),
    Column("high", "To", "number"),
    Column("videos", "Videos", "count"),
    Column("confidence", "Mean confidence", "percent"),
    Column("accuracy", "Accuracy", "percent"),
)


@styled
def draw_reliability(style: FigureStyle, results: Sequence[Calibrated]) -> Plot:
    """One panel per result: accuracy by confidence, unscaled and scaled, and how many videos each bin holds."""
    if not results:
        raise GsmBenchError("no result to draw", fix="name models, ensembles or score files")
    kind_width, columns, rows = panel_grid(style, len(results))
    figure = style.figure(kind_width, (PANEL_IN + 0.45) * rows + 0.3)
    panels = figure.subplots(2 * rows, columns, sharex=True, squeeze=False, height_ratios=[4, 1] * rows)
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        above, below = panels[2 * row, column], panels[2 * row + 1, column]
        if number < len(results):
            _draw_panel(style, above, below, results[number])
        else:
            above.set_axis_off()
            below.set_axis_off()
        if column == 0:
            above.set_ylabel("accuracy (%)")
            below.set_ylabel("videos")
    figure.align_ylabels(panels[:, 0])
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.supxlabel("confidence (%)", fontsize=TEXT_PT)
    legend_above(figure, handles, names)
    rows_of_bins = tuple(row for result in results for row in _rows(result))
    return Plot(figure, Table("Reliability", COLUMNS, (rows_of_bins,), name="reliability"), style)


def _draw_panel(style: FigureStyle, above: Axes, below: Axes, result: Calibrated) -> None:
    from matplotlib.ticker import MaxNLocator

    above.plot([0, 100], [0, 100], color=style.palette.faint, linewidth=0.6, linestyle=":")
    for series, (how, calibration) in enumerate((("unscaled", result.plain), ("scaled", result.scaled))):
        bins = [
            (100 * b.confidence, 100 * b.accuracy, wilson(round(b.accuracy * b.videos), b.videos))
            for b in calibration.bins
        ]
        errors = [
            [y - 100 * interval.low for _, y, interval in bins],
            [100 * interval.high - y for _, y, interval in bins],
        ]
        above.errorbar(
            [x for x, _, _ in bins], [y for _, y, _ in bins], [[max(0.0, e) for e in side] for side in errors],
            color=style.colour(series), marker=style.marker(series), markersize=3, elinewidth=0.6,
            linestyle="", markeredgecolor=style.palette.ink, markeredgewidth=0.4,
            label="as it is" if how == "unscaled" else "with a temperature",
        )  # fmt: skip
    above.set(xlim=(0, 102), ylim=(0, 102), xticks=range(0, 101, 25), yticks=range(0, 101, 25))
    above.grid(visible=True)
    name = result.label if result.task == "action" else f"{result.label} {result.task}"
    above.set_title(shortened(name, 26))
    ece = f"ECE {100 * result.plain.ece:.1f} → {100 * result.scaled.ece:.1f}%\nT = {result.temperature:.2f}"
    high = result.plain.confidence > result.plain.accuracy
    above.text(
        0.04 if high else 0.97, 0.96 if high else 0.04, ece, transform=above.transAxes, fontsize=SMALL_PT,
        ha="left" if high else "right", va="top" if high else "bottom",
    )  # fmt: skip
    below.bar(
        [50 * (b.low + b.high) for b in result.plain.bins], [b.videos for b in result.plain.bins],
        [100 * (b.high - b.low) for b in result.plain.bins], color=style.colour(0), edgecolor=style.palette.paper,
        linewidth=0.3,
    )  # fmt: skip
    below.yaxis.set_major_locator(MaxNLocator(2, integer=True))


def _rows(result: Calibrated) -> list[dict[str, Any]]:
    both: tuple[tuple[str, Calibration], ...] = (("unscaled", result.plain), ("scaled", result.scaled))
    rows = []
    for how, calibration in both:
        for one in calibration.bins:
            interval = wilson(round(one.accuracy * one.videos), one.videos)
            rows.append(
                {
                    "label": result.label, "task": result.task, "how": how, "low": one.low, "high": one.high,
                    "videos": one.videos, "confidence": one.confidence, "accuracy": one.accuracy,
                    "accuracy_low95": interval.low, "accuracy_high95": interval.high,
                }
            )  # fmt: skip
    return rows
