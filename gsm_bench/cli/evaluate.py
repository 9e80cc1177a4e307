"""``gsmbench evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.options import (
    INCOMPLETE,
    PATH,
    data_option,
    format_option,
    print_tables,
    registry,
    say,
    workspace_option,
)

if TYPE_CHECKING:
    from gsm_bench.labels import Truth
    from gsm_bench.manifest import Manifest
    from gsm_bench.scorefile import ScoreHead
    from gsm_bench.workspace import Workspace

PAIRS = 20


@click.command("evaluate", short_help="Evaluate score files.")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--per-class", is_flag=True, help="The accuracy of each class, of the protocol with most clips.")
@click.option("--confusions", is_flag=True, help="Which classes are taken for which, of that protocol.")
@click.option(
    "--most", type=click.IntRange(1), metavar="N", help="Pairs of classes listed (default: 20; all in csv and json)."
)
@data_option
@format_option
@workspace_option
def command(
    files: tuple[Path, ...], per_class: bool, confusions: bool, most: int | None, data: Path | None, form: str
) -> int:
    """Top-1, top-5 and mean class accuracy of score files, for every clip protocol that they hold.

    \b
    Example:
      gsmbench evaluate scores/something-v1/validation/inv3_12f.h5
    """
    from gsm_bench.tables.protocols import class_tables, evaluate_file
    from gsm_bench.tables.results import results_table

    workspace, manifest = registry()

    def truth_of(head: ScoreHead) -> Truth:
        return found_truth(head, manifest, workspace, data)

    blocks = [evaluate_file(path, truth_of) for path in files]
    tables = [results_table("", blocks, name="evaluate")]
    if per_class or confusions:
        most = most or (None if form in ("csv", "json") else PAIRS)
        tables += [table for path in files for table in class_tables(path, truth_of, per_class, confusions, most)]
    print_tables(tables, form)
    return INCOMPLETE if any(result.bad for block in blocks for result in block) else 0


def found_truth(head: ScoreHead, manifest: Manifest, workspace: Workspace, data: Path | None) -> Truth:
    """What is known of a score file's clips; for a split without labels, none, and it is said."""
    from gsm_bench.labels import truth_for

    truth = truth_for(head, manifest, workspace, data)
    if not truth.labels:
        say(f"note: {head.provenance['dataset']}/{head.provenance['split']} has no labels, so no accuracy can be given")
    return truth
