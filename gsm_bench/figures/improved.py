"""Which classes one result corrects in another, as figure 5d of the GSM paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gsm_bench.evaluation.compare import ClassFlip, Comparison
from gsm_bench.figures.style import COLUMN_IN, SMALL_PT, FigureStyle, Plot, abbreviated, shortened, styled
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 8
ROW_IN = 0.24
COLUMNS = (
    Column("right_in", "Right in"),
    Column("true", "True class"),
    Column("predicted", "Predicted by the other"),
    Column("videos", "Videos", "count"),
    Column("of_class", "Of class", "count"),
)


@styled
def draw_improved(style: FigureStyle, comparison: Comparison, *, most: int = MOST) -> Plot:
    """Videos that only the second result has right, by true class and the first's prediction; then the reverse.

    Args:
        most: pairs of classes per side.
    """
    task = "action" if "action" in comparison.tasks else comparison.tasks[-1]
    first, second = comparison.first.label, comparison.second.label
    flips = [[f for f in side if f.task == task][:most] for side in comparison.class_flips()]
    gained = [f for side in flips for f in side if f.right_in == second]
    lost = [f for side in flips for f in side if f.right_in == first]
    rows = max(1, len(gained)) + max(1, len(lost)) + 2.6
    from matplotlib.ticker import MaxNLocator

    figure = style.figure(COLUMN_IN, ROW_IN * rows + 0.3)
    axes = figure.subplots()
    names = [shortened(name, 28) for name in (first, second)]
    bottom = _draw_side(style, axes, gained, 0.0, f"right only in {names[1]}: true → predicted by {names[0]}", 0)
    bottom = _draw_side(style, axes, lost, bottom + 0.6, f"right only in {names[0]}: true → predicted by {names[1]}", 1)
    axes.set_ylim(bottom, -0.3)
    axes.set_xlim(0, 1.15 * max([flip.videos for flip in (*gained, *lost)], default=1))
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("videos")
    numbers = tuple({column.key: getattr(flip, column.key) for column in COLUMNS} for flip in (*gained, *lost))
    return Plot(figure, Table(f"{second} against {first}", COLUMNS, (numbers,), name="improved"), style)


def _draw_side(style: FigureStyle, axes: Axes, flips: list[ClassFlip], top: float, heading: str, series: int) -> float:
    """Bars with their classes above them; returns where the next row begins."""
    characters = int((style.width_in or COLUMN_IN) * 17)
    axes.text(0, top + 0.2, shortened(heading, characters), fontsize=SMALL_PT, weight="bold", va="center")
    for row, flip in enumerate(flips, start=1):
        name = f"{abbreviated(flip.true, characters // 2 - 2)} → {abbreviated(flip.predicted, characters // 2 - 2)}"
        axes.text(0, top + row - 0.12, name, fontsize=SMALL_PT, va="center")
        axes.barh(
            top + row + 0.33, flip.videos, 0.32, color=style.colour(series), edgecolor=style.palette.ink, linewidth=0.4
        )
        axes.text(flip.videos, top + row + 0.33, f" {flip.videos} of {flip.of_class}", fontsize=SMALL_PT, va="center")
    if not flips:
        axes.text(0, top + 0.9, "none", fontsize=SMALL_PT, va="center", style="italic")
    return top + max(1, len(flips)) + 0.8
