"""``gsmbench bench``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli.options import (
    choice,
    data_option,
    format_option,
    frames_option,
    print_table,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.settings import Compile, Precision, Resize

if TYPE_CHECKING:
    from gsm_bench.scoring.prepare import Request

MODEL, CLIPS = "shapes_8f", 140
"""What is measured unless told: a network that ships, on clips drawn on the spot."""
MOST_CLIPS = 1024


@click.command("bench", short_help="How fast is this machine, and what does it wait for?")
@click.option("--model", default=MODEL, show_default=True, metavar="NAME", help="Whose network and input.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=20, show_default=True, help="Time to spend, about."
)
@click.option("--device", metavar="NAME", help="cpu, cuda or cuda:1 (default: a GPU if there is one).")
@click.option("--precision", type=choice(Precision), default="float32", show_default=True)
@click.option(
    "--compile",
    type=choice(Compile),
    default="none",
    show_default=True,
    help="As of score.",
)
@click.option("--resize", type=choice(Resize), help="Who resizes frames (default: that of score).")
@click.option("--batch", type=click.IntRange(1), metavar="B", help="Clips per pass (default: that of score).")
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Threads that read frames (default: that of score)."
)
@click.option("--quiet", is_flag=True, help="No progress.")
@split_options
@data_option
@frames_option
@format_option
@workspace_option
def command(
    model: str, seconds: float, device: str | None, quiet: bool, dataset: str | None, split: str | None,
    data: Path | None, frames: Path | None, form: str, **settings: Any,
) -> None:  # fmt: skip
    """Decode, preprocess, network, pipeline and fusion: rates, each beside its ceiling and beside the plain loop.

    A sentence at the end tells what starves. Clips of Temporal Shapes are drawn on the spot for its networks, unless
    --data, --dataset or --frames name your own; other models read your own frames.

    \b
    Example:
      gsmbench bench --seconds 10
    """
    from gsm_bench.bench.measure import bench_table, measure
    from gsm_bench.scoring.prepare import Request, prepare

    workspace, manifest = registry()
    with tempfile.TemporaryDirectory(prefix="gsmbench-") as made:
        folder = Path(made)
        own = data or frames or dataset or manifest.model(model).dataset != "shapes"
        request = Request(
            model, dataset=dataset, split=split, data=data, frames=frames, device=device, out=folder / "scores.h5",
            limit=MOST_CLIPS, **settings,
        )  # fmt: skip
        job, loaded = prepare(request if own else _drawn(request, folder), manifest, workspace)
        found = measure(
            job, loaded.network, folder, seconds, lambda stage: None if quiet else say(f"measuring {stage}")
        )
    print_table(bench_table(found), form)


def _drawn(request: Request, folder: Path) -> Request:
    """The request on clips of Temporal Shapes, drawn into a folder."""
    from dataclasses import replace

    from gsm_bench.shapes.make import make

    data = folder / "shapes"
    make(data, "val", videos=CLIPS)
    return replace(request, data=data)
