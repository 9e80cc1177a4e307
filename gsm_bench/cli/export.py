"""``gsmbench export``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.options import PATH, say, workspace_option
from gsm_bench.workspace import pasteable

TARGETS = ("npz", "csv", "parquet", "mmaction2", "epic-baseline", "something-v1", "something-v2")


@click.command("export", short_help="Write a score file in the format of another project.")
@click.argument("file", type=PATH)
@click.option("--to", "target", type=click.Choice(TARGETS), required=True, help="The format.")
@click.option(
    "--task", default="action", show_default=True, help="Task for formats that hold one: action, verb or noun."
)
@click.option(
    "--out", type=PATH, metavar="FILE", help="The new file (default: beside FILE, with the suffix of the format)."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@workspace_option
def command(file: Path, target: str, task: str, out: Path | None, force: bool) -> None:
    """Write a score file as a table (npz, csv, parquet), a dump of another project or a file for a server.

    Tables keep everything. `gsmbench import` reads tables and dumps back.

    \b
    Example:
      gsmbench export scores/imported/joint.h5 --to csv
    """
    from gsm_bench.exporters.export import TARGETS as WRITERS
    from gsm_bench.exporters.export import export

    place = out or file.with_suffix(WRITERS[target][1])
    for note in export(place, file, target, task=task, force=force):
        say(f"note: {note}")
    say(f"wrote {pasteable(place)}")
