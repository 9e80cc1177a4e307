"""Top-1 against GFLOPs, as figure 7 of the GSM paper: the area of a bubble is the number of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gsm_bench.errors import ExportError
from gsm_bench.files import new_file
from gsm_bench.tables.table import Table

LARGEST_AREA = 900.0
"""Area of the largest bubble, in square points."""
COLOURS = ("#8a8f98", "#2f6f9f", "#d1782f")
"""Of the table's blocks: one clip, two clips, ensembles."""


def draw_accuracy_cost(table: Table, path: Path, *, block_names: Sequence[str] = (), force: bool = False) -> int:
    """Draw the rows that have both an accuracy and a cost; returns how many.

    Args:
        table: rows with ``top1`` (fraction), ``macs_paper`` and ``params``; each block gets a colour.
        path: the picture; its suffix (png, pdf, svg) decides the format.
        block_names: legend of the blocks.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    drawable = [
        [row for row in block if row.get("top1") is not None and row.get("macs_paper")] for block in table.blocks
    ]
    rows = [row for block in drawable for row in block]
    largest = max((row.get("params") or 1 for row in rows), default=1)
    figure, axes = plt.subplots(figsize=(7, 4.5), dpi=150, layout="constrained")
    for at, block in enumerate(drawable):
        if block:
            colour = COLOURS[at % len(COLOURS)]
            axes.scatter(
                [row["macs_paper"] / 1e9 for row in block],
                [100 * row["top1"] for row in block],
                s=[LARGEST_AREA * (row.get("params") or 1) / largest for row in block],
                color=colour, alpha=0.65, edgecolor="white", label=block_names[at] if at < len(block_names) else None,
            )  # fmt: skip
    _label(axes, drawable)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("GFLOPs per video (the paper's convention)")
    axes.set_ylabel("Top-1 accuracy (%)")
    axes.set_title(table.title, fontsize=10, loc="left")
    axes.grid(alpha=0.25)
    axes.margins(0.12)
    if any(block_names):
        legend = axes.legend(frameon=False, loc="lower right", fontsize=8)
        for handle in filter(None, legend.legend_handles):
            handle.set(sizes=[40])
    exists = ExportError("this file exists already", where=path, fix="--force to replace it, or another --out")
    with new_file(path, force=force, exists=exists) as written:
        figure.savefig(written, format=path.suffix.removeprefix("."))
    plt.close(figure)
    return len(rows)


def _label(axes: Any, blocks: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Frames at every bubble: left of it for one clip, above it for more, ensembles above and below by turns."""
    for at, block in enumerate(blocks):
        for turn, row in enumerate(block):
            name = str(row["frames"]) if "TSN" not in str(row["label"]) else f"TSN {row['frames']}"
            place = ((-10, -3), (0, 10), (0, -26 if turn % 2 else 18))[min(at, 2)]
            axes.annotate(
                name, (row["macs_paper"] / 1e9, 100 * row["top1"]), xytext=place, textcoords="offset points",
                ha="center" if at else "right", fontsize=7,
            )  # fmt: skip
