"""Axes of accuracy against cost, shared by several figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gsm_bench.figures.labels import Floats, place_labels
from gsm_bench.figures.style import FigureStyle, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COST_LABEL = "GFLOPs per video"
TALLEST, TALLEST_IN = 1.5, 6.5
"""A figure grows to this height, as a share of its width and in inches, before labels are left out."""
GROWTH = 1.2
LOG_FROM = 3.0
"""Costs are on a logarithmic axis if the largest is at least so many times the smallest."""


def set_cost_axis(axes: Axes, costs: Sequence[float], label: str = COST_LABEL) -> None:
    """Scale the x axis for positive costs: logarithmic with plain numbers where they differ much."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.set_xlabel(label)
    for axis in (axes.xaxis, axes.yaxis):  # as many ticks at any size, so that the layout settles
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    known = [cost for cost in costs if cost > 0]
    if known and max(known) >= LOG_FROM * min(known):
        axes.set_xscale("log")
        decades = math.log10(max(known) / min(known))
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,), numticks=12 if decades < 6 else 5)
        )
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(visible=True)
    axes.set_axisbelow(True)


def staircase(corners: Floats) -> Floats:
    """The corners [P, 2] of a line that goes right, then up, through points [n, 2] from the left to the right."""
    if len(corners) < 2:
        return corners
    turns = np.stack((corners[:-1], np.column_stack((corners[1:, 0], corners[:-1, 1]))), axis=1).reshape(-1, 2)
    return np.concatenate((turns, corners[-1:]))


def non_dominated(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Numbers of the points that no other one beats in cost and value, the cheapest first."""
    chosen: list[int] = []
    for number in sorted(range(len(costs)), key=lambda at: (costs[at], -values[at], at)):
        if not chosen or values[number] > values[chosen[-1]]:
            chosen.append(number)
    return chosen


def draw_with_labels(
    style: FigureStyle,
    width_in: float,
    height_in: float,
    draw: Callable[[Figure], Axes],
    texts: Sequence[str],
    points: Floats,
    radii_pt: Floats,
    lines: Sequence[Floats] = (),
) -> tuple[Figure, list[int]]:
    """Draw, then place labels; where there is no room for all, draw again on a taller figure.

    Args:
        draw: draws everything but the labels on an empty figure and returns the axes with the points.
        texts, points, radii_pt, lines: as of `place_labels`.

    Returns:
        The figure, and the numbers of labels for which there is no room in the tallest one.
    """
    width = style.width_in or width_in
    while True:
        figure = style.figure(width, height_in)
        axes = draw(figure)
        for _ in range(2):  # tick labels follow from the first layout
            figure.draw_without_rendering()
        figure.set_layout_engine("none")
        most = max(12, int(width * 12))
        failed = place_labels(axes, [shortened(text, most) for text in texts], points, radii_pt, lines=lines)
        if not failed or height_in * GROWTH > min(TALLEST * width, TALLEST_IN):
            return figure, failed
        height_in *= GROWTH


def not_labelled(texts: Sequence[str], failed: Sequence[int]) -> tuple[str, ...]:
    """A note that names the points without a label."""
    if not failed:
        return ()
    names = ", ".join(texts[number] for number in failed)
    return (f"note: no room for {len(failed)} labels: {names}; give more room with --width page",)
