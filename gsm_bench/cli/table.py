"""``gsmbench table``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.options import PATH, bench, data_option, format_option, print_result, workspace_option
from gsm_bench.cli.search import task_errors

if TYPE_CHECKING:
    pass


@click.command("table", short_help="Fill a table of the paper from score files.")
@click.argument("number")
@click.option("--dataset", metavar="NAME", help="Fill the rows with scores of another data set.")
@click.option("--split", metavar="NAME", help="Fill the rows with scores of another split.")
@click.option("--partial", is_flag=True, help="Show a dash for rows without scores.")
@click.option(
    "--annotations",
    type=PATH,
    metavar="DIR",
    help="Table 6: a clone of the EPIC-100 annotations (default: data/epic-100).",
)
@data_option
@format_option
@workspace_option
def command(
    number: str,
    dataset: str | None,
    split: str | None,
    partial: bool,
    annotations: Path | None,
    data: Path | None,
    form: str,
) -> int:
    """Fill a table of the paper from score files, measured beside printed.

    \b
    Example:
      gsmbench table 4 --partial --format md
    """
    with task_errors():
        result = bench().table(
            number, dataset=dataset, split=split, data=data, annotations=annotations, partial=partial
        )
    return print_result(result, form)
