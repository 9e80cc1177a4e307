"""``gsmbench models fetch``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import progress_options, registry, say, workspace_option
from gsm_bench.cli.progress import DownloadDisplay
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.downloads import Fetched
    from gsm_bench.entries import ModelEntry


@click.command("fetch", short_help="Download the weights of models; an interrupted download continues.")
@click.argument("names", nargs=-1, required=True, shell_complete=completing.model_name)
@click.option("--url", metavar="URL", help="Download from here instead of the entry's address (one model).")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@progress_options
@workspace_option
def fetch_models(names: tuple[str, ...], url: str | None, force: bool, quiet: bool) -> None:
    """Download the weights of models, or of all members of ensembles, to their places in checkpoints/.

    An interrupted download continues where it stopped. A file whose sha256 is not that of the entry is refused.

    \b
    Example:
      gsmbench models fetch inv3_8f
    """
    from gsm_bench.downloads import fetch
    from gsm_bench.errors import DownloadError

    workspace, manifest = registry()
    for name in names:
        if name not in manifest.ensembles:
            manifest.model(name)
    entries = manifest.models_of(names)
    if url and len(entries) > 1:
        raise click.UsageError("--url is the address of one model's weights: name one model")
    for entry in entries:
        if not (url or entry.checkpoint.url):
            raise DownloadError(
                f"nobody has said where the weights of {entry.name} are",
                where=manifest.origins["models", entry.name].file,
                fix="give --url, or put your file there: gsmbench models show " + entry.name,
            )
    for entry in entries:
        place = workspace.checkpoint_path(entry.checkpoint.file)
        with DownloadDisplay(entry.name, quiet=quiet) as display:
            fetched = fetch(
                url or entry.checkpoint.url, place, sha256=entry.checkpoint.sha256, force=force, report=display
            )
        _say_what_is_there(entry, fetched)
        echo(pasteable(fetched.path))


def _say_what_is_there(entry: ModelEntry, fetched: Fetched) -> None:
    where = "downloaded" if fetched.downloaded else "is here already"
    known = {"entry": "as in the entry", "server": "as the server states", "": "none is known to compare with"}
    say(f"{entry.name}: {where}; sha256 {fetched.sha256} ({known[fetched.compared]})")
    if not entry.checkpoint.sha256:
        say(f"to check that it fits, and to pin its hash: gsmbench models check {entry.name} --pin")
