"""``gsmbench demo``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.options import PATH, say

MODELS = ["inv3_8f", "inv3_12f", "inv3_16f", "inv3_24f"]


@click.command("demo", short_help="Run the main job end to end on small clips.")
@click.option(
    "--dir",
    "directory",
    type=PATH,
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    help="The demo's workspace.",
)
def command(directory: Path) -> None:
    """Score four networks on four small clips, fuse them, and fill table 4.

    The weights are made up, so the accuracies mean nothing; every number is computed in this run.

    \b
    Example:
      gsmbench demo --dir /tmp/demo
    """
    from gsm_bench.cli import cli
    from gsm_bench.demo import reference_directory, write_checkpoints
    from gsm_bench.manifest import load_manifest
    from gsm_bench.workspace import Workspace

    reference = reference_directory()
    directory.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.locate(directory)
    say(f"1  writing made-up weights for {', '.join(MODELS)} to {directory}/checkpoints")
    write_checkpoints(reference, workspace, load_manifest(workspace), MODELS)
    steps = [["score", "--model", model, "--data", str(reference / "e2e")] for model in MODELS]
    steps += [["ensemble", "En3x2", "--explain"], ["ensemble", "En3"], ["table", "4"]]
    for number, step in enumerate(steps, start=2):
        said = " ".join("tests/reference/e2e" if part == str(reference / "e2e") else part for part in step)
        say(f"\n{number}  gsmbench {said}")
        status = cli.main(["--workspace", str(workspace.root), *step], standalone_mode=False)
        if status:
            raise SystemExit(status)
    say(
        f"\nThese weights were never trained: the accuracies show the road, not the networks. Next, with your own checkpoints:\n"
        f"  gsmbench models show inv3_12f              where to get one and where to put it\n"
        f"  gsmbench score --model inv3_12f --plan     how long it takes here\n"
        f"The score files are in {directory}/scores."
    )
