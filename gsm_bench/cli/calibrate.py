"""``gsmbench calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.compare import short_names
from gsm_bench.cli.evaluate import labelled_truth
from gsm_bench.cli.options import (
    choice,
    data_option,
    format_option,
    print_tables,
    registry,
    split_options,
    workspace_option,
)
from gsm_bench.settings import Space

if TYPE_CHECKING:
    from gsm_bench.evaluation.calibrate import Calibrated


@click.command("calibrate", short_help="Measure calibration, and fit a temperature.")
@click.argument("names", nargs=-1, required=True)
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
@format_option
@workspace_option
def command(
    names: tuple[str, ...], bins: int, folds: int, reliability: bool, space: Space | None, dataset: str | None,
    split: str | None, data: Path | None, form: str,
) -> None:  # fmt: skip
    """Calibration errors of models, score files and ensembles, unscaled and with a temperature.

    The temperature for each video is fitted on other videos, so the scaled numbers are not biased.

    \b
    Example:
      gsmbench calibrate inv3_8f@2 En3 --reliability
    """
    from gsm_bench.ensembles.members import named_members, open_members
    from gsm_bench.errors import LabelError
    from gsm_bench.evaluation.calibrate import calibrate
    from gsm_bench.tables.calibration import calibration_table, reliability_table
    from gsm_bench.tables.notes import order_notes
    from gsm_bench.tables.table import with_notes

    workspace, manifest = registry()
    results: list[Calibrated] = []
    notes: dict[str, None] = {}
    for name, label in zip(names, short_names(names), strict=True):
        specs, own = named_members(name, manifest, workspace, dataset, split)
        with open_members(specs) as opened:
            truth = labelled_truth(opened[0].head, manifest, workspace, data)
            notes |= dict.fromkeys(order_notes(opened))
            results += calibrate(label, opened, truth, space or own, bins=bins, folds=folds)
    if not results:
        raise LabelError("no video has a label and a score", fix="give a labelled list: --data DIR")
    tables = [with_notes(calibration_table(results, folds), notes)]
    print_tables([*tables, reliability_table(results)] if reliability else tables, form)
