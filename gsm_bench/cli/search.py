"""``gsmbench search``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli import completing
from gsm_bench.cli.options import (
    bench,
    choice,
    data_option,
    folder_option,
    format_option,
    print_result,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.cli.progress import ProgressDisplay
from gsm_bench.settings import Metric, SearchMethod, Space
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.selection.subsets import Progress


@click.command("search", short_help="Find the best ensemble of a pool for its cost.")
@click.argument("names", nargs=-1, shell_complete=completing.member_names)
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
@click.option("--metric", type=choice(Metric), default="top1", show_default=True)
@click.option(
    "--space",
    type=choice(Space),
    help="What is averaged (default: what the score files hold).",
)
@click.option("--task", metavar="NAME", help="Task to search for (default: action if there is one).")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the held-out estimate.")
@click.option("--save", metavar="NAME", help="Save the best as an ensemble of this name in manifests/local.toml.")
@click.option("--force", is_flag=True, help="Replace a saved ensemble of this name, and files in DIR.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@split_options
@data_option
@folder_option
@format_option
@workspace_option
def command(
    names: tuple[str, ...], members: str | None, method: SearchMethod, rounds: int, temperatures: bool, dataset: str | None,
    split: str | None, data: Path | None, out: Path | None, form: str,
    budget: float | None, metric: Metric, space: Space | None, task: str | None, folds: int, save: str | None, force: bool,
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
    pool = [*names, *([members] if members else [])]
    if not pool:
        raise click.UsageError("name a pool, e.g.: gsmbench search 'inv3_*'")
    if method != "exact" and budget is not None:
        raise click.UsageError("--budget needs --method exact")
    opened = bench()
    with task_errors(), _progress(method, quiet) as progress:
        result = opened.search(
            pool, budget, method=method, metric=metric, space=space, task=task, folds=folds, rounds=rounds,
            temperatures=temperatures, dataset=dataset, split=split, data=data, progress=progress,
        )  # fmt: skip
    if save and result.search:
        from gsm_bench.selection.save import save_best

        path = save_best(result.search, save, opened.workspace, force=force)
        say(f"{save} saved in {pasteable(path)}: gsmbench ensemble {save}")
    return print_result(result, form, several=True, out=out, force=force)


@contextmanager
def task_errors() -> Iterator[None]:
    """Turn a TaskError into wrong usage: an option names the right task."""
    from gsm_bench.errors import TaskError

    try:
        yield
    except TaskError as error:
        raise click.UsageError(f"{error.what}; use {error.fix}") from error


@contextmanager
def _progress(method: str, quiet: bool) -> Iterator[Progress]:
    """Progress of an exact search, or of fits."""
    if method != "exact":
        yield lambda done, total: say(f"fit {done} of {total}") if not quiet else None
        return
    with ProgressDisplay("search", quiet=quiet) as display:
        yield lambda done, total: display.count(done, total) if done < total else None
