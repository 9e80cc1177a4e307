"""Options that several commands share, and printing of results."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo, echo_drawn
from gsm_bench.cli.console import say as say
from gsm_bench.cli.progress import AS_JSON
from gsm_bench.cli.run_log import run_log
from gsm_bench.places import RemoteUrl, place_of
from gsm_bench.settings import ActionSource, Mark
from gsm_bench.tables.render import FORMATS

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench
    from gsm_bench.api.results import Result
    from gsm_bench.manifest import Manifest
    from gsm_bench.tables.table import Table
    from gsm_bench.workspace import Workspace

INCOMPLETE = 3
WARNED = "gsm_bench.warned"
"""Key of a call's context: wrong entries of the registry were named."""
PATH = click.Path(path_type=Path)


class _PlaceType(click.Path):
    """A path, or a URL that fsspec opens."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        return place if isinstance(place := place_of(value), RemoteUrl) else super().convert(place, parameter, context)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def choice(literal: Any) -> click.Choice[Any]:
    """The values of a Literal as the choices of an option, with their types."""
    return click.Choice(get_args(literal))


def workspace_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--workspace`` after the name of the command."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            context.obj = value

    return click.option(
        "--workspace",
        metavar="DIR",
        expose_value=False,
        callback=remember,
        help="Workspace [default: $GSMBENCH_HOME, else the current directory].",
    )(function)


def format_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--format",
        "form",
        type=click.Choice(list(FORMATS)),
        default="rich",
        show_default=True,
        help="Format of the result.",
    )(function)


def split_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dataset`` and ``--split``."""
    function = click.option(
        "--split", metavar="NAME", shell_complete=completing.split_name, help="Split (default: the model's)."
    )(function)
    return click.option(
        "--dataset", metavar="NAME", shell_complete=completing.dataset_name, help="Data set (default: the model's)."
    )(function)


def data_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--data",
        type=PATH,
        metavar="DIR",
        help="Directory with the lists and frames (default: data/<dataset> in the workspace).",
    )(function)


def actions_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--actions",
        type=choice(ActionSource),
        help="Source of action scores: the action head, verb x noun, or verb x noun times the count of the pair in training "
        "(default: the head if every member has one, else verb x noun).",
    )(function)


def leak_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--allow-leak",
        is_flag=True,
        help="Allow members that were trained on videos of this split; the result names them.",
    )(function)


def frames_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--frames",
        type=_PlaceType(path_type=Path),
        metavar="PATH",
        help="Frames outside the data directory: a folder, one .h5, .tar, .zip or .lmdb file, or a URL (s3, gs, https).",
    )(function)


def progress_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--quiet``, and ``--json-progress``, which `ProgressDisplay` looks up."""

    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.meta[AS_JSON] = value

    function = click.option(
        "--json-progress", is_flag=True, expose_value=False, callback=remember,
        help="Print progress as lines of JSON, for a scheduler.",
    )(function)  # fmt: skip
    return click.option("--quiet", is_flag=True, help="Hide progress.")(function)


def registry() -> tuple[Workspace, Manifest]:
    """The workspace of this call and its registry."""
    opened = bench()
    return opened.workspace, opened.manifest


def bench() -> Bench:
    """The workspace of this call with its registry."""
    from gsm_bench.api.bench import Bench

    context = click.get_current_context()
    opened = Bench(context.obj)
    run_log.workspace = opened.workspace.root
    for problem in () if WARNED in context.meta else opened.manifest.problems:
        say(f"warning: {problem}")
    context.meta[WARNED] = True
    return opened


def mark_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--mark``: what is marked in the columns of a result."""

    def split(_: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
        if value is None:
            return None
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        if wrong := [name for name in names if name not in get_args(Mark)]:
            raise click.BadParameter(f"{wrong[0]!r} is none of {', '.join(get_args(Mark))}")
        return names

    return click.option(
        "--mark",
        "marks",
        metavar="LIST",
        callback=split,
        help=f"Mark in each column: {','.join(get_args(Mark))} (default: what the format shows best).",
    )(function)


def trial_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a network that is tried on videos chosen at random: ``--seed``, the device, ``--quiet``."""
    for option in reversed(TRIAL_OPTIONS):
        function = option(function)
    return function


TRIAL_OPTIONS = (
    click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of the random choice."
    ),
    click.option("--device", metavar="NAME", help="cpu, cuda or cuda:1 (default: a GPU if there is one)."),
    click.option("--workers", type=click.IntRange(1), metavar="N", help="Threads that read frames (default: cores)."),
    click.option(
        "--threads", type=click.IntRange(1), metavar="N", help="Forward passes in parallel on cpu (default: cores)."
    ),
    click.option("--quiet", is_flag=True, help="No progress."),
)


def out_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--out DIR`` for results of several tables, and ``--force``."""
    function = click.option("--force", is_flag=True, help="Replace files in DIR that exist.")(function)
    return folder_option(function)


def folder_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--out DIR`` alone."""
    return click.option(
        "--out",
        type=PATH,
        metavar="DIR",
        help="Write each table to a file of its own in this folder, in this --format.",
    )(function)


def print_result(
    result: Result, form: str, *, several: bool = False, out: Path | None = None, force: bool = False,
    marks: Sequence[Mark] | None = None,
) -> int:  # fmt: skip
    """Print a result to stdout and its messages to stderr; returns the exit status.

    Args:
        several: whether a result of this command may have more tables than this one.
        out: folder to write the tables to instead; existing files need `force`.
        marks: what is marked; what the format usually marks if None.
    """
    first, *others = result.tables
    tables = [first, *(table for table in others if table.rows or table.notes or form in ("csv", "json"))]
    if several and form == "csv" and len(tables) > 1 and out is None:
        names = ", ".join(table.name for table in tables)
        raise click.UsageError(f"one csv holds one table, and this result has several ({names}): add --out DIR")
    for message in result.messages:
        say(message)
    if out is not None:
        from gsm_bench.tables.render.folder import write_tables

        for path in write_tables(tables if several else [first], form, out, force=force, marks=marks):
            say(f"wrote {path}")
    elif several:
        print_tables(tables, form, marks)
    else:
        print_table(result.table(), form, marks)
    return 0 if result.complete else INCOMPLETE


def print_table(table: Table, form: str, marks: Sequence[Mark] | None = None) -> None:
    """Print a result to stdout."""
    print_tables([table], form, marks)


def print_tables(tables: Sequence[Table], form: str, marks: Sequence[Mark] | None = None) -> None:
    """Print a result of several tables to stdout."""
    from gsm_bench.tables.render import render_all

    _print(render_all(tables, form, width=_width(), colour=sys.stdout.isatty(), marks=marks), form)


def _print(text: str, form: str) -> None:
    (echo_drawn if form == "rich" else echo)(text)


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
