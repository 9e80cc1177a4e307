"""``gsmbench check``."""

from __future__ import annotations

from collections.abc import Sequence
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
    from gsm_bench.manifest import Manifest
    from gsm_bench.submit.check import Verdict
    from gsm_bench.workspace import Workspace


@click.command("check", short_help="Judge a server's file before it is sent.")
@click.argument("file", type=PATH)
@data_option
@format_option
@workspace_option
def command(file: Path, data: Path | None, form: str) -> int:
    """Judge an EPIC-KITCHENS zip or JSON, whoever made it, as its server would; exit status 1 if it would be refused.

    A file that this workspace wrote is also compared with what was written.

    \b
    Example:
      gsmbench check submissions/epic-100/epic100_bninc_16f.zip
    """
    from gsm_bench.errors import SubmissionError
    from gsm_bench.submit.check import as_row, check_file
    from gsm_bench.submit.compare import changed_since_written
    from gsm_bench.submit.ledger import LEDGER, Ledger
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    lists = _Lists(manifest, workspace, data)
    verdict = check_file(file, lists)
    findings = verdict.findings
    try:
        findings += tuple(changed_since_written(file, verdict, Ledger(workspace.submissions / LEDGER), workspace))
    except SubmissionError as error:  # a file is judged whatever became of the ledger
        lists.troubles.append(f"not compared with what was written: {error.what} ({error.where})")
    fatal = any(finding.fatal for finding in findings) or not verdict.answers
    columns = (Column("verdict", ""), Column("kind", "Kind"), Column("what", "What"), Column("where", "Where"))
    table = Table(_title(file, verdict, fatal), columns, (tuple(map(as_row, findings)),), (), "check")
    print_table(table, form)
    for trouble in lists.troubles:
        say(f"note: {trouble}")
    if fatal:
        return 1
    return 0 if verdict.ids_checked else INCOMPLETE


def _title(file: Path, verdict: Verdict, fatal: bool) -> str:
    if fatal:
        return f"{file.name}: would be refused or misread"
    server = verdict.target.title if verdict.target else "?"
    clips = " + ".join(f"{len(answers):,}" for answers in verdict.answers.values())
    return f"{file.name}: {server} would take it ({clips} clips{'' if verdict.ids_checked else ', ids not checked'})"


class _Lists:
    """Ids of splits, from the annotations in the data directories."""

    def __init__(self, manifest: Manifest, workspace: Workspace, data: Path | None) -> None:
        self.manifest, self.workspace, self.data = manifest, workspace, data
        self.troubles: list[str] = []

    def __call__(self, dataset: str, split: str) -> Sequence[str] | None:
        from gsm_bench.errors import GsmBenchError
        from gsm_bench.splits import read_split

        entry = self.manifest.dataset(dataset)
        try:
            return read_split(entry, split, self.data or self.workspace.data / entry.folder).ids
        except GsmBenchError as error:
            if error.what not in self.troubles:
                self.troubles.append(error.what)
            return None
