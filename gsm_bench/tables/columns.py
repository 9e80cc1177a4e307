"""Columns that a table may have, chosen by name, and rows sorted or set side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gsm_bench.errors import TaskError
from gsm_bench.tables.render.cells import is_unknown
from gsm_bench.tables.table import Column, Table

CATALOGUE = {
    "label": Column("label", "Model"),
    "place": Column("place", "Split"),
    "backbone": Column("backbone", "Backbone"),
    "pretraining": Column("pretraining", "Pretraining"),
    "frames": Column("frames", "Frames"),
    "params": Column("params", "Params\n(M)", "mega"),
    "gflops": Column("macs_paper", "GFLOPs", "giga"),
    "top1": Column("top1", "Top-1", "percent", "highest"),
    "top5": Column("top5", "Top-5", "percent", "highest"),
    "mean_class": Column("mean_class", "Mean\nclass", "percent", "highest"),
    "gain": Column("gain", "Gain", "points"),
    "p": Column("top1_p", "p", "p"),
    "published_top1": Column("published_top1", "Paper\nTop-1", "percent"),
    "published_top5": Column("published_top5", "Paper\nTop-5", "percent"),
    "verdict": Column("verdict", "Repro-\nduced"),
    "videos": Column("videos", "Videos"),
    "source": Column("source", "Source"),
    "file": Column("file", "Score file"),
}
"""Columns by the name that `--columns` and ``columns`` in tables.toml give them."""
WIDE = ("top1", "top5", "mean_class", "gain", "videos")
"""Columns that each split has for itself where splits stand side by side."""


def choose_columns(names: Iterable[str], others: Sequence[Column] = ()) -> tuple[Column, ...]:
    """Columns by name: of the catalogue, or of those that the table has.

    Raises:
        TaskError: there is no such column.
    """
    known = {column.key: column for column in others} | CATALOGUE
    chosen = []
    for name in names:
        if name not in known:
            raise TaskError(f"no column {name!r}", fix=", ".join(known))
        chosen.append(known[name])
    return tuple(chosen)


def with_headings(columns: Iterable[Column], headings: Mapping[str, str]) -> tuple[Column, ...]:
    """The columns with other headings, by the name of a column."""
    by_key = {CATALOGUE[name].key: title for name, title in headings.items() if name in CATALOGUE}
    return tuple(replace(column, title=by_key.get(column.key, column.title)) for column in columns)


def sorted_by(table: Table, name: str) -> Table:
    """All rows in one block, the best of a column first: the highest accuracy, the lowest cost; unknown values last.

    Raises:
        TaskError: there is no such column.
    """
    (column,) = choose_columns([name], table.columns)
    numbers = column.unit != "text"

    def place(row: Mapping[str, Any]) -> Any:
        value = row[column.key]
        return -value if column.best == "highest" or column.unit == "points" else value if numbers else str(value)

    known = [row for row in table.rows if not is_unknown(row.get(column.key))]
    unknown = [row for row in table.rows if is_unknown(row.get(column.key))]
    return replace(table, blocks=((*sorted(known, key=place), *unknown),))


def side_by_side(table: Table) -> Table:
    """One row per model and frames, with the accuracies of each split in columns of its own."""
    places = list(dict.fromkeys(row["place"] for row in table.rows if row.get("place")))
    wide = [column for column in table.columns if column.key in WIDE]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in table.rows:
        own = rows.setdefault((row["label"], row["frames"], row.get("source")), dict(_apart_from(row, wide)))
        own |= {f"{row.get('place')}:{key}": value for key, value in row.items() if _belongs(key, wide)}
    columns = [column for column in table.columns if column not in wide and column.key != "place"]
    for place in places:
        columns += [replace(one, key=f"{place}:{one.key}", title=f"{place}\n{one.title}") for one in wide]
    return replace(table, columns=tuple(columns), blocks=(tuple(rows.values()),))


def _apart_from(row: Mapping[str, Any], wide: Sequence[Column]) -> Iterable[tuple[str, Any]]:
    apart = ("place", "dataset", "split", "limit", "file", "files")
    return ((key, value) for key, value in row.items() if not _belongs(key, wide) and key not in apart)


def _belongs(key: str, wide: Sequence[Column]) -> bool:
    """Whether a value belongs to the columns of one split: an accuracy, its interval, its test."""
    return any(key == column.key or key.startswith(f"{column.key}_") for column in wide) or key in ("file", "files")
