"""``gsmbench compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.evaluate import labelled_truth
from gsm_bench.cli.options import (
    INCOMPLETE,
    actions_option,
    data_option,
    format_option,
    print_tables,
    registry,
    split_options,
    workspace_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gsm_bench.ensembles.members import OpenMember
    from gsm_bench.settings import ActionSource


@click.command("compare", short_help="Test whether two results differ, and show where.")
@click.argument("first")
@click.argument("second")
@click.option("--videos", "list_videos", is_flag=True, help="List the videos that only one of the two has right.")
@click.option("--why", is_flag=True, help="List the settings that differ, and how many predictions they change.")
@click.option(
    "--most",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    metavar="N",
    help="Pairs of classes shown per result.",
)
@actions_option
@split_options
@data_option
@format_option
@workspace_option
def command(
    first: str, second: str, list_videos: bool, why: bool, most: int, actions: ActionSource | None, dataset: str | None,
    split: str | None, data: Path | None, form: str,
) -> int:  # fmt: skip
    """Compare two results video by video: models, score files, ensembles, or members separated by commas.

    Prints the difference with its interval and an exact paired test, and the classes whose videos flip.

    \b
    Example:
      gsmbench compare En3 inv3_12f@2
      gsmbench compare scores/x.h5 scores/y.h5 --why
    """
    from gsm_bench.ensembles.members import named_members, open_members, shared_out
    from gsm_bench.evaluation.compare import Side, compare
    from gsm_bench.tables.comparison import classes_table, difference_table, videos_table
    from gsm_bench.tables.notes import order_notes
    from gsm_bench.tables.settings_diff import settings_diff_table
    from gsm_bench.tables.table import with_notes

    workspace, manifest = registry()
    specs, space = named_members(first, manifest, workspace, dataset, split)
    others, other_space = named_members(second, manifest, workspace, dataset, split)
    with open_members([*specs, *others]) as opened:
        truth = labelled_truth(opened[0].head, manifest, workspace, data)
        labels = short_names((first, second)) if first != second else ["first", "second"]
        comparison = compare(
            Side(labels[0], shared_out(opened[: len(specs)]), space),
            Side(labels[1], shared_out(opened[len(specs) :]), other_space),
            truth,
            actions,
        )
        tables = [with_notes(difference_table(comparison), order_notes(opened))]
        if why:
            tables.append(settings_diff_table(comparison))
        if truth.labels:
            flips = videos_table(comparison) if list_videos else classes_table(comparison, most)
            tables += [flips] if flips.rows or form in ("csv", "json") else []
        print_tables(tables, form)
        return INCOMPLETE if _incomplete(opened) else 0


def short_names(names: Sequence[str]) -> list[str]:
    """Names for a table: the stems of score files, or full names where two stems are equal."""
    short = [",".join(_stem(part) for part in text.split(",")) for text in names]
    return short if len(set(short)) == len(short) else list(names)


def _stem(text: str) -> str:
    return Path(text).stem if text.endswith((".h5", ".hdf5")) else text


def _incomplete(members: list[OpenMember]) -> bool:
    from gsm_bench.scorefile import NOT_SCORED

    return any(bool((member.status == NOT_SCORED).any()) for member in members)
