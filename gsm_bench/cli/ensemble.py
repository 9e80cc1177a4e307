"""``gsmbench ensemble``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.evaluate import labelled_truth
from gsm_bench.cli.options import (
    INCOMPLETE,
    PATH,
    actions_option,
    choice,
    data_option,
    format_option,
    leak_option,
    print_table,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.settings import Space

if TYPE_CHECKING:
    from gsm_bench.settings import ActionSource


@click.command("ensemble", short_help="Fuse models and evaluate the ensemble.")
@click.argument("name", required=False)
@click.option(
    "--members",
    metavar="LIST",
    help="Instead of NAME: models or score files, @K for K clips: inv3_8f@2,inv3_12f,scores/x.h5.",
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
@format_option
@workspace_option
def command(
    name: str | None, members: str | None, weights: str | None, space: Space | None, out: Path | None, force: bool,
    explain: bool, actions: ActionSource | None, allow_leak: bool, dataset: str | None, split: str | None, data: Path | None, form: str,
) -> int:  # fmt: skip
    """Average the scores of several models, video by video, and evaluate the ensemble and its members.

    \b
    Example:
      gsmbench ensemble --members inv3_8f@2,inv3_12f --weights 2,1
    """
    from gsm_bench.ensembles.leaks import find_leaks, refuse_leaks, split_name
    from gsm_bench.ensembles.members import common_tasks, open_members, parse_members, reweighted, specs_of_entry
    from gsm_bench.ensembles.spaces import conversions, fusion_space
    from gsm_bench.evaluation.actions import SOURCE_WORDS, rule_for
    from gsm_bench.evaluation.evaluation import evaluate_members
    from gsm_bench.tables.results import results_table

    if (name is None) == (members is None):
        raise click.UsageError("give either NAME or --members, e.g.: gsmbench ensemble En3")
    workspace, manifest = registry()
    published = None
    if name is not None:
        entry = manifest.ensemble(name)
        specs = reweighted(specs_of_entry(entry, manifest, workspace, dataset, split), _numbers(weights))
        space = space or entry.space
        published = next(iter(entry.published), None) if dataset is None and split is None and weights is None else None
    else:
        specs = parse_members(str(members), _numbers(weights), manifest, workspace, dataset, split)
    title = name or "ensemble"
    if explain and form != "rich":
        raise click.UsageError("--explain prints text: leave --format out")
    if explain:
        from gsm_bench.ensembles.explain import explain_ensemble

        click.echo(explain_ensemble(title, specs, space))
        return 0
    with open_members(specs) as opened:
        head = opened[0].head
        spaces = {task: fusion_space(opened, task, space) for task in common_tasks(opened)}
        for line in dict.fromkeys(line for task in spaces for line in conversions(opened, task, spaces[task])):
            say(f"note: {line}")
        for line in refuse_leaks(find_leaks(opened, manifest), split_name(head), allowed=allow_leak):
            say(f"leak: {line}")
        truth = labelled_truth(head, manifest, workspace, data)
        rule = rule_for(opened, truth, actions)
        if rule is not None:
            say(f"note: actions {SOURCE_WORDS[rule.source]} ({rule.why})")
        result, singles = evaluate_members(title, opened, truth, space, published, rule)
        if out:
            from gsm_bench.ensembles.write import write_fused

            write_fused(out, title, opened, spaces, result, force=force)
            say(f"wrote {workspace.shown(out.absolute())}")
    print_table(results_table(_title(title, spaces), [singles, [result]], name=title), form)
    return INCOMPLETE if result.not_scored else 0


def _numbers(text: str | None) -> list[float] | None:
    """The weights on the command line."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--weights {text}: write numbers separated by commas, e.g. --weights 2,1,1") from error


def _title(title: str, spaces: dict[str, Space]) -> str:
    return f"{title}: mean of {', '.join(dict.fromkeys(spaces.values())).replace('_', '-')}"
