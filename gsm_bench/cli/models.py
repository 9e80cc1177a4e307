"""``gsmbench models``: the group of its subcommands; list, cost and cite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.ask_for_code import ask_for_code
from gsm_bench.cli.canary import make_model_canary
from gsm_bench.cli.console import echo
from gsm_bench.cli.fetch import fetch_models
from gsm_bench.cli.model_add import add_model
from gsm_bench.cli.model_card import show_model
from gsm_bench.cli.model_check import check_model
from gsm_bench.cli.options import format_option, print_table, registry, say, workspace_option

if TYPE_CHECKING:
    from gsm_bench.entries import ModelEntry
    from gsm_bench.manifest import Manifest
    from gsm_bench.workspace import Workspace


@click.group("models", short_help="List, show, check and add models.")
def command() -> None:
    """The registry of trained checkpoints.

    \b
    Example:
      gsmbench models list 'inv3*'
    """


@click.command("list")
@click.argument("patterns", nargs=-1, shell_complete=completing.model_name)
@format_option
@workspace_option
def list_models(patterns: tuple[str, ...], form: str) -> None:
    """List models, 8f before 12f; PATTERNS may hold wildcards.

    \b
    Example:
      gsmbench models list 'inv3*' --format md
    """
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    rows = tuple(_list_row(entry, manifest, workspace) for entry in manifest.matching_models(patterns))
    columns = (
        Column("name", "Model"),
        Column("title", "Network"),
        Column("frames", "Frames", "whole"),
        Column("dataset", "Data set"),
        Column("top1", "Paper Top-1", "percent"),
        Column("checkpoint", "Checkpoint"),
    )
    print_table(Table("", columns, (rows,), name="models"), form)


def _list_row(entry: ModelEntry, manifest: Manifest, workspace: Workspace) -> dict[str, Any]:
    here = workspace.checkpoint_path(entry.checkpoint.file).is_file()
    printed = entry.published_for(1, entry.split) or entry.published_for(entry.clips, entry.split)
    return {
        "name": entry.name,
        "title": entry.title,
        "frames": entry.frames,
        "dataset": entry.dataset,
        "top1": printed.top1_percent / 100 if printed and printed.top1_percent is not None else None,
        "checkpoint": "here" if here else "released" if entry.checkpoint.url else "your own",
        "source": str(manifest.origins["models", entry.name].file),
    }


@click.command("cost")
@click.argument("names", nargs=-1, required=True, shell_complete=completing.model_name)
@click.option(
    "--clips", type=click.IntRange(1), default=1, show_default=True, metavar="K", help="Clips per video, for models."
)
@format_option
@workspace_option
def cost(names: tuple[str, ...], clips: int, form: str) -> None:
    """Parameters and multiply-adds of models and ensembles, per view and in all, in both conventions.

    \b
    Example:
      gsmbench models cost inv3_8f inv3_12f En3x2
    """
    from gsm_bench.nets.cost import video_cost
    from gsm_bench.tables.notes import CONVENTION
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    ask_for_code(manifest.models_of(names), workspace)
    costs = [video_cost(name, manifest, clips=clips, search=workspace.root) for name in names]
    keys = ("name", "frames_text", "params", "macs_paper_per_view", "macs_paper", "macs_bare", "uncounted")
    rows = tuple({key.removesuffix("_text"): getattr(each, key) for key in keys} for each in costs)
    uncounted = {operator for each in costs for operators in each.uncounted for operator in operators}
    columns = (
        Column("name", "Name"),
        Column("frames", "Frames"),
        Column("params", "Parameters", "count"),
        Column("macs_paper_per_view", "Per view, paper's", "count"),
        Column("macs_paper", "All views, paper's", "count"),
        Column("macs_bare", "All views, bare", "count"),
    )
    notes = (
        CONVENTION,
        "Bare: multiply-adds of convolutions and linear layers.",
        f"Counted in neither: {', '.join(sorted(uncounted)) or 'nothing'}.",
    )
    print_table(Table("Cost per video", columns, (rows,), notes, name="cost"), form)


@click.command("cite")
@click.argument("names", nargs=-1, shell_complete=completing.model_name)
@workspace_option
def cite(names: tuple[str, ...]) -> None:
    """Print BibTeX of the papers of models, of the members of ensembles, and of this tool; without NAMES, of the tool.

    \b
    Example:
      gsmbench models cite inv3_8f tsm_r50_8f En3
    """
    from gsm_bench.api.citing import references

    workspace, manifest = registry()
    text, unnamed = references(names, manifest, workspace)
    echo(text)
    if unnamed:
        say(
            f'note: no papers are known of {", ".join(unnamed)}: add cite = ["KEY"] to the entry, and KEY to a .bib file'
        )


for subcommand in (
    list_models, show_model, cost, cite, check_model, make_model_canary, fetch_models, add_model,
):  # fmt: skip
    command.add_command(subcommand)
