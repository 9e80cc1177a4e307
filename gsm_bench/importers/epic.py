"""Dumps of EPIC-KITCHENS models: SlowFast, the challenge's baselines, TBN, MTCN. Verb and noun, with ids in most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, Ints, label_numbers, score_array, score_rows, text_ids, unknown_views

TASKS = ("verb", "noun", "action")
ID_KEYS = ("narration_id", "uid", "segment_id", "clip_id")


def fits_list(source: DumpSource) -> bool:
    value = source.value
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and bool(_outputs(value[0]))


def read_list(sources: list[DumpSource]) -> Dump:
    """The baselines' list of ``{verb_output, noun_output, narration_id[, video_id]}``, one per segment."""
    (source,) = sources
    rows, where = source.value, source.path
    keys = _outputs(rows[0])
    wanted = {*keys.values(), *(key for key in ID_KEYS if key in rows[0])}
    at = next((at for at, row in enumerate(rows) if not isinstance(row, dict) or not wanted <= row.keys()), None)
    if at is not None:
        raise DumpError(f"row {at} has not all of {', '.join(sorted(wanted))}", where=where, fix="dump again")
    scores = {task: score_rows([row[key] for row in rows], key, where) for task, key in keys.items()}
    id_key = next((key for key in ID_KEYS if key in rows[0]), None)
    ids = text_ids([row[id_key] for row in rows], len(rows), where) if id_key else None
    return Dump("epic-baseline", scores, ids)


def fits_arrays(source: DumpSource) -> bool:
    return isinstance(source.value, dict) and _array_ndim(source.value) in (2, 3)


def read_slowfast(sources: list[DumpSource]) -> Dump:
    """EPIC-100 SlowFast: sums of softmax over views."""
    return _read_arrays(sources[0], "epic-slowfast")


def read_arrays(sources: list[DumpSource]) -> Dump:
    """MTCN, the baselines and SlowFast write the same dict; only the values tell sums of softmax from logits."""
    return _read_arrays(sources[0], "epic-arrays")


def read_mtcn(sources: list[DumpSource]) -> Dump:
    return _read_arrays(sources[0], "mtcn")


def read_baseline_arrays(sources: list[DumpSource]) -> Dump:
    return _read_arrays(sources[0], "epic-baseline")


def fits_tbn(source: DumpSource) -> bool:
    value = source.value
    if not isinstance(value, dict):
        return False
    return _array_ndim(value) == 4 or bool(_outputs(_inner(value)) and "scores" in value)


def read_tbn(sources: list[DumpSource]) -> Dump:
    """TBN: outputs (N, segments, 1, C) beside the ids; older files hold them in a dict `scores`."""
    return _read_arrays(sources[0], "tbn")


def _inner(value: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = value.get("scores")
    return inner if isinstance(inner, dict) else value


def _array_ndim(value: Mapping[str, Any]) -> int:
    """Axes of the outputs of a dict of arrays; 0 where it has none."""
    keys = _outputs(value)
    arrays = [value[key] for key in keys.values()]
    return arrays[0].ndim if arrays and all(isinstance(array, np.ndarray) for array in arrays) else 0


def _outputs(value: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a dict that hold scores, by task."""
    found = {task: next((key for key in (f"{task}_output", task) if _are_scores(value.get(key))), "") for task in TASKS}
    return {task: key for task, key in found.items() if key}


def _are_scores(value: Any) -> bool:
    """Whether a value is an array or list of scores, and not a label."""
    if isinstance(value, list):
        return bool(value) and np.asarray(value[0]).dtype.kind == "f"
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0


def _read_arrays(source: DumpSource, layout: str) -> Dump:
    value, where = source.value, source.path
    outputs = _inner(value)
    scores = {task: score_array(outputs[key], key, where) for task, key in _outputs(outputs).items()}
    shapes = {array.shape[:2] for array in scores.values()}
    if len(shapes) != 1:
        raise DumpError(
            f"the tasks have unlike numbers of clips or views: {sorted(shapes)}", where=where, fix="dump again"
        )
    ((clips, views),) = shapes
    return Dump(
        layout,
        scores,
        _find_ids(value, clips, where),
        _find_labels(value, clips, where),
        unknown_views(views),
    )


def _find_ids(value: Mapping[str, Any], clips: int, where: Path) -> tuple[str, ...] | None:
    """Ids under one of their usual keys, or else the one key that holds N different texts."""
    for key in ID_KEYS:
        if key in value:
            return text_ids(value[key], clips, where)
    for key, texts in value.items():
        if isinstance(texts, np.ndarray | list) and len(texts) == clips and key not in ("video_id", "scores", "labels"):
            first = np.asarray(texts[0]).reshape(-1)
            if first.size == 1 and first.dtype.kind in "US":
                return text_ids(texts, clips, where)
    return None


def _find_labels(value: Mapping[str, Any], clips: int, where: Path) -> dict[str, Ints]:
    labels = value.get("labels", value)
    if not isinstance(labels, dict):
        return {}
    keys = {
        task: next((key for key in (task, f"{task}_class", f"{task}_label") if key in labels), None) for task in TASKS
    }
    if labels is value:
        keys = {task: key for task, key in keys.items() if key != task}
    return {task: label_numbers(labels[key], clips, where) for task, key in keys.items() if key}
