"""``gsmbench search``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from gsm_bench.cli.evaluate import found_truth
from gsm_bench.cli.options import (
    INCOMPLETE,
    data_option,
    format_option,
    print_tables,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gsm_bench.ensembles.members import MemberSpec, OpenMember
    from gsm_bench.entries import Space
    from gsm_bench.evaluation.actions import ActionRule
    from gsm_bench.evaluation.ground_truth import GroundTruth
    from gsm_bench.scorefile import ScoreHead
    from gsm_bench.workspace import Workspace

LARGE = 20
"""Fits of a pool of so many members take long enough to be counted aloud."""


@click.command("search", short_help="Which ensemble of a pool is best, for its cost?")
@click.argument("names", nargs=-1)
@click.option("--members", metavar="LIST", help="The pool between commas, as for gsmbench ensemble.")
@click.option(
    "--method",
    type=click.Choice(["exact", "greedy", "weights"]),
    default="exact",
    show_default=True,
    help="Every subset; for larger pools, greedy selection with replacement, or continuous weights.",
)
@click.option("--rounds", type=click.IntRange(1), default=100, show_default=True, help="Rounds of greedy selection.")
@click.option("--temperatures", is_flag=True, help="Divide each member's scores by its own temperature first.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="G", help="At most G GFLOPs per clip.")
@click.option("--metric", type=click.Choice(["top1", "top5"]), default="top1", show_default=True)
@click.option(
    "--space",
    type=click.Choice(["logits", "probabilities", "log_probabilities"]),
    help="What is averaged (default: what the score files hold).",
)
@click.option("--task", metavar="NAME", help="Task of several (default: action where there is one).")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the held-out estimate.")
@click.option("--save", metavar="NAME", help="Save the best as an ensemble of this name in manifests/local.toml.")
@click.option("--force", is_flag=True, help="Replace a saved ensemble of this name.")
@click.option("--quiet", is_flag=True, help="No progress.")
@split_options
@data_option
@format_option
@workspace_option
def command(
    names: tuple[str, ...], members: str | None, method: Literal["exact", "greedy", "weights"], rounds: int, temperatures: bool, dataset: str | None,
    split: str | None, data: Path | None, form: str,
    budget: float | None, metric: str, space: Space | None, task: str | None, folds: int, save: str | None, force: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Try every subset of a pool of models and show the best for each cost; or weigh a larger pool.

    NAMES are models, wildcards, score files, or an ensemble for its models. Each stands for one choice per number of
    clips that its file holds, unless @K says which; a subset takes at most one choice of a file. Greedy selection and
    continuous weights are for larger pools, of one choice per file, with all its clips. Accuracies that
    were searched for flatter: beside them stands what the search finds on clips that it has not seen.

    \b
    Example:
      gsmbench search 'inv3_*' --budget 100
    """
    from gsm_bench.ensembles.members import member_label, open_members
    from gsm_bench.ensembles.spaces import fusion_space
    from gsm_bench.evaluation.actions import SOURCE_WORDS
    from gsm_bench.selection.pool import pool_of
    from gsm_bench.selection.search import SearchConfig, search_actions, search_pool
    from gsm_bench.selection.weighting import member_temperatures, weigh
    from gsm_bench.tables.results import order_notes
    from gsm_bench.tables.search_result import front_table, members_table, weighted_table
    from gsm_bench.tables.table import with_notes

    if not names and not members:
        raise click.UsageError("name a pool, e.g.: gsmbench search 'inv3_*'")
    workspace, manifest = registry()
    named = [*names, *([members] if members else [])]
    specs = pool_of(named, manifest, workspace, dataset, split, every=method == "exact")
    wanted = SearchConfig(int(metric[3:]), None if budget is None else budget * 1e9, folds)
    if method != "exact" and budget is not None:
        raise click.UsageError("--budget is for --method exact")
    with open_members(specs) as opened:
        truth = found_truth(opened[0].head, manifest, workspace, data)
        rule = derived_rule(opened, truth, task)
        task = "action" if rule else chosen_task(opened[0].head, truth, task)
        if rule and (method != "exact" or temperatures):
            raise click.UsageError(
                "actions from verb x noun: --method exact without --temperatures, or --task verb or noun"
            )
        asked, space = space, fusion_space(opened, "verb" if rule else task, space)
        if rule:
            say(f"note: actions {SOURCE_WORDS[rule.source]} ({rule.why})")
        if temperatures:
            found = member_temperatures(opened, task, truth)
            specs = [replace(spec, temperature=value) for spec, value in zip(specs, found, strict=True)]
            opened = [replace(member, spec=spec) for member, spec in zip(opened, specs, strict=True)]
            for spec in specs:
                say(f"note: scores of {member_label(spec)} divided by {spec.temperature:.4g}, fitted on all clips")
        what = "" if list(opened[0].head.kinds) == ["action"] else f"{task}, "
        title = f"Search of {len(specs)} choices: {what}mean of {space.replace('_', '-')}"
        with ProgressDisplay("search", quiet=quiet) as display:

            def progress(done: int, total: int) -> None:
                if done < total:
                    display.count(done, total)

            if method == "exact":
                if rule:
                    search = search_actions(opened, rule, asked, truth, wanted, progress=progress)
                else:
                    search = search_pool(opened, task, space, truth, wanted, progress=progress)
                tables, used = [front_table(search, title), members_table(search)], int(search.found.clips.sum())
                shares = dict.fromkeys(search.members, 1.0)
            else:
                weighted = weigh(
                    opened, task, space, truth, method, folds=folds, rounds=rounds, k=wanted.k,
                    progress=lambda done, total: None if quiet or len(specs) < LARGE else say(f"fit {done} of {total}"),
                )  # fmt: skip
                tables, used = [weighted_table(opened, weighted, truth, method, title)], weighted.clips
                shares = {at: float(share) for at, share in enumerate(weighted.weights) if share > 0}
        tables[0] = with_notes(tables[0], order_notes(opened))
        if save:
            members_of = [replace(specs[at], weight=share) for at, share in shares.items()]
            path = _save(save, members_of, workspace, space, force)
            say(f"{save} saved in {workspace.shown(path)}: gsmbench ensemble {save}")
    print_tables(tables, form)
    missing = len(opened[0].head) - used
    if missing:
        say(f"note: {missing:,} clips without a score in every member, or without a label, were left out")
    return INCOMPLETE if missing else 0


