"""``gsmbench search``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.evaluate import labelled_truth
from gsm_bench.cli.options import (
    INCOMPLETE,
    choice,
    data_option,
    format_option,
    print_tables,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.cli.progress import ProgressDisplay
from gsm_bench.settings import SearchMethod, Space

if TYPE_CHECKING:
    from gsm_bench.selection.subsets import Progress

SLOW_POOL = 20
"""From so many members on, each fit takes long enough to be reported."""


@click.command("search", short_help="Find the best ensemble of a pool for its cost.")
@click.argument("names", nargs=-1)
@click.option("--members", metavar="LIST", help="The pool between commas, as for gsmbench ensemble.")
@click.option(
    "--method",
    type=choice(SearchMethod),
    default="exact",
    show_default=True,
    help="Every subset; or for larger pools, greedy selection with replacement or continuous weights.",
)
@click.option("--rounds", type=click.IntRange(1), default=100, show_default=True, help="Rounds of greedy selection.")
@click.option("--temperatures", is_flag=True, help="Divide each member's scores by its own temperature first.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="G", help="At most G GFLOPs per video.")
@click.option("--metric", type=click.Choice(["top1", "top5"]), default="top1", show_default=True)
@click.option(
    "--space",
    type=choice(Space),
    help="What is averaged (default: what the score files hold).",
)
@click.option("--task", metavar="NAME", help="Task to search for (default: action if there is one).")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the held-out estimate.")
@click.option("--save", metavar="NAME", help="Save the best as an ensemble of this name in manifests/local.toml.")
@click.option("--force", is_flag=True, help="Replace a saved ensemble of this name.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@split_options
@data_option
@format_option
@workspace_option
def command(
    names: tuple[str, ...], members: str | None, method: SearchMethod, rounds: int, temperatures: bool, dataset: str | None,
    split: str | None, data: Path | None, form: str,
    budget: float | None, metric: str, space: Space | None, task: str | None, folds: int, save: str | None, force: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Try every subset of a pool of models and show the best for each cost, or weigh a larger pool.

    NAMES are models, wildcards, score files, or an ensemble for its models. Without @K a file gives one choice per
    number of clips that it holds; a subset takes at most one choice of a file. Greedy selection and continuous
    weights use each file once, with all its clips. Selection inflates accuracy, so a held-out estimate is shown
    beside it.

    \b
    Example:
      gsmbench search 'inv3_*' --budget 100
    """
    from gsm_bench.ensembles.members import member_label, open_members
    from gsm_bench.evaluation.actions import SOURCE_WORDS
    from gsm_bench.selection.pool import pool_of
    from gsm_bench.selection.save import save_best
    from gsm_bench.selection.search import SearchConfig, SearchResult, search
    from gsm_bench.selection.weighting import WeightedResult, weigh
    from gsm_bench.tables.search_result import front_table, members_table, weighted_table

    pool = [*names, *([members] if members else [])]
    if not pool:
        raise click.UsageError("name a pool, e.g.: gsmbench search 'inv3_*'")
    if method != "exact" and budget is not None:
        raise click.UsageError("--budget needs --method exact")
    workspace, manifest = registry()
    specs = pool_of(pool, manifest, workspace, dataset, split, every=method == "exact")
    config = SearchConfig(
        int(metric[3:]), None if budget is None else budget * 1e9, folds, task, space, temperatures, rounds
    )
    with open_members(specs) as opened, task_errors():
        truth = labelled_truth(opened[0].head, manifest, workspace, data)
        result: SearchResult | WeightedResult
        if method == "exact":
            with _progress(quiet) as progress:
                result = search(opened, truth, config, progress=progress)
        else:
            result = weigh(opened, truth, method, config, progress=_report_fits(quiet or len(specs) < SLOW_POOL))
    if isinstance(result, SearchResult):
        tables = [front_table(result), members_table(result)]
        if result.rule:
            say(f"note: actions {SOURCE_WORDS[result.rule.source]} ({result.rule.why})")
    else:
        tables = [weighted_table(result)]
    for spec in result.members if temperatures else ():
        say(f"note: scores of {member_label(spec)} divided by {spec.temperature:.4g}, fitted on all videos")
    if save:
        path = save_best(result, save, workspace, force=force)
        say(f"{save} saved in {workspace.shown(path)}: gsmbench ensemble {save}")
    print_tables(tables, form)
    if result.left_out:
        say(f"note: {result.left_out:,} videos without a label or without a score in some member were left out")
    return INCOMPLETE if result.left_out else 0


@contextmanager
def task_errors() -> Iterator[None]:
    """Turn a TaskError into wrong usage: an option names the right task."""
    from gsm_bench.errors import TaskError

    try:
        yield
    except TaskError as error:
        raise click.UsageError(f"{error.what}; use {error.fix}") from error


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    with ProgressDisplay("search", quiet=quiet) as display:

        def progress(done: int, total: int) -> None:
            if done < total:
                display.count(done, total)

        yield progress


def _report_fits(quiet: bool) -> Progress:
    def progress(done: int, total: int) -> None:
        if not quiet:
            say(f"fit {done} of {total}")

    return progress
