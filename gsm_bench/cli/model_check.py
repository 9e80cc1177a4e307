"""``gsmbench models check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.ask_for_code import ask_for_code
from gsm_bench.cli.canary import canary_options, check_model_canary
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import PATH, registry, say, workspace_option
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.nets.checkpoint import Checkpoint, Fit
    from gsm_bench.nets.checkpoint_check import CheckpointCheck


@click.command("check")
@click.argument("name", shell_complete=completing.model_name)
@click.option("--file", "file", type=PATH, metavar="FILE", help="The checkpoint (default: the entry's).")
@click.option("--pin", is_flag=True, help="Write the file's sha256 into manifests/local.toml.")
@click.option(
    "--canary", is_flag=True,
    help="Score a few videos, and compare their logits with those stored for the model: is everything as on its card?",
)  # fmt: skip
@canary_options
@workspace_option
def check_model(name: str, file: Path | None, pin: bool, canary: bool, **places: Any) -> int:
    """Check whether a checkpoint fits its entry: matched, missing and unexpected keys, frames, hash.

    \b
    Example:
      gsmbench models check inv3_12f --file ~/Downloads/checkpoint.pth.tar
      gsmbench models check shapes_8f --canary --data data/shapes
    """
    if canary:
        if file or pin:
            raise click.UsageError("--canary checks the entry's own checkpoint: leave out --file and --pin")
        return check_model_canary(name, **places)
    if any(places.values()):
        raise click.UsageError("--data, --dataset, --split, --frames and --device belong to --canary")
    from gsm_bench.nets.checkpoint import check_finite
    from gsm_bench.nets.checkpoint_check import compare_with_entry

    workspace, manifest = registry()
    entry = manifest.model(name)
    ask_for_code([entry], workspace)
    path = file or workspace.checkpoint_path(entry.checkpoint.file)
    check = compare_with_entry(entry, path, workspace.root)
    _echo_content(check.checkpoint)
    _echo_fit(check.fit)
    check_finite(check.checkpoint.weights, path)
    _echo_verdict(check, fits := check.fits(any_hash=pin))
    if check.frames is None:
        say("note: the file does not say its number of frames, and weights have the same shape for any number")
    if pin and fits:
        from gsm_bench.local_manifest import pin_checkpoint

        say(f"pinned in {pasteable(pin_checkpoint(workspace, entry, check.sha256))}")
    elif fits and not entry.checkpoint.sha256:
        say(f"to check this hash in every run: gsmbench models check {name}{f' --file {file}' if file else ''} --pin")
    return 0 if fits else 1


def _echo_content(checkpoint: Checkpoint) -> None:
    from gsm_bench.nets.checkpoint_content import describe

    echo(f"{checkpoint.path}\n  holds    {describe(checkpoint)}")
    for key, value in sorted(checkpoint.beside.items()):
        if isinstance(value, str | int | float):
            echo(f"  says     {key} = {value}")
    for place, class_name in checkpoint.skipped.items():
        echo(f"  skipped  {place}: a {class_name}, which was not made")
    if len(checkpoint.sets) > 1:
        echo(f"  weights  {', '.join(map(repr, checkpoint.sets))}; {checkpoint.chosen!r} are compared")


def _echo_fit(fit: Fit) -> None:
    if fit.prefix:
        echo(f"  prefix   {fit.prefix!r} of a wrapper was removed from every key")
    echo(f"  matched  {len(fit.matched)} keys")
    for word, keys in (
        ("missing", fit.missing),
        ("unexpected", fit.unexpected),
        ("shape", fit.misshapen),
        ("ignored", fit.ignored),
        ("left out", fit.left_out),
    ):
        if keys:
            echo(f"  {word:<8} {len(keys)} keys")
            for key in keys[:10]:
                echo(f"             {key}")
            if len(keys) > 10:
                echo(f"             and {len(keys) - 10} more")


def _echo_verdict(check: CheckpointCheck, fits: bool) -> None:
    entry, why = check.entry, ""
    if check.other_frames:
        echo(f"  frames   {check.frames}, the entry says {entry.frames}")
        why = f": the file says {check.frames} frames, the entry {entry.frames}"
    if check.other_gate:
        echo(f"  gate     {check.gate}, the entry says {check.network_gate}")
        why = f": the file says {check.gate} gates, the entry {check.network_gate}"
    pinned = "as pinned" if check.pinned else "NOT the pinned one" if entry.checkpoint.sha256 else "none is pinned"
    echo(f"  sha256   {check.sha256} ({pinned})")
    echo(f"{'fits' if fits else 'does NOT fit'} {entry.name} ({entry.title}, {entry.frames} frames){why}")
