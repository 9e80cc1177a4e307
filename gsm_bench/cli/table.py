"""``gsmbench table``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.evaluate import found_truth
from gsm_bench.cli.options import INCOMPLETE, PATH, data_option, format_option, print_table, registry, workspace_option


@click.command("table", short_help="Fill a table of the paper from score files.")
@click.argument("number")
@click.option("--dataset", metavar="NAME", help="Scores of another data set in the table's rows.")
@click.option("--split", metavar="NAME", help="Scores of another split.")
@click.option("--partial", is_flag=True, help="Show a dash for rows whose scores are not there.")
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
    from gsm_bench.tables.paper import paper_table

    workspace, manifest = registry()
    entry = manifest.table(number, dataset)
    if entry.form == "verb-noun-action":
        from gsm_bench.tables.epic_paper import verb_noun_action_table

        if split or dataset not in (None, entry.dataset):
            raise click.UsageError(
                f"table {number} is of {entry.dataset} {' and '.join(entry.splits)}: leave --dataset and --split away"
            )
        places = (
            data or workspace.data / manifest.dataset(entry.dataset).folder,
            annotations or workspace.data / "epic-100",
        )
        drawn, incomplete = verb_noun_action_table(entry, manifest, workspace, places, partial=partial)
        print_table(drawn, form)
        return INCOMPLETE if incomplete else 0
    table, results = paper_table(
        entry, manifest, workspace, lambda head: found_truth(head, manifest, workspace, data),
        dataset=dataset, split=split, partial=partial,
    )  # fmt: skip
    print_table(table, form)
    return INCOMPLETE if any(result.bad for result in results) else 0
