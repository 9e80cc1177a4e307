"""``gsmbench calibrate``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli import completing
from gsm_bench.cli.options import (
    bench,
    choice,
    data_option,
    format_option,
    out_option,
    print_result,
    split_options,
    workspace_option,
)
from gsm_bench.settings import Space


@click.command("calibrate", short_help="Measure calibration, and fit a temperature.")
@click.argument("names", nargs=-1, required=True, shell_complete=completing.member_names)
@click.option(
    "--bins", type=click.IntRange(1), default=15, show_default=True, help="Number of bins of the calibration errors."
)
@click.option(
    "--folds", type=click.IntRange(2), default=5, show_default=True, help="Number of folds for fitting the temperature."
)
@click.option("--reliability", is_flag=True, help="Print accuracy by confidence, the data of a reliability diagram.")
@click.option(
    "--space",
    type=choice(Space),
    help="Space in which scores are averaged (default: the entry's, else that of the files).",
)
@split_options
@data_option
@out_option
@format_option
@workspace_option
def command(
    names: tuple[str, ...], bins: int, folds: int, reliability: bool, space: Space | None, dataset: str | None,
    split: str | None, out: Path | None, force: bool, data: Path | None, form: str,
) -> None:  # fmt: skip
    """Calibration errors of models, score files and ensembles, unscaled and with a temperature.

    The temperature for each video is fitted on other videos, so the scaled numbers are not biased.

    \b
    Example:
      gsmbench calibrate inv3_8f@2 En3 --reliability
    """
    result = bench().calibrate(
        *names, space=space, bins=bins, folds=folds, reliability=reliability, dataset=dataset, split=split, data=data
    )
    print_result(result, form, several=True, out=out, force=force)
