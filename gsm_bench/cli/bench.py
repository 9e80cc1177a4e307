"""``gsmbench bench``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.ask_for_code import ask_for_code
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
from gsm_bench.cli.scoring_options import precision_option
from gsm_bench.settings import Compile, Resize

if TYPE_CHECKING:
    from gsm_bench.scoring.prepare import Request

MODEL, VIDEOS = "shapes_8f", 140
"""Measured by default: a shipped network, on generated videos."""
MAX_VIDEOS = 1024


@click.command("bench", short_help="Benchmark decoding, networks and fusion on this machine.")
@click.option(
    "--model",
    default=MODEL,
    show_default=True,
    metavar="NAME",
    shell_complete=completing.model_name,
    help="Whose network and input.",
)
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=20, show_default=True, help="Time to spend, about."
)
@click.option("--device", metavar="NAME", help="cpu, cuda or cuda:1 (default: a GPU if there is one).")
@precision_option
@click.option(
    "--compile",
    type=choice(Compile),
    default="none",
    show_default=True,
    help="As of score.",
)
@click.option("--resize", type=choice(Resize), help="What resizes frames (default: that of score).")
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
    """Measure decoding, preprocessing, network, pipeline and fusion, each with its ceiling and a plain loop.

    The last line says what limits the speed. Videos of Temporal Shapes are generated for its networks, unless
    --data, --dataset or --frames name your own; other models read your own frames.

    \b
    Example:
      gsmbench bench --seconds 10
    """
    from gsm_bench.bench.measure import bench_table, measure
    from gsm_bench.scoring.prepare import Request, prepare

    workspace, manifest = registry()
    ask_for_code([manifest.model(model)], workspace)
    with tempfile.TemporaryDirectory(prefix="gsmbench-") as directory:
        folder = Path(directory)
        own = data or frames or dataset or manifest.model(model).dataset != "shapes"
        request = Request(
            model, dataset=dataset, split=split, data=data, frames=frames, device=device, out=folder / "scores.h5",
            limit=MAX_VIDEOS, **settings,
        )  # fmt: skip
        job, loaded = prepare(request if own else _with_generated_videos(request, folder), manifest, workspace)
        measurement = measure(
            job, loaded.network, folder, seconds, lambda stage: None if quiet else say(f"measuring {stage}")
        )
    print_table(bench_table(measurement), form)


def _with_generated_videos(request: Request, folder: Path) -> Request:
    """The request on videos of Temporal Shapes, generated in a folder."""
    from dataclasses import replace

    from gsm_bench.shapes.make import make

    data = folder / "shapes"
    make(data, "val", videos=VIDEOS)
    return replace(request, data=data)
