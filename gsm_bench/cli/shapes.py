"""``gsmbench shapes make``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.options import PATH, say, workspace_option
from gsm_bench.cpu_count import usable_cpus


@click.group("shapes", short_help="Make Temporal Shapes, the benchmark that ships with the package.")
def command() -> None:
    """Temporal Shapes: moving shapes in pairs of classes that are each other's time reversal.

    \b
    Example:
      gsmbench shapes make data/shapes --split val
    """


@command.command("make")
@click.argument("directory", type=PATH)
@click.option("--split", type=click.Choice(["train", "val"]), default="val", show_default=True)
@click.option("--seed", type=int, metavar="N", help="Another seed than the benchmark's own: other clips.")
@click.option("--clips", type=click.IntRange(2), metavar="N", help="Another number of clips than the benchmark's own.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes that draw (default: one per core); the bytes stay the same.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@workspace_option
def make_clips(
    directory: Path, split: str, seed: int | None, clips: int | None, workers: int | None, quiet: bool
) -> None:
    """Draw a split into DIRECTORY as JPEG folders with lists; a second call finishes what is missing.

    \b
    Example:
      gsmbench shapes make data/shapes --split val
    """
    from gsm_bench.cli.progress import ProgressDisplay
    from gsm_bench.shapes import make

    with ProgressDisplay(f"shapes/{split}", quiet=quiet) as display:
        made = make(
            directory, split, seed=seed, clips=clips, processes=workers or usable_cpus(),  # type: ignore[arg-type]
            progress=display.count,
        )  # fmt: skip
    say(f"{made.written:,} clips drawn, {made.recipe.clips - made.written:,} were there; sha256 {made.checksum}")
    click.echo(made.list_path)
