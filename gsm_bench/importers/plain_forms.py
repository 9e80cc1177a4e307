"""Forms that no project's reader has: dicts by id, lists of records, columns, bare arrays; pickled, JSON, npy or npz."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.arrays import SCORE_NAMES, first_name, has_columns, read_columns
from gsm_bench.importers.columns import ID_COLUMNS, LABEL_COLUMNS
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import (
    Dump,
    Ints,
    ReadOptions,
    is_numeric,
    is_row,
    is_row_of_numbers,
    labels_if_single,
    score_array,
    score_rows,
    text_ids,
    unknown_views,
)
from gsm_bench.settings import Space

WRAPPERS = ("results", "predictions", "data", "videos")
"""Keys under which a document may hold everything."""
NO_IDS = "the file holds scores alone, without ids or labels"
LOOKED_AT = 20
Entry = tuple[Any, Any, Any]
"""Id, scores and label of one video; None where it has none."""


def fits_any(source: DumpSource) -> bool:
    value = _unwrapped(source.value)
    if is_numeric(value, 2, 3) or (isinstance(value, list) and _are_rows(value)):
        return True
    return bool(_entry_list(value)) or (isinstance(value, dict) and _are_columns(value))


def read_any(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """Columns, entries per video, or scores alone."""
    (source,) = sources
    value, where = _unwrapped(source.value), source.path
    if isinstance(value, dict) and _are_columns(value):
        return read_columns(value, "plain", where)
    entries = _entry_list(value)
    if entries:
        return _from_entries(entries, _declared_kind(value), where)
    scores = score_array(value, "the file", where)
    if scores.shape[1] > len(scores):
        raise DumpError(
            f"an array of {len(scores)} videos with {scores.shape[1]} views each: the axes may be in another order",
            where=where,
            fix="save (videos, views, classes), or ids with the scores: np.savez(FILE, ids=.., scores=..)",
        )
    return Dump("plain", {"action": scores}, views=unknown_views(scores.shape[1]), notes=(NO_IDS,))


def _unwrapped(value: Any) -> Any:
    """The content of a document that holds it under one key; scores and labels by id become one dict."""
    if isinstance(value, dict):
        key = first_name(value, (*WRAPPERS, *SCORE_NAMES))
        label_key = first_name(value, LABEL_COLUMNS)
        if key and isinstance(value[key], dict):
            labels = value[label_key] if label_key else None
            if isinstance(labels, dict):
                return {name: (row, labels.get(name, -1)) for name, row in value[key].items()}
            return value[key]
        if key in WRAPPERS and isinstance(value[key], list) and not has_columns(value):
            return value[key]
    if isinstance(value, list) and value and all(_is_one_entry(line) for line in value):
        return [(name, row) for line in value for name, row in line.items()]
    return value


def _is_one_entry(line: Any) -> bool:
    """A line ``{id: scores}`` of JSON lines."""
    return isinstance(line, dict) and len(line) == 1 and _entry("", next(iter(line.values()))) is not None


def _are_rows(value: Sequence[Any]) -> bool:
    return bool(value) and all(is_row(row) for row in value[:LOOKED_AT])


def _are_columns(value: Mapping[str, Any]) -> bool:
    """Whether a dict holds scores of N videos under a usual name."""
    key = first_name(value, SCORE_NAMES)
    if key is None:
        return False
    scores = value[key]
    return is_numeric(scores, 2, 3, 4) or (isinstance(scores, list) and _are_rows(scores) and len(scores) > 1)


def _entry_list(value: Any) -> list[Entry]:
    """The entries of a dict by id, of a list of records, or of pairs; empty where a value is neither."""
    pairs: Iterator[tuple[Any, Any]]
    if isinstance(value, dict):
        pairs = iter(value.items())
    elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        id_key = first_name(value[0], ID_COLUMNS)
        if id_key is None:
            return []
        pairs = ((row.get(id_key), row) for row in value)
    elif isinstance(value, list) and value and all(isinstance(row, tuple) and len(row) == 2 for row in value):
        pairs = iter(value)
    else:
        return []
    entries = []
    for name, content in pairs:
        entry = _entry(name, content)
        if entry is None or not isinstance(name, str | int | bytes):
            return []
        entries.append(entry)
    return entries


def _entry(name: Any, content: Any) -> Entry | None:
    """Scores and label from a row, a pair (row, label), or a dict of both."""
    if is_row(content):
        return name, content, None
    if isinstance(content, list | tuple) and len(content) == 2 and is_row(content[0]) and np.size(content[1]) >= 1:
        return name, content[0], content[1]
    if isinstance(content, dict):
        key, label_key = first_name(content, SCORE_NAMES), first_name(content, LABEL_COLUMNS)
        if key is not None and is_row_of_numbers(content[key]):
            return name, content[key], content[label_key] if label_key else None
    return None


def _declared_kind(value: Any) -> Space | None:
    """The kind that the name of the scores in the first record declares."""
    record = value[0] if isinstance(value, list) else next(iter(value.values()))
    record = record[1] if isinstance(record, tuple) and len(record) == 2 else record
    key = first_name(record, SCORE_NAMES) if isinstance(record, dict) else None
    return SCORE_NAMES[key] if key else None


def _from_entries(entries: list[Entry], kind: Space | None, where: Path) -> Dump:
    ids = text_ids([name for name, _, _ in entries], len(entries), where)
    scores = score_rows([row for _, row, _ in entries], "the file", where)
    labels: dict[str, Ints] = {}
    notes: tuple[str, ...] = ()
    unlabelled = [label is None for _, _, label in entries]
    if not all(unlabelled):
        known = [-1 if label is None else label for _, _, label in entries]
        if any(isinstance(label, str) for label in known):
            raise DumpError(
                "labels are text, not class numbers", where=where, fix="write class numbers, or leave labels out"
            )
        labels, notes = labels_if_single(known, len(entries), "action", where)
    return Dump(
        "plain", {"action": scores}, ids, labels, unknown_views(scores.shape[1]),
        kinds={"action": kind} if kind else {}, notes=notes,
    )  # fmt: skip
