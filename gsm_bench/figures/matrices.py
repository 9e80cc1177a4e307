"""Matrices in colour: which classes are confused, and which results agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.agreement import Agreement
from gsm_bench.evaluation.class_order import confused_order
from gsm_bench.evaluation.per_class import ClassEvaluation, Confusion
from gsm_bench.figures.labels import place_labels
from gsm_bench.figures.style import (
    COLUMN_IN,
    LONG_NAME,
    PAGE_IN,
    SMALL_PT,
    FigureStyle,
    Plot,
    abbreviated,
    fit_height,
    shortened,
    styled,
)
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MOST = 12
"""Confusions that are named beside a matrix too large for class names."""
LABEL_PT = 7.5
"""A row with a name needs this height; a cell with a number this width per two digits."""
CONFUSION_COLUMNS = (
    Column("true", "True class"),
    Column("predicted", "Predicted"),
    Column("videos", "Videos", "count"),
    Column("of_class", "Of class", "count"),
    Column("share", "Share", "percent"),
)
AGREEMENT_COLUMNS = (
    Column("first", "First"),
    Column("second", "Second"),
    Column("same", "Same prediction", "percent"),
    Column("videos", "Videos", "count"),
)


@styled
def draw_confusion(
    style: FigureStyle, evaluation: ClassEvaluation, *, block: Sequence[str] = (), most: int = MOST
) -> Plot:
    """The confusion matrix as shares of the true class, in an order in which confused classes are adjacent.

    Args:
        block: names of classes; only these and the classes that they are most often confused with are shown.
        most: confusions that are named where there is no room for the names of all classes.
    """
    order = confused_order(evaluation.matrix)
    if not len(order):
        raise GsmBenchError(
            f"{evaluation.label} has no video with a label and a score", fix="give a labelled list: --data DIR"
        )
    if block:
        chosen = _block_of(evaluation, block, most)
        order = np.array([number for number in order.tolist() if number in chosen])
    counts = evaluation.matrix[np.ix_(order, order)]
    shares = counts / np.maximum(evaluation.matrix[order].sum(axis=1, keepdims=True), 1)
    names = [evaluation.names[number] for number in order]
    small = len(names) <= 20 and max(map(len, names)) <= LONG_NAME
    width = style.width_in or (COLUMN_IN if small else PAGE_IN)
    if _fits_names(len(names), width):
        figure = _named_matrix(style, shares, counts, names, width)
    else:
        figure = _numbered_matrix(style, shares, names, evaluation.confusions(most), width)
    return Plot(figure, _confusion_numbers(evaluation, order), style)


def _confusion_numbers(evaluation: ClassEvaluation, order: NDArray[np.int64]) -> Table:
    totals = evaluation.matrix.sum(axis=1)
    rows = tuple(
        {
            "true": evaluation.names[true], "predicted": evaluation.names[predicted],
            "videos": int(evaluation.matrix[true, predicted]), "of_class": int(totals[true]),
            "share": float(evaluation.matrix[true, predicted] / totals[true]),
        }
        for true in order.tolist()
        for predicted in order.tolist()
        if evaluation.matrix[true, predicted]
    )  # fmt: skip
    return Table(f"Confusion matrix of {evaluation.label}", CONFUSION_COLUMNS, (rows,), name="confusion")


def _block_of(evaluation: ClassEvaluation, block: Sequence[str], most: int) -> set[int]:
    """Numbers of the named classes, and of those that they are most often confused with, at most `most` in all."""
    numbers = {name: number for number, name in enumerate(evaluation.names)}
    missing = [name for name in block if name not in numbers]
    if missing:
        raise GsmBenchError(
            f"no class {missing[0]!r} in {evaluation.label}", fix="gsmbench evaluate --per-class lists them"
        )
    chosen = [numbers[name] for name in block]
    errors = evaluation.errors
    both = errors[chosen].sum(axis=0) + errors[:, chosen].sum(axis=1)
    others = [number for number in np.argsort(-both, kind="stable").tolist() if both[number] and number not in chosen]
    return {*chosen, *others[: max(0, most - len(chosen))]}


def _fits_names(count: int, width_in: float) -> bool:
    """Whether each row of a matrix of this width is high enough for a name."""
    return count * LABEL_PT <= 0.62 * width_in * 72


def _named_matrix(
    style: FigureStyle, shares: Floats, counts: NDArray[np.int64], names: Sequence[str], width_in: float
) -> Figure:
    """Names at all rows and columns; counts in the cells where they fit."""
    figure = style.figure(width_in, width_in * 0.98)
    axes = figure.subplots()
    image = _show(style, axes, shares, vmin=0.0)
    short = [abbreviated(name, int(width_in * 7)) for name in names]
    axes.set_xticks(range(len(names)), short, rotation=90)
    axes.set_yticks(range(len(names)), short)
    axes.set(xlabel="predicted class", ylabel="true class")
    _colour_bar(figure, axes, image, "share of the true class (%)")
    fit_height(figure)
    cell_pt = 0.5 * width_in * 72 / len(names)
    if cell_pt >= SMALL_PT * 0.62 * len(str(counts.max())):
        _write_cells(axes, image, [[str(count) if count else "" for count in row] for row in counts.tolist()])
    return figure


def _numbered_matrix(
    style: FigureStyle, shares: Floats, names: Sequence[str], confusions: Sequence[Confusion], width_in: float
) -> Figure:
    """Without class names; the most frequent confusions have numbers, explained beside or below the matrix."""
    beside = width_in >= 5.5
    figure = style.figure(width_in, width_in * 0.62 if beside else width_in * 0.86 + 0.13 * len(confusions) + 0.2)
    if beside:
        axes, key = figure.subplots(1, 2, width_ratios=(0.64, 0.36))
    else:
        axes, key = figure.subplots(2, 1, height_ratios=(width_in * 0.86, 0.13 * len(confusions) + 0.15))
    image = _show(style, axes, shares, vmin=0.0)
    axes.set(
        xlabel=f"predicted class ({len(names)}, confused ones adjacent)", ylabel="true class", xticks=[], yticks=[]
    )
    _colour_bar(figure, axes, image, "share of the true class (%)")
    _write_key(key, confusions, int(width_in * (0.36 if beside else 1.0) * 17))
    place = {name: at for at, name in enumerate(names)}
    shown = [
        (number, pair) for number, pair in enumerate(confusions, start=1) if {pair.true, pair.predicted} <= place.keys()
    ]
    points = np.array([(place[pair.predicted], place[pair.true]) for _, pair in shown], np.float64).reshape(-1, 2)
    for _ in range(3):  # a square matrix settles in steps
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    axes.scatter(*points.T, s=18, facecolor="none", edgecolor=style.colour(1), linewidth=0.7)
    place_labels(axes, [str(number) for number, _ in shown], points, np.full(len(points), 2.8))
    return figure


def _write_key(axes: Axes, confusions: Sequence[Confusion], characters: int) -> None:
    """The named confusions from the top of an empty axes, two lines each where they are long."""
    axes.set_axis_off()
    lines = ["most confused: true → predicted"] if confusions else ["no confusions"]
    for number, pair in enumerate(confusions, start=1):
        count = f" ({pair.videos} of {pair.of_class})"
        line = f"{number}  {pair.true} → {pair.predicted}{count}"
        if len(line) > characters and characters < 50:
            lines.append(f"{number}  {abbreviated(pair.true, characters - 4)}")
            lines.append(f"    → {abbreviated(pair.predicted, characters - len(count) - 6)}{count}")
        else:
            half = (characters - len(count) - 6) // 2
            lines.append(f"{number}  {abbreviated(pair.true, half)} → {abbreviated(pair.predicted, half)}{count}")
    text = axes.text(0, 1, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=SMALL_PT, linespacing=1.25)
    text.set_in_layout(False)


@styled
def draw_agreement(style: FigureStyle, agreement: Agreement) -> Plot:
    """The share of videos for which two results predict the same class; the diagonal is left empty."""
    count = len(agreement.labels)
    width = style.width_in or (COLUMN_IN if count <= 10 else PAGE_IN)
    percent = 100 * agreement.same.copy()
    np.fill_diagonal(percent, np.nan)
    figure = style.figure(width, width * 0.98)
    axes = figure.subplots()
    known = percent[np.isfinite(percent)]
    low = float(np.floor(known.min() / 10) * 10) if len(known) else 0.0
    high = float(np.ceil(known.max() / 10) * 10) if len(known) else 100.0
    image = _show(style, axes, percent / 100, vmin=low / 100, vmax=max(high, low + 10) / 100, gamma=1.0)
    tops = [f"{100 * top:.1f}%" if top is not None else "" for top in agreement.top1]
    names = [shortened(name, int(width * 7)) for name in agreement.labels]
    axes.set_yticks(range(count), [f"{name} {top}".strip() for name, top in zip(names, tops, strict=True)])
    axes.set_xticks(range(count), names, rotation=90)
    if any(tops):
        axes.set_ylabel("result, with its top-1")
    _colour_bar(figure, axes, image, "same prediction (% of videos)")
    fit_height(figure)
    cell_pt = 0.5 * width * 72 / count
    if cell_pt >= 1.3 * SMALL_PT:
        form = "{:.1f}" if cell_pt >= 3.2 * SMALL_PT else "{:.0f}"
        below = np.where(np.tri(count, k=-1), percent, np.nan).tolist()
        _write_cells(axes, image, [["" if np.isnan(v) else form.format(v) for v in row] for row in below])
    rows = tuple(
        {"first": agreement.labels[one], "second": agreement.labels[other], "same": float(agreement.same[one, other]),
         "videos": agreement.videos}
        for one in range(count)
        for other in range(one + 1, count)
    )  # fmt: skip
    return Plot(figure, Table("Agreement", AGREEMENT_COLUMNS, (rows,), name="agreement"), style)


def _show(style: FigureStyle, axes: Axes, shares: Floats, *, vmin: float, vmax: float = 1.0, gamma: float = 0.5) -> Any:
    """A matrix of fractions as an image; the scale of counts is a square root, so that rare confusions are seen."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    norm = PowerNorm(gamma, vmin=100 * vmin, vmax=100 * vmax)
    colours = LinearSegmentedColormap.from_list("shares", style.palette.sequential)
    image = axes.imshow(100 * shares, cmap=colours, norm=norm, interpolation="none", aspect="equal")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(True)
    return image


def _write_cells(axes: Axes, image: Any, texts: Sequence[Sequence[str]]) -> None:
    """Texts in the cells, black or white, whichever contrasts more with the cell.

    They lie inside the axes and need no room: written last and left out of the layout, hundreds of them cost little.
    """
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if text:
                red, green, blue, _ = image.cmap(image.norm(image.get_array()[row, column]))
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
                axes.text(
                    column, row, text, ha="center", va="center", fontsize=SMALL_PT, color="white" if dark else "black"
                ).set_in_layout(False)


def _colour_bar(figure: Figure, axes: Axes, image: Any, label: str) -> None:
    """A bar as high as the matrix, right of it."""
    bar = figure.colorbar(image, cax=axes.inset_axes((1.03, 0, 0.035, 1)))
    bar.set_label(label)
    bar.outline.set_linewidth(0.4)