def derived_rule(members: Sequence[OpenMember], truth: GroundTruth, asked: str | None) -> ActionRule | None:
    """How actions follow from verbs and nouns, where they do and no other task is asked for; None for a head of all."""
    from gsm_bench.evaluation.actions import rule_for

    if asked not in (None, "action") or not {"verb", "noun"} <= truth.labels.keys():
        return None
    rule = rule_for(members, truth, None)
    return rule if rule and rule.source != "head" else None


def chosen_task(head: ScoreHead, truth: GroundTruth, asked: str | None) -> str:
    """The task asked for, else action, else the only one; it needs labels."""
    from gsm_bench.errors import LabelError

    if asked is None and "action" not in head.kinds and len(head.kinds) > 1:
        names = sorted(head.kinds, key="verb noun".find)
        raise click.UsageError(
            f"these scores are of {' and '.join(names)}: which one? --task {' or --task '.join(names)}"
        )
    task = asked or ("action" if "action" in head.kinds else next(iter(head.kinds)))
    if task not in head.kinds:
        raise click.UsageError(f"--task {task}: these scores are of {', '.join(head.kinds)}")
    if task not in truth.labels:
        raise LabelError(f"these clips have no {task} labels", fix="--data DIR with a labelled list")
    return task


def _save(name: str, specs: Sequence[MemberSpec], workspace: Workspace, space: Space, force: bool) -> Path:
    from gsm_bench.entries import Member
    from gsm_bench.errors import ManifestError
    from gsm_bench.local_manifest import save_ensemble

    foreign = [str(spec.path) for spec in specs if spec.entry is None]
    if foreign:
        raise ManifestError(
            f"an entry names models, and {foreign[0]} is a file",
            fix="name the pool by its models, or leave --save away",
        )
    members = [Member(spec.label, spec.clips or 1, spec.weight, spec.temperature) for spec in specs]
    return save_ensemble(workspace, name, members, space, f"Found by search, {len(members)} members", force=force)
