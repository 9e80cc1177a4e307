"""``gsmbench table``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli import completing
from gsm_bench.cli.options import (
    PATH,
    bench,
    data_option,
    format_option,
    mark_option,
    out_option,
    print_result,
    workspace_option,
)
from gsm_bench.cli.search import task_errors

if TYPE_CHECKING:
    from gsm_bench.settings import Mark


@click.command("table", short_help="Fill a table of the paper, or your own, from score files.")
@click.argument("number", required=False, shell_complete=completing.table_name)
@click.option("--rows", metavar="LIST", help="Rows of your own: models, ensembles and score files, @K for K clips.")
@click.option("--with-paper", metavar="NUMBER", help="Show the printed rows of this table above the others.")
@click.option("--columns", metavar="LIST", help="Show these columns: label,frames,gflops,top1,..")
@click.option("--sort", metavar="COLUMN", help="Sort all rows by a column, the best first.")
@click.option("--side-by-side", is_flag=True, help="One row per model, with columns for each split.")
@click.option(
    "--audit",
    "audited",
    multiple=True,
    metavar="FILE",
    help="Check what adds up in a .csv, .json, .md or .tex file, in a table by number, or in all of the paper: paper.",
)
@click.option(
    "--videos", type=click.IntRange(1), metavar="N", help="With --audit: number of videos, if the table does not say."
)
@click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=completing.dataset_name,
    help="Fill the rows with scores of another data set.",
)
@click.option(
    "--split", metavar="NAME", shell_complete=completing.split_name, help="Fill the rows with scores of another split."
)
@click.option("--partial", is_flag=True, help="Show a dash for rows without scores.")
@click.option(
    "--annotations",
    type=PATH,
    metavar="DIR",
    help="Table 6: a clone of the EPIC-100 annotations (default: data/epic-100).",
)
@data_option
@out_option
@mark_option
@format_option
@workspace_option
def command(
    number: str | None, rows: str | None, with_paper: str | None, columns: str | None, sort: str | None,
    side_by_side: bool, dataset: str | None, split: str | None, partial: bool, annotations: Path | None,
    audited: tuple[str, ...], videos: int | None, data: Path | None, out: Path | None, force: bool, marks: tuple[Mark, ...] | None, form: str,
) -> int:  # fmt: skip
    """Fill a table of the paper from score files, or a table of your own; without NUMBER, list the tables.

    NUMBER is a table of the paper, or the name of an entry [tables.NAME] in the workspace's manifests/tables.toml.
    Printed rows stand apart from measured ones.

    \b
    Example:
      gsmbench table 4 --partial --format md
      gsmbench table --rows inv3_8f,En3,scores/x.h5 --with-paper 3 --sort top1
      gsmbench table --audit results.tex --audit paper
    """
    if audited:
        result = bench().audit(*audited, videos=videos)
        print_result(result, form, out=out, force=force)
        return 1 if result.rows else 0
    if number is None and rows is None and (with_paper or columns or sort or side_by_side):
        raise click.UsageError("name a table or --rows, e.g.: gsmbench table --rows inv3_8f,En3 --with-paper 3")
    with task_errors():
        result = bench().table(
            number, rows=_names(rows), with_paper=with_paper, columns=_names(columns), sort=sort or "",
            side_by_side=side_by_side, dataset=dataset, split=split, data=data, annotations=annotations, partial=partial,
        )  # fmt: skip
    return print_result(result, form, out=out, force=force, marks=marks)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
