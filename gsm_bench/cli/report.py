"""``gsmbench report``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import (
    INCOMPLETE,
    PATH,
    bench,
    data_option,
    progress_options,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.cli.progress import ProgressDisplay
from gsm_bench.cli.report_links import REPORT
from gsm_bench.workspace import pasteable


@click.command("report", short_help="Write one HTML file with every number and its videos.")
@click.argument("names", nargs=-1, shell_complete=completing.member_names)
@click.option("--out", type=PATH, metavar="FILE", help="HTML file (default: reports/report.html in the workspace).")
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@click.option("--title", metavar="TEXT", help="Title of the page.")
@click.option(
    "--thumbnails",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    metavar="N",
    help="Most videos whose frames the file holds, the most telling first; 0 for none.",
)
@click.option("--all-clips", is_flag=True, help="Write the frames of all other videos into a folder beside the file.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@progress_options
@split_options
@data_option
@workspace_option
def command(
    names: tuple[str, ...], out: Path | None, opened: bool, title: str | None, thumbnails: int, all_clips: bool,
    force: bool, quiet: bool, dataset: str | None, split: str | None, data: Path | None,
) -> int:  # fmt: skip
    """Write one HTML file that opens anywhere: results, charts, tables, and the videos behind each number.

    NAMES are models, ensembles and score files; without them, every score file of the workspace and the registered
    ensembles that they make. The file needs no network and no server. Videos show the frames that each model saw, where
    the frames are in the workspace; reading them needs pip install 'gsm-bench[score]'.

    \b
    Example:
      gsmbench report --open
      gsmbench report inv3_8f@2 inv3_12f@2 En1 --out en1.html
    """
    place = bench()
    path = out or place.workspace.reports / REPORT
    with ProgressDisplay("frames", quiet=quiet) as display:
        report = place.report(
            *names, dataset=dataset, split=split, data=data, title=title, out=path, force=force,
            thumbnails=thumbnails, all_clips=all_clips, progress=display.count,
        )  # fmt: skip
    for message in report.messages:
        say(message)
    echo(pasteable(path))
    if opened:
        click.launch(path.absolute().as_uri())
    return 0 if report.complete else INCOMPLETE
