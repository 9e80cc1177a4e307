"""``gsmbench figure``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.console import echo
from gsm_bench.cli.options import PATH, bench, data_option, say, workspace_option
from gsm_bench.workspace import pasteable

FORMATS = (".png", ".pdf", ".svg")
BLOCKS = ("1 clip", "2 clips", "ensembles")


@click.command("figure", short_help="Draw a figure from score files.")
@click.argument("name", type=click.Choice(["accuracy-cost"]))
@click.option("--dataset", metavar="NAME", help="Data set (default: that of table 4).")
@click.option("--split", metavar="NAME", help="Split (default: that of table 4).")
@click.option("--out", type=PATH, metavar="FILE", help="png, pdf or svg (default: reports/<name>.png).")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@data_option
@workspace_option
def command(
    name: str, dataset: str | None, split: str | None, out: Path | None, force: bool, data: Path | None
) -> None:
    """Plot top-1 against GFLOPs for the rows of table 4 that have scores; bubble area shows the parameters.

    \b
    Example:
      gsmbench figure accuracy-cost --dataset shapes --out shapes.png
    """
    from gsm_bench.errors import MissingScoresError
    from gsm_bench.evaluation.paper import evaluate_paper_table
    from gsm_bench.figures.accuracy_cost import draw_accuracy_cost
    from gsm_bench.tables.paper import paper_table

    if out and out.suffix not in FORMATS:
        raise click.UsageError(f"--out {out}: a figure is a {', '.join(FORMATS)} file")
    opened = bench()
    workspace, manifest, truth_of = opened.workspace, opened.manifest, opened.labels(data)
    entry = manifest.table("4", dataset)
    evaluation = evaluate_paper_table(entry, manifest, workspace, truth_of, dataset=dataset, split=split, partial=True)
    for message in truth_of.messages:
        say(message)
    if not any(result.accuracy for result in evaluation.results):
        raise MissingScoresError("no row of table 4 has scores yet", fix="gsmbench table 4 lists the commands to run")
    path = out or workspace.reports / f"{name}.png"
    bubbles = draw_accuracy_cost(paper_table(evaluation), path, block_names=BLOCKS, force=force)
    say(f"drew {bubbles} of {len(evaluation.results)} rows")
    echo(pasteable(path))
