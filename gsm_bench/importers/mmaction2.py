"""Dumps of mmaction2 and pyskl: 1.x lists of dicts, 0.x lists of arrays. No ids in either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, ReadOptions, is_row, labels_if_single, score_rows, unknown_views

ID_KEYS = ("frame_dir", "filename", "video_path")
"""What a sample's meta data may name its video by."""


def fits_new(source: DumpSource) -> bool:
    value = source.value
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and bool(_score_key(value[0]))


def read_new(sources: list[DumpSource], options: ReadOptions) -> Dump:
    """List of dicts: `pred_score` (C,) or (V, C), `gt_label` of one class; before 1.0 both inside a dict `item`."""
    (source,) = sources
    where, rows = source.path, source.value
    key = _score_key(rows[0])
    at = next((at for at, row in enumerate(rows) if not isinstance(row, dict) or key not in row), None)
    if at is not None:
        raise DumpError(f"row {at} of this mmaction2 dump has no {key}", where=where, fix="dump again")
    values, head_notes = _one_head([_item(row[key]) for row in rows], key, options.head, where)
    scores = score_rows(values, key, where)
    labels, label_notes = _labels(rows, where)
    ids, id_notes = _ids(rows)
    return Dump(
        "mmaction2", {"action": scores}, ids, labels, unknown_views(scores.shape[1]), usual="probabilities",
        notes=(*head_notes, *label_notes, *id_notes),
    )  # fmt: skip


def _one_head(values: list[Any], key: str, head: str | None, where: Path) -> tuple[list[Any], tuple[str, ...]]:
    """The scores of one head where each row holds a dict of them; raises DumpError where the user has to choose."""
    if not isinstance(values[0], dict):
        if head:
            raise DumpError(f"{key} holds one head, without a name", where=where, fix="remove --head")
        return values, ()
    names = {str(name): name for name in values[0]}
    chosen = head if head else next(iter(names)) if len(names) == 1 else ""
    if chosen not in names:
        raise DumpError(
            f"{key} holds {len(names)} heads: {', '.join(names)}", where=where,
            fix=", or ".join(f"--head {name}" for name in names),
        )  # fmt: skip
    at = next((at for at, row in enumerate(values) if not isinstance(row, dict) or names[chosen] not in row), None)
    if at is not None:
        raise DumpError(f"{key} of row {at} has no head {chosen}", where=where, fix="choose a head that every row has")
    return [row[names[chosen]] for row in values], (f"{key} is that of the head {chosen}",)


def _labels(rows: Sequence[Mapping[str, Any]], where: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    key = next((name for name in ("gt_label", "gt_labels") if any(name in row for row in rows)), None)
    if key is None:
        return {}, ()
    return labels_if_single([_item(row.get(key)) for row in rows], len(rows), "action", where)


def fits_old(source: DumpSource) -> bool:
    value = source.value
    if source.container not in ("pickle", "torch") or not isinstance(value, list) or not value or not is_row(value[0]):
        return False
    views = len(value[0]) if np.ndim(value[0]) > 1 else 1
    return views < max(len(value), 2) and (len(value) != 2 or is_row(value[1]))  # otherwise outputs of all videos


def read_old(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """List of arrays (C,) or (V, C)."""
    (source,) = sources
    scores = score_rows(source.value, "the list", source.path)
    return Dump("mmaction2-0.x", {"action": scores}, views=unknown_views(scores.shape[1]))


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
                return stems, (f"video ids are the names in {key}, without folder and ending",)
    return None, ()
