"""``gsmbench figure``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.evaluate import found_truth
from gsm_bench.cli.options import PATH, data_option, registry, say, workspace_option

FORMATS = (".png", ".pdf", ".svg")
BLOCKS = ("1 clip", "2 clips", "ensembles")


@click.command("figure", short_help="Draw a figure from score files.")
@click.argument("name", type=click.Choice(["accuracy-cost"]))
@click.option("--dataset", metavar="NAME", help="Data set (default: that of table 4).")
@click.option("--split", metavar="NAME", help="Split (default: that of table 4).")
@click.option("--out", type=PATH, metavar="FILE", help="png, pdf or svg (default: reports/<name>.png).")
@data_option
@workspace_option
def command(name: str, dataset: str | None, split: str | None, out: Path | None, data: Path | None) -> None:
    """Draw top-1 against GFLOPs, bubbles as large as the parameters, from the rows of table 4 that have scores.

    \b
    Example:
      gsmbench figure accuracy-cost --dataset shapes --out shapes.png
    """
    from gsm_bench.errors import MissingScoresError
    from gsm_bench.figures.accuracy_cost import draw_accuracy_cost
    from gsm_bench.tables.paper import paper_table

    if out and out.suffix not in FORMATS:
        raise click.UsageError(f"--out {out}: a figure is a {', '.join(FORMATS)} file")
    workspace, manifest = registry()
    table, _ = paper_table(
        manifest.table("4", dataset), manifest, workspace, lambda head: found_truth(head, manifest, workspace, data),
        dataset=dataset, split=split, partial=True,
    )  # fmt: skip
    if not any(row.get("top1") is not None for row in table.rows):
        raise MissingScoresError(
            "no row of table 4 has scores yet", fix="gsmbench table 4 names the commands that make them"
        )
    path = out or workspace.reports / f"{name}.png"
    drawn = draw_accuracy_cost(table, path, block_names=BLOCKS)
    say(f"{drawn} of {len(table.rows)} rows drawn")
    click.echo(workspace.shown(path.absolute()))
