"""Tables of scores: our own exports as csv and parquet, and other people's with a column per class.

Columns of an export: ``video_id`` (``row_id`` where the order is unverified; older ones ``clip_id``), ``clip crop flip
offset`` where there is more than one view or its place is known, ``status`` where not all videos are scored,
``label.<task>``, and ``<task>.<kind>.<class>`` with the class name, or its number where names are not known. One row per
video and view. In other tables, `roles` decides what each column is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.columns import (
    ID_COLUMNS,
    LABEL_COLUMNS,
    ROW_ID,
    STATUS,
    VIEW_COLUMNS,
    ScoreColumn,
    label_values,
)
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.delimited import read_columns, table_shape, without_hint
from gsm_bench.importers.dump import (
    Dump,
    Ints,
    ReadOptions,
    label_numbers,
    read_provenance,
    refuse_doubles,
    score_rows,
    text_ids,
    unknown_views,
)
from gsm_bench.importers.limits import require_memory
from gsm_bench.importers.roles import assign_roles
from gsm_bench.scorefile import AVERAGED, VIEW_TYPE
from gsm_bench.settings import Space

SCORE_COLUMN = re.compile(rf"(action|verb|noun)\.({'|'.join(get_args(Space))})\.(.*)", re.DOTALL)
AS_TEXT = (*ID_COLUMNS, *LABEL_COLUMNS, *VIEW_COLUMNS, STATUS)


def fits_csv(source: DumpSource) -> bool:
    return source.container == "text" and table_shape(without_hint(source.value)) is not None


def read_csv(sources: list[DumpSource], options: ReadOptions) -> Dump:
    """A table with or without a header, separated by commas, semicolons, tabs or blanks."""
    (source,) = sources
    require_memory(20 * len(source.value), "this table", source.path)
    text = without_hint(source.value)
    shape = table_shape(text)
    assert shape is not None
    chosen = [name.lower() for name in (options.id_column, options.label_column) if name]
    columns = read_columns(text, shape, (*AS_TEXT, *chosen), source.path)
    return _as_dump(columns, "csv", shape.names is not None, options, source.path)


def fits_parquet(source: DumpSource) -> bool:
    return source.container == "parquet"


def read_parquet(sources: list[DumpSource], options: ReadOptions) -> Dump:
    """A table with a column per class, or with one column of lists."""
    (source,) = sources
    from pyarrow import ArrowException, parquet

    try:
        file = parquet.ParquetFile(source.path, page_checksum_verification=True)
        require_memory(12 * file.metadata.num_rows * file.metadata.num_columns, "this table", source.path)
        table = file.read()
    except (ArrowException, OSError) as error:
        raise DumpError(
            f"this parquet file is cut short or damaged ({str(error).splitlines()[0][:160]})", where=source.path,
            fix="copy it again",
        )  from error  # fmt: skip
    _check_columns(table, source.path)
    lists = [name for name in table.column_names if "list" in str(table.column(name).type)]
    columns = [_arrow_column(name, table.column(name)) for name in table.column_names if name not in lists]
    if lists:
        return _with_lists(columns, lists, table, options, source.path)
    dump = _as_dump(columns, "parquet", True, options, source.path)
    provenance = (table.schema.metadata or {}).get(b"gsm_bench.provenance")
    return replace(dump, provenance=read_provenance(provenance.decode(), source.path)) if provenance else dump


def _check_columns(table: Any, where: Path) -> None:
    """Refuse a table of this package whose columns are not those that were written: their names have no checksum."""
    written = (table.schema.metadata or {}).get(b"gsm_bench.columns")
    if written is None:
        return
    try:
        names = json.loads(written)
    except ValueError:
        names = []
    if names != table.column_names:
        names = names if isinstance(names, list) else []
        odd = next((name for name in table.column_names if name not in names), None)
        what = f"its column {odd!r} is not one of those" if odd is not None else "its columns are not those"
        raise DumpError(
            f"this parquet file was damaged or changed: {what} that were written", where=where,
            fix="copy or export it again; after a change of your own, drop gsm_bench.columns from its metadata",
        )  # fmt: skip


def _arrow_column(name: str, column: Any) -> ScoreColumn:
    kind = str(column.type)
    if kind in ("float", "double", "halffloat") or kind.startswith(("int", "uint")):
        return ScoreColumn(name, column.to_numpy().astype(np.float64), None)
    words = ["" if value is None else str(value) for value in column.to_pylist()]
    return ScoreColumn(name, np.full(len(words), np.nan), words)


def _with_lists(columns: list[ScoreColumn], lists: list[str], table: Any, options: ReadOptions, where: Path) -> Dump:
    """Scores from one column that holds a list per row."""
    if len(lists) > 1:
        raise DumpError(
            f"{len(lists)} columns hold lists: {', '.join(lists)}", where=where, fix="keep the column of scores alone"
        )
    scores = score_rows([np.asarray(row) for row in table.column(lists[0]).to_pylist()], lists[0], where)
    numbered = [ScoreColumn(str(at), np.asarray(scores[:, 0, at], np.float64), None) for at in range(scores.shape[2])]
    roles = assign_roles([*columns, *numbered], True, replace(options, class_names=()), where)
    labels = {} if roles.label is None else {"action": label_values(columns[roles.label], options.class_names, where)}
    ids = None if roles.ids is None else _texts(columns[roles.ids])
    return Dump(
        "parquet", {"action": scores}, None if ids is None else text_ids(ids, len(scores), where), labels,
        unknown_views(scores.shape[1]), notes=roles.notes,
    )  # fmt: skip


def _texts(column: ScoreColumn) -> list[str]:
    return [column.text(row) for row in range(len(column.numbers))]


def _exact(column: ScoreColumn) -> Sequence[str]:
    """Ids of our own export, also those with blanks at an end."""
    return _texts(column) if column.words is None else column.words


def _as_dump(columns: list[ScoreColumn], name: str, has_header: bool, options: ReadOptions, where: Path) -> Dump:
    if has_header and any(SCORE_COLUMN.fullmatch(column.name) for column in columns):
        return _own_export(columns, name, where)
    return _table(columns, name, has_header, options, where)


def _table(columns: list[ScoreColumn], name: str, has_header: bool, options: ReadOptions, where: Path) -> Dump:
    """A table whose columns have no declared roles."""
    roles = assign_roles(columns, has_header, options, where)
    classes = [columns[at] for at in roles.classes]
    names = tuple(column.name for column in classes)
    ids = None if roles.ids is None else _texts(columns[roles.ids])
    if ids is None:
        views, unique, order = AVERAGED, None, np.arange(len(classes[0].numbers))
    else:
        views, unique, order = _views([columns[at] for at in roles.views], tuple(ids), where)
    matrix = np.stack([column.numbers for column in classes], axis=1).astype(np.float32)
    scores = matrix[order].reshape(-1, len(views), len(classes))
    labels: dict[str, Ints] = {}
    if roles.label is not None:
        known = options.class_names if roles.numbered and options.class_names else names
        labels["action"] = label_values(columns[roles.label], known, where)[order[:: len(views)]]
    return Dump(
        name, {"action": scores}, unique, labels, views,
        class_names={} if roles.numbered else {"action": names}, notes=roles.notes,
        verified=roles.ids is None or columns[roles.ids].name != ROW_ID,
    )  # fmt: skip


def _own_export(columns: list[ScoreColumn], name: str, where: Path) -> Dump:
    """The columns of our own export, by their names."""
    others = {column.name: column for column in columns if not SCORE_COLUMN.fullmatch(column.name)}
    id_name = next((key for key in others if key.lower() in ID_COLUMNS), None) or next(iter(others), None)
    if id_name is None:
        raise DumpError("this export has no column of ids", where=where, fix="export it again")
    views, ids, order = _views(
        [others[key] for key in VIEW_COLUMNS if key in others and key != id_name], tuple(_exact(others[id_name])), where
    )
    count = len(views)
    scores, kinds, names = _by_task([column for column in columns if column.name not in others], order, len(ids), count)
    labels = {
        key.removeprefix("label."): label_numbers(column.numbers[order[::count]], len(ids), where)
        for key, column in others.items()
        if key.startswith("label.")
    }
    status = others.get(STATUS)
    return Dump(
        name, scores, ids, labels, views, kinds=kinds, class_names=names,
        status=None if status is None else status.numbers[order[::count]].astype(np.uint8),
        verified=id_name != ROW_ID,
    )  # fmt: skip


def _views(
    places: Sequence[ScoreColumn], texts: tuple[str, ...], where: Path
) -> tuple[NDArray[np.void], tuple[str, ...], NDArray[np.int64]]:
    """Views [V], ids [N], and the row of the table for each video and view, int64 [N * V]."""
    if len(places) != len(VIEW_COLUMNS):
        return AVERAGED, refuse_doubles(texts, where), np.arange(len(texts))
    rows = [tuple(row) for row in np.stack([column.numbers for column in places], axis=1).tolist()]
    keys = [tuple(-9.0 if math.isnan(part) else part for part in row) for row in rows]
    kinds = list(dict.fromkeys(keys))
    ids = tuple(dict.fromkeys(texts))
    place = {(name, key): row for row, (name, key) in enumerate(zip(texts, keys, strict=True))}
    if len(place) != len(texts) or len(texts) != len(ids) * len(kinds):
        raise DumpError(
            f"{len(ids):,} videos and {len(kinds)} views make {len(ids) * len(kinds):,} rows, this table has {len(texts):,}",
            where=where,
            fix="the table may be cut short: export it again",
        )
    first = dict(zip(reversed(keys), reversed(rows), strict=True))
    views = np.array([first[key] for key in kinds], dtype=VIEW_TYPE)
    return views, ids, np.array([place[name, key] for name in ids for key in kinds])


@dataclass(frozen=True)
class _ExportColumn:
    task: str
    kind: str
    label: str
    values: NDArray[np.float64]


def _by_task(
    columns: Sequence[ScoreColumn], order: NDArray[np.int64], videos: int, views: int
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Space], dict[str, tuple[str, ...]]]:
    """Scores float32 [N, V, C], kind and class names per task."""
    matches = [(SCORE_COLUMN.fullmatch(column.name), column.numbers) for column in columns]
    parsed = [_ExportColumn(match[1], match[2], match[3], values) for match, values in matches if match]
    scores: dict[str, NDArray[np.float32]] = {}
    kinds: dict[str, Any] = {}
    names: dict[str, tuple[str, ...]] = {}
    for task in dict.fromkeys(column.task for column in parsed):
        mine = [column for column in parsed if column.task == task]
        matrix = np.stack([column.values for column in mine], axis=1).astype(np.float32)
        scores[task] = matrix[order].reshape(videos, views, len(mine))
        kinds[task] = mine[0].kind
        called = tuple(column.label for column in mine)
        if called != tuple(map(str, range(len(called)))):
            names[task] = called
    return scores, kinds, names
