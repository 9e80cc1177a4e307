"""``gsmbench compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli import completing
from gsm_bench.cli.options import (
    actions_option,
    bench,
    data_option,
    format_option,
    out_option,
    print_result,
    split_options,
    workspace_option,
)

if TYPE_CHECKING:
    from gsm_bench.settings import ActionSource


@click.command("compare", short_help="Test whether two results differ, and show where.")
@click.argument("first", shell_complete=completing.member_names)
@click.argument("second", shell_complete=completing.member_names)
@click.option("--videos", "list_videos", is_flag=True, help="List the videos that only one of the two has right.")
@click.option("--why", is_flag=True, help="List the settings that differ, and how many predictions they change.")
@click.option(
    "--power", is_flag=True, help="Show the smallest difference that these videos can show, and how many others need."
)
@click.option(
    "--points",
    type=click.FloatRange(0, 100, min_open=True),
    metavar="X",
    help="With --power: videos for X points, too.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    metavar="N",
    help="Pairs of classes shown per result.",
)
@actions_option
@split_options
@data_option
@out_option
@format_option
@workspace_option
def command(
    first: str, second: str, list_videos: bool, why: bool, power: bool, points: float | None, most: int,
    actions: ActionSource | None, dataset: str | None, split: str | None, out: Path | None, force: bool, data: Path | None, form: str,
) -> int:  # fmt: skip
    """Compare two results video by video: models, score files, ensembles, or members separated by commas.

    Prints the difference with its interval and an exact paired test, and the classes whose videos flip.

    \b
    Example:
      gsmbench compare En3 inv3_12f@2
      gsmbench compare scores/x.h5 scores/y.h5 --why
    """
    if points is not None and not power:
        raise click.UsageError("--points belongs to --power")
    from gsm_bench.cli.report_links import say_compared

    opened = bench()
    result = opened.compare(
        first, second, dataset=dataset, split=split, data=data, actions=actions, why=why, most=most,
        list_videos=list_videos, power=power, points=points,
    )  # fmt: skip
    status = print_result(result, form, several=True, out=out, force=force)
    say_compared(opened, (first, second), result)
    return status
