"""``gsmbench check``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.options import PATH, bench, data_option, format_option, print_result, workspace_option


@click.command("check", short_help="Check a score file, or a submission before it is sent.")
@click.argument("file", type=PATH)
@data_option
@format_option
@workspace_option
def command(file: Path, data: Path | None, form: str) -> int:
    """Check a score file against its checksums, or an EPIC-KITCHENS zip or JSON as its server would.

    Exit status 1 if the score file is damaged, or if the server would refuse or misread the submission. A warning
    stands for scores that the server takes and that are hardly meant. A file of this workspace is also compared with
    the ledger.

    \b
    Example:
      gsmbench check submissions/epic-100/epic100_bninc_16f.zip
    """
    result = bench().check(file, data=data)
    status = print_result(result, form)
    return status if result.passes else 1
