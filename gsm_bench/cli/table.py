"""``gsmbench table``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.evaluate import labelled_truth
from gsm_bench.cli.options import INCOMPLETE, PATH, data_option, format_option, print_table, registry, workspace_option

if TYPE_CHECKING:
    from gsm_bench.entries import TableEntry
    from gsm_bench.manifest import Manifest
    from gsm_bench.workspace import Workspace


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
    workspace, manifest = registry()
    entry = manifest.table(number, dataset)
    if entry.form == "verb-noun-action":
        if split or dataset not in (None, entry.dataset):
            raise click.UsageError(
                f"table {number} is of {entry.dataset} {' and '.join(entry.splits)}: leave --dataset and --split out"
            )
        folders = (
            data or workspace.data / manifest.dataset(entry.dataset).folder,
            annotations or workspace.data / "epic-100",
        )
        return _print_epic(entry, manifest, workspace, folders, partial, form)
    from gsm_bench.evaluation.ground_truth import remember_truth
    from gsm_bench.evaluation.paper import evaluate_paper_table
    from gsm_bench.tables.paper import paper_table

    truth_of = remember_truth(lambda head: labelled_truth(head, manifest, workspace, data))
    evaluation = evaluate_paper_table(
        entry, manifest, workspace, truth_of, dataset=dataset, split=split, partial=partial
    )
    print_table(paper_table(evaluation), form)
    return INCOMPLETE if any(result.not_scored for result in evaluation.results) else 0


def _print_epic(
    entry: TableEntry, manifest: Manifest, workspace: Workspace, folders: tuple[Path, Path], partial: bool, form: str
) -> int:
    from gsm_bench.evaluation.epic_paper import evaluate_epic_paper
    from gsm_bench.tables.epic_paper import epic_paper_table

    evaluation = evaluate_epic_paper(entry, manifest, workspace, folders, partial=partial)
    print_table(epic_paper_table(evaluation), form)
    return INCOMPLETE if evaluation.incomplete else 0
