"""Dumps of mmaction2 and pyskl: 1.x lists of dicts, 0.x lists of arrays. No ids in either."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, is_row, label_numbers, score_rows

ID_KEYS = ("frame_dir", "filename", "video_path")
"""What a sample's meta data may name its video by."""


def fits_new(source: DumpSource) -> bool:
    value = source.value
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and bool(_score_key(value[0]))


def read_new(sources: list[DumpSource]) -> Dump:
    """List of dicts: `pred_score` (C,), `gt_label` of one class; before 1.0 both inside a dict `item`."""
    (source,) = sources
    where, rows = source.path, source.value
    key = _score_key(rows[0])
    at = next((at for at, row in enumerate(rows) if not isinstance(row, dict) or key not in row), None)
    if at is not None:
        raise DumpError(f"row {at} of this mmaction2 dump has no {key}", where=where, fix="dump again")
    scores = score_rows([_item(row[key]) for row in rows], key, where)
    label_key = next((name for name in ("gt_label", "gt_labels") if name in rows[0]), None)
    labels = {}
    if label_key and all(label_key in row for row in rows):
        labels["action"] = label_numbers([_item(row[label_key]) for row in rows], len(rows), where)
    ids, notes = _ids(rows)
    return Dump("mmaction2", {"action": scores}, ids, labels, usual="probabilities", notes=notes)


def fits_old(source: DumpSource) -> bool:
    value = source.value
    return isinstance(value, list) and len(value) > 0 and is_row(value[0]) and (len(value) != 2 or is_row(value[1]))


def read_old(sources: list[DumpSource]) -> Dump:
    """List of arrays (C,)."""
    (source,) = sources
    return Dump("mmaction2-0.x", {"action": score_rows(source.value, "the list", source.path)})


def _score_key(row: Mapping[str, Any]) -> str:
    return next((name for name in ("pred_score", "pred_scores") if name in row), "")


def _item(value: Any) -> Any:
    return value["item"] if isinstance(value, dict) and "item" in value else value


def _ids(rows: list[Mapping[str, Any]]) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Video names from the meta data, where all rows have one and no two the same."""
    for key in ID_KEYS:
        names = [row.get(key) for row in rows]
        if all(isinstance(name, str) and name for name in names):
            stems = tuple(Path(str(name)).stem if key != "frame_dir" else Path(str(name)).name for name in names)
            if len(set(stems)) == len(stems):
                return stems, (f"clip ids are the names in {key}, without folder and ending",)
    return None, ()
