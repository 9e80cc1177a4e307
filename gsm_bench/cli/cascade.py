"""``gsmbench cascade``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli import completing
from gsm_bench.cli.options import (
    bench,
    choice,
    data_option,
    format_option,
    print_result,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.cli.search import task_errors
from gsm_bench.settings import Rule, Space
from gsm_bench.workspace import pasteable


@click.command("cascade", short_help="Run more models only on videos with low confidence.")
@click.argument("name", shell_complete=completing.member_names)
@click.option("--rule", type=choice(Rule), help="Only this rule (default: all).")
@click.option(
    "--budget", type=click.FloatRange(0, min_open=True), metavar="G",
    help="Choose the most accurate of at most G GFLOPs on average (default: the cheapest as accurate as all members).",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(1), default=5, show_default=True, help="Thresholds shown per rule.")
@click.option(
    "--space",
    type=choice(Space),
    help="What is averaged (default: the entry's, else what the files hold).",
)
@click.option("--task", metavar="NAME", help="Task whose confidence decides (default: action if there is one).")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the held-out estimate.")
@click.option("--save", metavar="ENTRY", help="Save the chosen cascade under this name.")
@click.option("--force", is_flag=True, help="Replace a saved cascade of this name.")
@split_options
@data_option
@format_option
@workspace_option
def command(
    name: str, rule: Rule | None, budget: float | None, steps: int, space: Space | None, task: str | None, folds: int,
    save: str | None, force: bool, dataset: str | None, split: str | None, data: Path | None, form: str,
) -> int:  # fmt: skip
    """Simulate a cascade: run a first model on every video, and later ones only where the confidence is low.

    NAME is an ensemble, members between commas in the order in which they run, or a saved cascade. A saved cascade
    can be run on frames: gsmbench score --cascade ENTRY.

    \b
    Example:
      gsmbench cascade inv3_8f,inv3_12f,inv3_16f --save quick
    """
    opened = bench()
    with task_errors():
        result = opened.cascade(
            name, budget, rule=rule, steps=steps, space=space, task=task, folds=folds, dataset=dataset, split=split,
            data=data,
        )  # fmt: skip
    if save and result.cascade:
        from gsm_bench.selection.cascade_search import cascade_members
        from gsm_bench.selection.save import save_chosen

        members = cascade_members(name, opened.manifest, opened.workspace, dataset, split)
        path = save_chosen(result.cascade, members.specs, save, opened.workspace, force=force)
        say(f"{save} saved in {pasteable(path)}: gsmbench score --cascade {save}")
    return print_result(result, form)
