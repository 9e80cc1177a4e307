"""``gsmbench table``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.evaluate import found_truth
from gsm_bench.cli.options import INCOMPLETE, data_option, format_option, print_table, registry, workspace_option


@click.command("table", short_help="Fill a table of the paper from score files.")
@click.argument("number")
@click.option("--dataset", metavar="NAME", help="Scores of another data set in the table's rows.")
@click.option("--split", metavar="NAME", help="Scores of another split.")
@click.option("--partial", is_flag=True, help="Show a dash for rows whose scores are not there.")
@data_option
@format_option
@workspace_option
def command(number: str, dataset: str | None, split: str | None, partial: bool, data: Path | None, form: str) -> int:
    """Fill a table of the paper from score files, measured beside printed.

    \b
    Example:
      gsmbench table 4 --partial --format md
    """
    from gsm_bench.tables.paper import paper_table

    workspace, manifest = registry()
    table, results = paper_table(
        manifest.table(number, dataset), manifest, workspace, lambda head: found_truth(head, manifest, workspace, data),
        dataset=dataset, split=split, partial=partial,
    )  # fmt: skip
    print_table(table, form)
    return INCOMPLETE if any(result.bad for result in results) else 0
