"""``gsmbench search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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

    from gsm_bench.ensembles.members import MemberSpec
    from gsm_bench.entries import Space
    from gsm_bench.labels import Truth
    from gsm_bench.scorefile import ScoreHead
    from gsm_bench.workspace import Workspace


@click.command("search", short_help="Which ensemble of a pool is best, for its cost?")
@click.argument("names", nargs=-1)
@click.option("--members", metavar="LIST", help="The pool between commas, as for gsmbench ensemble.")
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
    names: tuple[str, ...], members: str | None, dataset: str | None, split: str | None, data: Path | None, form: str,
    budget: float | None, metric: str, space: Space | None, task: str | None, folds: int, save: str | None, force: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Try every subset of a pool of models, and show the best for each cost.

    NAMES are models, wildcards, score files, or an ensemble for its models. Each stands for one choice per number of
    clips that its file holds, unless @K says which; an ensemble takes at most one choice of a file. Accuracies that
    were searched for flatter: beside them stands what the search finds on clips that it has not seen.

    \b
    Example:
      gsmbench search 'inv3_*' --budget 100
    """
    from gsm_bench.ensembles.fuse import fusion_space
    from gsm_bench.ensembles.members import open_members
    from gsm_bench.ensembles.pool import pool_of
    from gsm_bench.ensembles.search import Wanted, search_pool
    from gsm_bench.tables.search_result import front_table, members_table

    if not names and not members:
        raise click.UsageError("name a pool, e.g.: gsmbench search 'inv3_*'")
    workspace, manifest = registry()
    specs = pool_of([*names, *([members] if members else [])], manifest, workspace, dataset, split)
    wanted = Wanted(int(metric[3:]), None if budget is None else budget * 1e9, folds)
    with open_members(specs) as opened:
        truth = found_truth(opened[0].head, manifest, workspace, data)
        task = chosen_task(opened[0].head, truth, task)
        space = fusion_space(opened, task, space)
        with ProgressDisplay("search", quiet=quiet) as display:
            search = search_pool(
                opened,
                task,
                space,
                truth,
                wanted,
                progress=lambda done, total: display.count(done, total) if done < total else None,
            )
        title = f"Search of {len(specs)} choices: mean of {space.replace('_', '-')}"
        tables = [front_table(search, title), members_table(search)]
        if save:
            path = _save(save, [specs[at] for at in search.members], workspace, space, force)
            say(f"{save} saved in {workspace.shown(path)}: gsmbench ensemble {save}")
    print_tables(tables, form)
    missing = len(opened[0].head) - int(search.found.clips.sum())
    if missing:
        say(f"note: {missing:,} clips without a score in every member, or without a label, were left out")
    return INCOMPLETE if missing else 0


def chosen_task(head: ScoreHead, truth: Truth, asked: str | None) -> str:
    """The task asked for, else action, else the first; it needs labels."""
    from gsm_bench.errors import LabelError

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
    members = [Member(spec.label, spec.clips or 1) for spec in specs]
    return save_ensemble(workspace, name, members, space, f"Found by search, {len(members)} members", force=force)
