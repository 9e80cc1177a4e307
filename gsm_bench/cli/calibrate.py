"""``gsmbench calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.compare import short_names
from gsm_bench.cli.evaluate import found_truth
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


@click.command("calibrate", short_help="Does confidence mean what it says?")
@click.argument("names", nargs=-1, required=True)
@click.option("--bins", type=click.IntRange(1), default=15, show_default=True, help="Bins of the calibration errors.")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds that fit the temperature.")
@click.option("--reliability", is_flag=True, help="Print how often each result is right when it is so sure.")
@click.option(
    "--space",
    type=choice(Space),
    help="What is averaged where several scores are (default: the entry's, else what the files hold).",
)
@split_options
@data_option
@format_option
@workspace_option
def command(
    names: tuple[str, ...], bins: int, folds: int, reliability: bool, space: Space | None, dataset: str | None,
    split: str | None, data: Path | None, form: str,
) -> None:  # fmt: skip
    """Calibration errors of models, score files and ensembles, as they are and with a temperature.

    The temperature of every clip is fitted on other clips, so that the scaled figures flatter nobody.

    \b
    Example:
      gsmbench calibrate inv3_8f@2 En3 --reliability
    """
    from gsm_bench.ensembles.members import named_members, open_members
    from gsm_bench.errors import LabelError
    from gsm_bench.evaluation.calibrate import calibrate
    from gsm_bench.tables.calibration import calibration_table, reliability_table
    from gsm_bench.tables.results import order_notes
    from gsm_bench.tables.table import with_notes

    workspace, manifest = registry()
    results: list[Calibrated] = []
    notes: dict[str, None] = {}
    for name, label in zip(names, short_names(names), strict=True):
        specs, own = named_members(name, manifest, workspace, dataset, split)
        with open_members(specs) as opened:
            truth = found_truth(opened[0].head, manifest, workspace, data)
            notes |= dict.fromkeys(order_notes(opened))
            results += calibrate(label, opened, truth, space or own, bins=bins, folds=folds)
    if not results:
        raise LabelError("no clip has a label and a score", fix="--data DIR with a labelled list")
    tables = [with_notes(calibration_table(results, folds), notes)]
    print_tables([*tables, reliability_table(results)] if reliability else tables, form)
