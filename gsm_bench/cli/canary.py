"""``gsmbench models canary`` and ``gsmbench models check --canary``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.ask_for_code import ask_for_code
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import (
    data_option,
    frames_option,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.workspace import pasteable

SHOWN = 5


def canary_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name videos and the device."""
    function = click.option("--device", metavar="NAME", help="cpu or cuda (default: a GPU if there is one).")(function)
    return split_options(data_option(frames_option(function)))


@click.command("canary", short_help="Store the logits of 64 videos, by which others can check their set-up.")
@click.argument("name", shell_complete=completing.model_name)
@canary_options
@click.option("--force", is_flag=True, help="Replace an existing canary.")
@workspace_option
def make_model_canary(name: str, force: bool, **places: Any) -> None:
    """Store the logits of 64 videos as the canary of a model, in manifests/canaries/ of the workspace.

    Whoever has the file, the checkpoint and the frames can then see with models check --canary whether their set-up
    gives the same logits. The file holds ids, logits and checksums, no pictures.

    \b
    Example:
      gsmbench models canary shapes_8f --data data/shapes
    """
    from gsm_bench.errors import GsmBenchError
    from gsm_bench.scoring.prepare import Request
    from gsm_bench.trust.canary import make_canary
    from gsm_bench.trust.canary_file import FOLDER, write_canary

    workspace, manifest = registry()
    path = workspace.manifests / FOLDER / f"{name}.npz"
    entry = manifest.model(name)
    if path.exists() and not force:
        raise GsmBenchError("this canary exists already", where=path, fix="replace it with --force")
    ask_for_code([entry], workspace)
    canary = make_canary(Request(name, **places), manifest, workspace)
    write_canary(canary, path, force=force)
    say(f"logits of {len(canary.card.ids)} videos of {canary.card.dataset}/{canary.card.split}")
    echo(pasteable(path))


def check_model_canary(name: str, **places: Any) -> int:
    """Compare with the canary of a model; returns the exit status."""
    from gsm_bench.scoring.prepare import Request
    from gsm_bench.trust.canary import check_canary
    from gsm_bench.trust.canary_file import canary_path, read_canary

    workspace, manifest = registry()
    entry = manifest.model(name)
    canary = read_canary(canary_path(name, workspace))
    ask_for_code([entry], workspace)
    check = check_canary(canary, Request(name, **places), manifest, workspace)
    same = check.compared - len(check.other_pixels)
    echo(f"  settings  {'; '.join(check.settings) or 'those of the card'}")
    echo(f"  weights   {'those of the card' if check.weights else 'another file than that of the card'}")
    echo(f"  frames    the same pixels in {same} of {check.compared} videos{f': {check.cause}' if check.cause else ''}")
    echo(f"  logits    the same in {check.compared - len(check.off)} of {check.compared} videos")
    echo(check.sentence)
    if check.missing:
        shown = ", ".join(map(repr, check.missing[:SHOWN]))
        say(f"note: {len(check.missing)} videos of the canary are not here or cannot be read, such as {shown}")
    return 0 if check.passes else 1
