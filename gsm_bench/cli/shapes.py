"""``gsmbench shapes make``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.console import echo
from gsm_bench.cli.options import PATH, progress_options, say, workspace_option
from gsm_bench.cpu_count import usable_cpus
from gsm_bench.workspace import pasteable


@click.group("shapes", short_help="Generate Temporal Shapes, the synthetic benchmark of this package.")
def command() -> None:
    """Temporal Shapes: moving shapes in pairs of classes that are time reversals of each other.

    \b
    Example:
      gsmbench shapes make data/shapes --split val
    """


@command.command("make")
@click.argument("directory", type=PATH)
@click.option("--split", type=click.Choice(["train", "val"]), default="val", show_default=True)
@click.option("--seed", type=int, metavar="N", help="Seed (default: the benchmark's); another seed gives other videos.")
@click.option(
    "--videos", "--clips", "videos", type=click.IntRange(2), metavar="N",
    help="Number of videos (default: the benchmark's). Earlier versions called it --clips.",
)  # fmt: skip
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Number of processes (default: one per core). It does not change the bytes.",
)
@progress_options
@workspace_option
def make_split(
    directory: Path, split: str, seed: int | None, videos: int | None, workers: int | None, quiet: bool
) -> None:
    """Write a split to DIRECTORY as JPEG folders with lists. A second call adds what is missing.

    \b
    Example:
      gsmbench shapes make data/shapes --split val
    """
    from gsm_bench.cli.progress import ProgressDisplay
    from gsm_bench.shapes import make

    with ProgressDisplay(f"shapes/{split}", quiet=quiet) as display:
        result = make(
            directory, split, seed=seed, videos=videos, processes=workers or usable_cpus(),  # type: ignore[arg-type]
            progress=display.count, waiting=lambda: say(f"waiting for another process that makes videos in {pasteable(directory)}"),
        )  # fmt: skip
    existing = result.recipe.videos - result.written
    say(f"{result.written:,} videos written, {existing:,} existed already; sha256 {result.checksum}")
    echo(pasteable(result.list_path))
