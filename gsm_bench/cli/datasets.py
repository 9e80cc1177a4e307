"""``gsmbench datasets``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli import completing
from gsm_bench.cli.options import data_option, format_option, print_table, registry, workspace_option

if TYPE_CHECKING:
    from gsm_bench.splits import Split


@click.group("datasets", short_help="List, show and check data sets.")
def command() -> None:
    """The data sets of the registry, and whether their lists are read.

    \b
    Example:
      gsmbench datasets check ucf101 --data ~/ucf101
    """


@command.command("list")
@format_option
@workspace_option
def list_datasets(*, form: str) -> int:
    """List the data sets with their classes and splits.

    \b
    Example:
      gsmbench datasets list
    """
    from gsm_bench.tables.table import Column, Table

    entries = registry()[1].datasets.values()
    rows = tuple(
        {
            "name": entry.name,
            "title": entry.title,
            "classes": ", ".join(f"{count or '?'} {task}" for task, count in entry.tasks.items()),
            "splits": ", ".join(entry.splits),
        }
        for entry in entries
    )
    columns = (
        Column("name", "Name"),
        Column("title", "Data set"),
        Column("classes", "Classes"),
        Column("splits", "Splits"),
    )
    print_table(Table("Data sets", columns, (rows,), name="datasets"), form)
    return 0


@command.command("show")
@click.argument("name", shell_complete=completing.dataset_name)
@format_option
@workspace_option
def show(*, name: str, form: str) -> int:
    """Show the files that a data set is read from.

    \b
    Example:
      gsmbench datasets show ucf101
    """
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    entry = manifest.dataset(name)
    lines = [
        ("layout", entry.layout),
        ("class order", entry.class_order),
        ("class files", f"{' or '.join(entry.class_files)} beside the lists" if entry.class_files else "none"),
        (
            "frames",
            f"{' or '.join(entry.frame_patterns)} below {', '.join(entry.frame_roots)}; or a video or archive each",
        ),
        *((f"list of {split}", " or ".join(one.lists)) for split, one in entry.splits.items()),
        ("put them in", str(workspace.data / entry.folder)),
        *([("get them from", entry.url)] if entry.url else []),
        *([("notes", entry.notes)] if entry.notes else []),
    ]
    rows = tuple({"what": what, "value": value} for what, value in lines)
    columns = (Column("what", entry.name), Column("value", ""))
    print_table(Table(entry.title, columns, (rows,), name=entry.name), form)
    return 0


@command.command("check")
@click.argument("name", shell_complete=completing.dataset_name)
@data_option
@format_option
@workspace_option
def check(*, name: str, data: Path | None, form: str) -> int:
    """Read every list of a data set that is there; exit 1 if one cannot be read, or none is there.

    \b
    Example:
      gsmbench datasets check ucf101 --data ~/ucf101
    """
    from gsm_bench.errors import SplitError
    from gsm_bench.layouts.rows import lists_there
    from gsm_bench.splits import read_split
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    entry = manifest.dataset(name)
    place = data or workspace.data / entry.folder
    if not place.is_dir():
        raise SplitError(f"no directory of {name} here", where=place, fix="name it with --data DIR")
    present = lists_there(place, entry)
    if not present:
        raise SplitError(
            f"no list of {name} in this directory", where=place, fix=f"gsmbench datasets show {name} names its files"
        )
    rows = []
    for name_of_split in present:
        split = read_split(entry, name_of_split, place)
        rows.append({
            "split": name_of_split, "videos": len(split), "full": split.full_size,
            "labels": _labels_text(split),
            "first": split.ids[0], "release": split.version or "unknown", "list": str(split.list_path),
        })  # fmt: skip
    columns = (
        Column("split", "Split"), Column("videos", "Videos", "count"), Column("full", "Complete", "count"),
        Column("labels", "Labels"), Column("first", "First id"),
        *([Column("release", "Release")] if any(one.versions for one in entry.splits.values()) else []),
        Column("list", "List"),
    )  # fmt: skip
    print_table(Table(entry.title, columns, (tuple(rows),), name=name), form)
    return 0


def _labels_text(split: Split) -> str:
    """The lowest and highest class number of a split."""
    if split.label_sets is not None:
        return f"{split.label_sets.sum() / len(split):.2f} per video"
    label = next(iter(split.labels.values()), None)
    return "none" if label is None else f"{label.min()}..{label.max()}"
