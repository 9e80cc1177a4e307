"""``gsmbench ensemble``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import (
    PATH,
    actions_option,
    bench,
    choice,
    data_option,
    format_option,
    leak_option,
    mark_option,
    print_result,
    split_options,
    workspace_option,
)
from gsm_bench.settings import Space

if TYPE_CHECKING:
    from gsm_bench.settings import ActionSource, Mark


@click.command("ensemble", short_help="Fuse models and evaluate the ensemble.")
@click.argument("name", required=False, shell_complete=completing.ensemble_name)
@click.option(
    "--members",
    shell_complete=completing.member_names,
    metavar="LIST",
    help="Instead of NAME: models, score files or submissions, @K for K clips: inv3_8f@2,scores/x.h5,theirs.zip.",
)
@click.option("--weights", metavar="LIST", help="One weight per member, divided by their sum (default: equal).")
@click.option(
    "--space",
    type=choice(Space),
    help="Space in which scores are averaged (default: the entry's, else that of the files; released protocol: logits).",
)
@click.option("--out", type=PATH, metavar="FILE", help="Write the fused scores to this score file.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--explain", is_flag=True, help="Explain what is averaged: members, views, frame numbers, formula. Needs no scores."
)
@actions_option
@leak_option
@split_options
@data_option
@mark_option
@format_option
@workspace_option
def command(
    name: str | None, members: str | None, weights: str | None, space: Space | None, out: Path | None, force: bool,
    explain: bool, actions: ActionSource | None, allow_leak: bool, dataset: str | None, split: str | None, data: Path | None,
    marks: tuple[Mark, ...] | None, form: str,
) -> int:  # fmt: skip
    """Average the scores of several models, video by video, and evaluate the ensemble and its members.

    \b
    Example:
      gsmbench ensemble --members inv3_8f@2,inv3_12f --weights 2,1
    """
    if (name is None) == (members is None):
        raise click.UsageError("give either NAME or --members, e.g.: gsmbench ensemble En3")
    if explain and form != "rich":
        raise click.UsageError("--explain prints text: leave --format out")
    opened, shares, title = bench(), _numbers(weights), name or "ensemble"
    if explain:
        echo(opened.explain(name or str(members), shares, space, dataset=dataset, split=split, title=title))
        return 0
    if name is not None:
        opened.manifest.ensemble(name)
    result = opened.ensemble(
        name or str(members), shares, space, dataset=dataset, split=split, data=data, actions=actions,
        allow_leak=allow_leak, out=out, force=force, title=title,
    )  # fmt: skip
    return print_result(result, form, marks=marks)


def _numbers(text: str | None) -> list[float] | None:
    """The weights on the command line."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--weights {text}: write numbers separated by commas, e.g. --weights 2,1,1") from error
