"""``gsmbench check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.options import (
    INCOMPLETE,
    PATH,
    data_option,
    format_option,
    print_table,
    registry,
    say,
    workspace_option,
)

if TYPE_CHECKING:
    from gsm_bench.submit.check import Verdict


@click.command("check", short_help="Validate a submission before it is sent.")
@click.argument("file", type=PATH)
@data_option
@format_option
@workspace_option
def command(file: Path, data: Path | None, form: str) -> int:
    """Validate an EPIC-KITCHENS zip or JSON from any source as its server would.

    Exit status 1 if the server would refuse it. A file of this workspace is also compared with the ledger.

    \b
    Example:
      gsmbench check submissions/epic-100/epic100_bninc_16f.zip
    """
    from gsm_bench.submit.check import as_row
    from gsm_bench.submit.validate import validate
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    verdict = validate(file, manifest, workspace, data)
    columns = (Column("verdict", ""), Column("kind", "Kind"), Column("what", "What"), Column("where", "Where"))
    rows = tuple(map(as_row, verdict.findings))
    print_table(Table(_title(file, verdict), columns, (rows,), (), "check"), form)
    for note in verdict.notes:
        say(f"note: {note}")
    if not verdict.passes:
        return 1
    return 0 if verdict.ids_checked else INCOMPLETE


def _title(file: Path, verdict: Verdict) -> str:
    if not verdict.passes:
        return f"{file.name}: the server would refuse or misread it"
    server = verdict.target.title if verdict.target else "the server"
    segments = " + ".join(f"{len(scores):,}" for scores in verdict.contents.values())
    unchecked = "" if verdict.ids_checked else ", ids not checked"
    return f"{file.name}: {server} would accept it ({segments} segments{unchecked})"
