"""Names beside points, placed so that no two overlap, in the same way on every run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.figures.style import SMALL_PT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

GAP_PT = 1.5
"""Between a label and its marker, and between two labels."""
RINGS_PT = (0.0, 4.0, 9.0, 15.0, 22.0, 30.0, 40.0, 52.0, 66.0, 82.0, 100.0, 120.0)
"""Distances from the marker at which places are tried, the nearest first."""
ANGLES = (
    0,
    180,
    90,
    270,
    *(30, 150, 330, 210, 60, 120, 300, 240),
    *(15, 165, 345, 195, 45, 135, 315, 225, 75, 105, 285, 255),
)
LINE_PT = 25.0
"""A place on a line is taken where free ones are farther away by more than this."""
LEADER_PT = 6.0
"""A label farther away than this is joined to its marker by a line."""


def place_labels(
    axes: Axes,
    texts: Sequence[str],
    points: Floats,
    radii_pt: Floats,
    *,
    lines: Sequence[Floats] = (),
) -> list[int]:
    """Write each text beside its point where it covers no other text and no marker; the layout must be final.

    Args:
        texts: N labels; an empty one is not written, but its marker is kept free.
        points: float64 [N, 2] in data coordinates.
        radii_pt: float64 [N], radii of the markers in points.
        lines: polylines float64 [P, 2] in data coordinates that labels cover only where free places are far away.

    Returns:
        The numbers of the labels for which there is no room.
    """
    figure: Any = axes.figure
    scale = figure.dpi / 72
    centres = axes.transData.transform(points)
    radii = radii_pt * scale
    blocked = np.column_stack((centres - radii[:, None], centres + radii[:, None]))  # [B, 4], first the markers
    under = np.concatenate([np.empty((0, 4)), *(_along(axes.transData.transform(line)) for line in lines)])
    bounds = np.array(axes.get_window_extent().extents)
    failed = []
    for number, text in enumerate(texts):
        if not text:
            continue
        size = _text_size(axes, text) + GAP_PT * scale
        boxes, distances = _candidates(centres[number], radii[number], size, scale)
        free = _inside(boxes, bounds) & ~_hits(boxes, blocked)
        order = np.argsort(distances + LINE_PT * _hits(boxes, under), kind="stable")
        others = np.delete(blocked, number, axis=0)
        for place in order[free[order]].tolist():
            far = distances[place] > LEADER_PT
            leader = _leader(centres[number], radii[number], boxes[place]) if far else np.empty((0, 4))
            if not _hits(leader, others).any():
                _write(axes, text, (boxes[place, :2] + boxes[place, 2:]) / 2, centres[number], leader)
                blocked = np.concatenate((blocked, boxes[place : place + 1], leader))
                break
        else:
            failed.append(number)
    return failed


def _along(line: Floats) -> Floats:
    """Small boxes [P, 4] along a polyline [P, 2] in pixels."""
    steps = [
        start + np.linspace(0, 1, max(2, int(np.hypot(*(end - start)) / 4)))[:, None] * (end - start)
        for start, end in itertools.pairwise(line)
    ]
    points = np.concatenate([*steps, np.empty((0, 2))])
    return np.column_stack((points - 0.3, points + 0.3))


def _text_size(axes: Axes, text: str) -> Floats:
    """Width and height in pixels, float64 [2]."""
    figure: Any = axes.figure
    artist = figure.text(0, 0, text, fontsize=SMALL_PT)
    extent = artist.get_window_extent(figure.canvas.get_renderer())
    artist.remove()
    return np.array([extent.width, extent.height])


def _candidates(point: Floats, radius: float, size: Floats, scale: float) -> tuple[Floats, Floats]:
    """Boxes [K, 4] of a size around a marker with their distances [K] from it in points, the nearest first."""
    rings, angles = (grid.ravel() for grid in np.meshgrid(RINGS_PT, np.radians(ANGLES), indexing="ij"))
    directions = np.column_stack((np.cos(angles), np.sin(angles)))
    sides = np.where(np.abs(directions) < 0.3, 0.0, np.sign(directions))  # boxes above and below are centred
    reach = radius + (rings + GAP_PT / 2) * scale
    centres = point + directions * reach[:, None] + sides * size / 2
    return np.column_stack((centres - size / 2, centres + size / 2)), rings


def _inside(boxes: Floats, bounds: Floats) -> NDArray[np.bool_]:
    """Which of boxes [K, 4] lie in a box [4], bool [K]."""
    inside = np.hstack((boxes[:, :2] >= bounds[:2], boxes[:, 2:] <= bounds[2:]))
    return np.asarray(inside.all(axis=1))


def _hits(boxes: Floats, others: Floats) -> NDArray[np.bool_]:
    """Which of boxes [K, 4] overlap one of others [B, 4], bool [K]."""
    left, bottom, right, top = boxes.T[:, :, None]
    overlaps = (left < others[:, 2]) & (right > others[:, 0]) & (bottom < others[:, 3]) & (top > others[:, 1])  # [K, B]
    return np.asarray(overlaps.any(axis=1))


def _leader(point: Floats, radius: float, box: Floats) -> Floats:
    """Small boxes [P, 4] along the line from a marker's edge to the nearest point of a label."""
    end = np.clip(point, box[:2], box[2:])
    length = float(np.hypot(*(end - point)))
    steps = np.arange(radius + 1, length - 0.5, 1.5) / max(length, 1e-9)
    along = point + steps[:, None] * (end - point)
    return np.column_stack((along - 0.4, along + 0.4))


def _write(axes: Axes, text: str, centre: Floats, point: Floats, leader: Floats) -> None:
    from matplotlib.lines import Line2D

    figure: Any = axes.figure
    to_data = axes.transData.inverted().transform
    label = axes.annotate(
        text, tuple(to_data(point)), xytext=tuple((centre - point) * 72 / figure.dpi), textcoords="offset points", ha="center",
        va="center", fontsize=SMALL_PT, annotation_clip=False,
    )  # fmt: skip
    label.set_in_layout(False)
    if len(leader):
        ends = to_data((leader[[0, -1], :2] + leader[[0, -1], 2:]) / 2)
        axes.add_line(Line2D(*ends.T, color="0.5", linewidth=0.4, zorder=1))
