"""Features in the plane by t-SNE, one panel per model or layer, coloured by groups of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.embedding import Embedding
from gsm_bench.figures.style import (
    MARKERS,
    FigureStyle,
    Plot,
    legend_above,
    panel_grid,
    shortened,
    styled,
)
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_GROUPS = 32
"""Pairs of a colour and a marker."""
LAYERS = 6
"""Points of a group are drawn in so many turns."""
COLUMNS = (
    Column("model", "Model"),
    Column("layer", "Layer"),
    Column("id", "Video"),
    Column("group", "Group"),
    Column("x", "x", "number"),
    Column("y", "y", "number"),
    Column("silhouette", "Silhouette", "number"),
    Column("mean_silhouette", "Mean silhouette", "number"),
)


@styled
def draw_tsne(
    style: FigureStyle,
    embeddings: Sequence[Embedding],
    ids: Sequence[str],
    groups: NDArray[np.int64],
    names: Sequence[str],
) -> Plot:
    """One panel per embedding of the same n videos.

    Args:
        ids: of the n videos.
        groups: int64 [n], the group of each.
        names: of the groups.
    """
    if len(names) > MOST_GROUPS:
        raise GsmBenchError(
            f"{len(names)} groups are too many to tell apart; at most {MOST_GROUPS}",
            fix="--groups FILE.toml joins classes",
        )
    kind_width, columns, rows = panel_grid(style, len(embeddings))
    width = style.width_in or kind_width
    figure = style.figure(kind_width, (width / columns + 0.25) * rows + 0.13 * math.ceil(len(names) * 1.5 / width))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, one in zip(panels, embeddings, strict=False):
        _draw_panel(style, axes, one, groups, names)
    for axes in panels[len(embeddings) :]:
        axes.set_axis_off()
    legend_above(figure, *panels[0].get_legend_handles_labels())
    return Plot(figure, _numbers(embeddings, ids, groups, names), style, tuple(map(_in_words, embeddings)))


def look_of(style: FigureStyle, group: int) -> tuple[str, str]:
    """Colour and marker of a group; no two of `MOST_GROUPS` are the same."""
    return style.colour(group + group // len(MARKERS)), style.marker(group)


def _draw_panel(
    style: FigureStyle, axes: Axes, one: Embedding, groups: NDArray[np.int64], names: Sequence[str]
) -> None:
    rank = np.random.default_rng(0).permutation(len(groups))
    for layer in range(LAYERS):  # groups take turns, so that none covers another
        for number, name in enumerate(names):
            colour, marker = look_of(style, number)
            shown = (groups == number) & (rank % LAYERS == layer)
            axes.scatter(
                one.points[shown, 0], one.points[shown, 1], s=7, marker=marker, color=colour, label=None if layer else name,
                edgecolor=style.palette.ink, linewidth=0.2,
            )  # fmt: skip
    axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set(visible=True, color=style.palette.faint)
    title = one.label if one.layer == "pool" else f"{one.label} {one.layer}"
    figure = axes.figure
    most = int(figure.get_figwidth() / len({panel.get_position().x0 for panel in figure.axes}) * 15)  # type: ignore[union-attr]
    axes.set_title(f"{shortened(title, most)}\n{_silhouette(one)}")


def _silhouette(one: Embedding) -> str:
    return "one group" if np.isnan(one.silhouette) else f"silhouette {one.silhouette:.2f}"


def _in_words(one: Embedding) -> str:
    return f"{one.label}, {one.layer}: {_silhouette(one)} among the features of {len(one.points):,} videos"


def _numbers(
    embeddings: Sequence[Embedding], ids: Sequence[str], groups: NDArray[np.int64], names: Sequence[str]
) -> Table:
    blocks = tuple(
        tuple(
            {"model": one.label, "layer": one.layer, "id": ids[row], "group": names[groups[row]],
             "x": float(one.points[row, 0]), "y": float(one.points[row, 1]),
             "silhouette": _rounded(one.silhouettes[row]), "mean_silhouette": _rounded(one.silhouette)}
            for row in range(len(ids))
        )
        for one in embeddings
    )  # fmt: skip
    return Table("t-SNE of features", COLUMNS, blocks, name="tsne")


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
