"""Dumps of EPIC-KITCHENS models: SlowFast, the challenge's baselines, TBN, MTCN. Verb and noun, with ids in most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import (
    Dump,
    Ints,
    ReadOptions,
    labels_if_single,
    score_array,
    score_rows,
    text_ids,
    unknown_views,
)

TASKS = ("verb", "noun", "action")
ID_KEYS = ("narration_id", "uid", "segment_id", "clip_id")


def fits_baseline(source: DumpSource) -> bool:
    """The list; the dict too, which detection gives to ``epic-arrays``."""
    value = source.value
    if isinstance(value, dict):
        return fits_arrays(source)
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and bool(_outputs(value[0]))


def read_baseline(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """The baselines' list of ``{verb_output, noun_output, narration_id[, video_id]}``, one per segment, or dict of arrays."""
    (source,) = sources
    if isinstance(source.value, dict):
        return _read_arrays(source, "epic-baseline")
    rows, where = source.value, source.path
    keys = _outputs(rows[0])
    id_key = next((key for key in ID_KEYS if key in rows[0]), None)
    needed = {*keys.values(), *([id_key] if id_key else [])}
    at = next((at for at, row in enumerate(rows) if not isinstance(row, dict) or not needed <= row.keys()), None)
    if at is not None:
        raise DumpError(f"row {at} does not have all of {', '.join(sorted(needed))}", where=where, fix="dump again")
    scores = {task: score_rows([row[key] for row in rows], key, where) for task, key in keys.items()}
    ids = text_ids([row[id_key] for row in rows], len(rows), where) if id_key else None
    return Dump("epic-baseline", scores, ids, views=unknown_views(_views_of(scores, where)))


def fits_arrays(source: DumpSource) -> bool:
    return isinstance(source.value, dict) and _axes(source.value) in (2, 3)


fits_slowfast = fits_mtcn = fits_arrays


def read_slowfast(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """EPIC-100 SlowFast: sums of softmax over views."""
    return _read_arrays(sources[0], "epic-slowfast")


def read_arrays(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """MTCN, the baselines and SlowFast write the same dict; only the values tell sums of softmax from logits."""
    return _read_arrays(sources[0], "epic-arrays")


def read_mtcn(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """MTCN: logits."""
    return _read_arrays(sources[0], "mtcn")


def fits_tbn(source: DumpSource) -> bool:
    value = source.value
    if not isinstance(value, dict):
        return False
    return _axes(value) == 4 or bool(_outputs(_inner(value)) and "scores" in value)


def read_tbn(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """TBN: outputs (N, segments, 1, C) and ids; older files hold them in a dict `scores`."""
    return _read_arrays(sources[0], "tbn")


def _inner(value: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = value.get("scores")
    return inner if isinstance(inner, dict) else value


def _axes(value: Mapping[str, Any]) -> int:
    """Axes of the outputs of a dict of arrays, or of lists with a row per segment; 0 where it has none."""
    outputs = [value[key] for key in _outputs(value).values()]
    if not outputs:
        return 0
    if all(isinstance(array, np.ndarray) for array in outputs):
        return int(outputs[0].ndim)
    return 1 + np.ndim(outputs[0][0]) if all(isinstance(rows, list) for rows in outputs) else 0


def _outputs(value: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a dict that hold scores, by task."""
    keys = {task: next((key for key in (f"{task}_output", task) if _are_scores(value.get(key))), "") for task in TASKS}
    return {task: key for task, key in keys.items() if key}


def _are_scores(value: Any) -> bool:
    """Whether a value is an array or list of scores, and not a label."""
    if isinstance(value, list):
        return bool(value) and np.asarray(value[0]).dtype.kind == "f"
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0


def _read_arrays(source: DumpSource, name: str) -> Dump:
    value, where = source.value, source.path
    outputs = _inner(value)
    scores = {task: score_array(outputs[key], key, where) for task, key in _outputs(outputs).items()}
    views = _views_of(scores, where)
    count = len(next(iter(scores.values())))
    labels, notes = _find_labels(value, count, where)
    return Dump(name, scores, _find_ids(value, count, where), labels, unknown_views(views), notes=notes)


def _views_of(scores: Mapping[str, Any], where: Path) -> int:
    """V, which is the same for all tasks."""
    shapes = {array.shape[:2] for array in scores.values()}
    if len(shapes) != 1:
        raise DumpError(
            f"the tasks have unlike numbers of segments or views: {sorted(shapes)}", where=where, fix="dump again"
        )
    return int(next(iter(shapes))[1])


def _find_ids(value: Mapping[str, Any], count: int, where: Path) -> tuple[str, ...] | None:
    """Ids under one of their usual keys, or else the one key that holds N different texts."""
    for key in ID_KEYS:
        if key in value:
            return text_ids(value[key], count, where)
    for key, texts in value.items():
        if isinstance(texts, np.ndarray | list) and len(texts) == count and key not in ("video_id", "scores", "labels"):
            first = np.asarray(texts[0]).reshape(-1)
            if first.size == 1 and first.dtype.kind in "US":
                return text_ids(texts, count, where)
    return None


def _find_labels(value: Mapping[str, Any], count: int, where: Path) -> tuple[dict[str, Ints], tuple[str, ...]]:
    """Labels under their usual keys, and what was left out."""
    labels = value.get("labels", value)
    if not isinstance(labels, dict):
        return {}, ()
    keys = {
        task: next((key for key in (task, f"{task}_class", f"{task}_label") if key in labels), None) for task in TASKS
    }
    if labels is value:
        keys = {task: key for task, key in keys.items() if key != task}
    known: dict[str, Ints] = {}
    notes: tuple[str, ...] = ()
    for task, key in keys.items():
        if key:
            rows: Sequence[Any] = labels[key]
            single, left_out = labels_if_single(rows, count, task, where)
            known, notes = known | single, notes or left_out
    return known, notes
