"""Tables of scores: our own exports as csv and parquet, and anybody's with an id column and a column per class.

Columns of an export: ``video_id`` (``row_id`` where the order is unverified), ``clip crop flip offset`` where there is
more than one view or its place is known, ``status`` where not all clips are scored, ``label.<task>``, and
``<task>.<kind>.<class>`` with the class name, or its number where names are not known. One row per clip and view.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import (
    Dump,
    label_numbers,
    read_provenance,
    refuse_doubles,
    score_rows,
)
from gsm_bench.importers.limits import require_memory
from gsm_bench.scorefile import AVERAGED, VIEW_TYPE
from gsm_bench.settings import Space

CLIP_ID, VIDEO_ID, ROW_ID, STATUS = "clip_id", "video_id", "row_id", "status"
ID_COLUMNS = (
    CLIP_ID, ROW_ID, "id", "ids", "clip_ids", VIDEO_ID, "video_ids", "narration_id", "uid", "video", "video_name", "name", "names",
    "filename", "clip",
)  # fmt: skip
LABEL_COLUMNS = ("label", "labels", "gt_label", "gt", "target", "action_label", "true_label")
SCORE_COLUMN = re.compile(rf"(action|verb|noun)\.({'|'.join(get_args(Space))})\.(.*)", re.DOTALL)
WORDS_PER_ROW = 100_000


@dataclass(frozen=True)
class Columns:
    """A table by columns: text or numbers, and one float64 array [rows, C] of the columns that are scores.

    Attributes:
        beside: columns that are no scores, by name.
        names: C names of the score columns.
        scores: float64 or float32 [rows, C].
    """

    beside: Mapping[str, Sequence[Any]]
    names: tuple[str, ...]
    scores: NDArray[np.floating]


def fits_csv(source: DumpSource) -> bool:
    if source.container != "text":
        return False
    lines = source.value[:2_000_000].split("\n", 2)
    mark = _delimiter(lines[0])
    if not mark or len(lines) < 2:
        return False
    header, first = csv.reader([line.rstrip("\r") for line in lines[:2]], delimiter=mark)
    return len(header) == len(first) > 1 and any(_is_number(word) for word in first[1:])


def read_csv(sources: list[DumpSource]) -> Dump:
    (source,) = sources
    require_memory(20 * len(source.value), "this table", source.path)
    return _as_dump(_parse_csv(source), "csv", source.path)


def fits_parquet(source: DumpSource) -> bool:
    return source.container == "parquet"


def read_parquet(sources: list[DumpSource]) -> Dump:
    (source,) = sources
    from pyarrow import ArrowException, parquet

    try:
        file = parquet.ParquetFile(source.path)
        require_memory(12 * file.metadata.num_rows * file.metadata.num_columns, "this table", source.path)
        table = file.read()
    except (ArrowException, OSError) as error:
        raise DumpError(
            f"this parquet file is cut short or damaged ({str(error).splitlines()[0][:160]})", where=source.path,
            fix="copy it again",
        )  from error  # fmt: skip
    dump = _as_dump(_arrow_columns(table, source.path), "parquet", source.path)
    text = (table.schema.metadata or {}).get(b"gsm_bench.provenance")
    return replace(dump, provenance=read_provenance(text.decode(), source.path)) if text else dump


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count) if any(mark in header for mark in ",;\t") else ""


def _parse_csv(source: DumpSource) -> Columns:
    delimiter = _delimiter(source.value.split("\n", 1)[0])
    csv.field_size_limit(WORDS_PER_ROW)
    try:
        rows = [row for row in csv.reader(source.value.splitlines(keepends=True), delimiter=delimiter) if row]
    except csv.Error as error:
        raise DumpError(f"this is no table of scores: {error}", where=source.path, fix="export it again") from error
    names = rows[0]
    if len(names) > 2 and all(_is_number(word) for word in names[1:]):  # no header: the id, then a score per class
        names = ["id", *map(str, range(len(names) - 1))]
    else:
        rows = rows[1:]
    short = next((at for at, row in enumerate(rows, start=2) if len(row) != len(names)), None)
    if short is not None or not rows:
        raise DumpError(
            f"this row has not the {len(names)} columns of the first"
            if rows
            else "this table has a header and no rows",
            where=f"{source.path}, row {short}" if short else source.path,
            fix="the table may be cut short: export it again",
        )
    beside = [at for at, name in enumerate(names) if _is_beside(name, at)]
    chosen = [at for at in range(len(names)) if at not in beside]
    return Columns(
        {names[at]: [row[at] for row in rows] for at in beside},
        tuple(names[at] for at in chosen),
        _csv_numbers(rows, chosen, names, source.path),
    )


def _is_beside(name: str, at: int) -> bool:
    if SCORE_COLUMN.fullmatch(name):
        return False
    known = {*ID_COLUMNS, *LABEL_COLUMNS, *(VIEW_TYPE.names or ()), STATUS}
    return name.lower() in known or name.startswith("label.") or (at == 0 and not name.isdecimal())


def _csv_numbers(rows: list[list[str]], chosen: list[int], names: list[str], where: Path) -> NDArray[np.float64]:
    out = np.empty((len(rows), len(chosen)))
    first, contiguous = chosen[0] if chosen else 0, chosen == list(range(chosen[0], len(names))) if chosen else False
    for at, row in enumerate(rows):
        try:
            out[at] = [float(word) for word in (row[first:] if contiguous else [row[column] for column in chosen])]
        except ValueError as error:
            raise DumpError(
                f"{error}: the columns of a table of scores are an id, labels and a number per class",
                where=f"{where}, row {at + 2}",
                fix="leave other columns out",
            ) from error
    return out


def _is_number(word: str) -> bool:
    try:
        return not math.isnan(float(word))
    except ValueError:
        return False


def _arrow_columns(table: Any, where: Path) -> Columns:
    beside: dict[str, Sequence[Any]] = {}
    names: list[str] = []
    arrays: list[NDArray[Any]] = []
    for at, name in enumerate(table.column_names):
        column = table.column(name)
        kind = str(column.type)
        if kind.startswith(("list", "large_list", "fixed_size_list")):
            matrix = score_rows([np.asarray(row) for row in column.to_pylist()], name, where)[:, 0]
            return Columns(beside, tuple(map(str, range(matrix.shape[1]))), matrix)
        if _is_beside(name, at):
            beside[name] = column.to_pylist()
        elif kind in ("float", "double", "halffloat") or kind.startswith(("int", "uint")):
            names.append(name)
            arrays.append(column.to_numpy())
        else:
            raise DumpError(f"the column {name!r} holds {kind}, not numbers", where=where, fix="leave it out")
    if not arrays:
        raise DumpError("this table has no columns of scores", where=where, fix="an id column and one column per class")
    return Columns(beside, tuple(names), np.stack(arrays, axis=1))


def _as_dump(columns: Columns, layout: str, where: Path) -> Dump:
    id_name = next((name for name in columns.beside if name.lower() in ID_COLUMNS), None) or next(
        iter(columns.beside), None
    )
    if id_name is None or not columns.names:
        raise DumpError(
            "this table has no id column, or no columns of scores", where=where,
            fix="the first column is the clip's id, the others have the classes' names",
        )  # fmt: skip
    texts = tuple(str(value) for value in columns.beside[id_name])
    views, ids, order = _views(columns, id_name, texts, where)
    clips, count = len(ids), len(views)
    scores, kinds, names = _by_task(columns, order, clips, count)
    labels = {
        task: label_numbers([int(columns.beside[name][row]) for row in order[::count]], clips, where)
        for name in columns.beside
        if (task := _label_task(name))
    }
    status = columns.beside.get(STATUS)
    return Dump(
        layout, scores, ids, labels, views, kinds=kinds, class_names=names,
        status=None if status is None else np.array([int(status[row]) for row in order[::count]], np.uint8),
        verified=id_name != ROW_ID,
    )  # fmt: skip


def _label_task(name: str) -> str:
    if name.startswith("label."):
        return name.removeprefix("label.")
    return "action" if name.lower() in LABEL_COLUMNS else ""


def _views(
    columns: Columns, id_name: str, texts: tuple[str, ...], where: Path
) -> tuple[NDArray[np.void], tuple[str, ...], NDArray[np.int64]]:
    """Views [V], ids [N], and the row of the table for each clip and view, int64 [N * V]."""
    fields = [name for name in (VIEW_TYPE.names or ()) if name in columns.beside and name != id_name]
    if len(fields) != len(VIEW_TYPE.names or ()):
        return AVERAGED, refuse_doubles(texts, where), np.arange(len(texts))
    rows = [tuple(float(columns.beside[name][at]) for name in fields) for at in range(len(texts))]
    keys = [tuple(-9.0 if math.isnan(part) else part for part in row) for row in rows]
    kinds = list(dict.fromkeys(keys))
    ids = tuple(dict.fromkeys(texts))
    place = {(name, key): row for row, (name, key) in enumerate(zip(texts, keys, strict=True))}
    if len(place) != len(texts) or len(texts) != len(ids) * len(kinds):
        raise DumpError(
            f"{len(ids):,} clips and {len(kinds)} views make {len(ids) * len(kinds):,} rows, this table has {len(texts):,}",
            where=where,
            fix="the table may be cut short: export it again",
        )
    first = dict(zip(reversed(keys), reversed(rows), strict=True))
    views = np.array([first[key] for key in kinds], dtype=VIEW_TYPE)
    return views, ids, np.array([place[name, key] for name in ids for key in kinds])


def _by_task(
    columns: Columns, order: NDArray[np.int64], clips: int, views: int
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Space], dict[str, tuple[str, ...]]]:
    """Scores float32 [N, V, C], kind and class names per task."""
    found = [SCORE_COLUMN.fullmatch(name) for name in columns.names]
    parts = [
        (match[1], match[2], match[3]) if match else ("action", "", name)
        for match, name in zip(found, columns.names, strict=True)
    ]
    scores, kinds, names = {}, {}, {}
    for task in dict.fromkeys(part[0] for part in parts):
        at = [place for place, part in enumerate(parts) if part[0] == task]
        whole = columns.scores if len(at) == len(parts) else columns.scores[:, at]
        scores[task] = whole.astype(np.float32)[order].reshape(clips, views, len(at))
        if parts[at[0]][1]:
            kinds[task] = parts[at[0]][1]
        called = tuple(parts[place][2] for place in at)
        if called != tuple(map(str, range(len(called)))):
            names[task] = called
    return scores, kinds, names  # type: ignore[return-value]
