"""``.npz`` files with ids: our own exports, and anybody's arrays of ids, scores and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, label_numbers, read_provenance, score_array, text_ids, unknown_views
from gsm_bench.importers.tabular import ID_COLUMNS, LABEL_COLUMNS
from gsm_bench.scorefile import VIEW_TYPE
from gsm_bench.settings import Space

SCORE_ARRAYS: Mapping[str, Space | None] = {
    "scores": None, "logits": "logits", "probabilities": "probabilities", "probs": "probabilities",
    "log_probabilities": "log_probabilities", "pred_score": None, "preds": None,
}  # fmt: skip
OWN_IDS = ("video_ids", "clip_ids")
"""Ids of our own export; exports of format version 1 call them ``clip_ids``."""


def fits_npz(source: DumpSource) -> bool:
    if source.container != "npz":
        return False
    return (
        _is_own_npz(source.value)
        or (_first(source.value, ID_COLUMNS) and _first(source.value, SCORE_ARRAYS)) is not None
    )


def read_npz(sources: list[DumpSource]) -> Dump:
    (source,) = sources
    value, where = source.value, source.path
    if _is_own_npz(value):
        return _own_npz(value, where)
    key, id_key = _first(value, SCORE_ARRAYS), _first(value, ID_COLUMNS)
    if key is None or id_key is None:
        raise DumpError(f"no ids and scores among {', '.join(value)[:200]}", where=where, fix="another --from")
    scores = score_array(value[key], key, where)
    label_key = _first(value, LABEL_COLUMNS)
    kind = SCORE_ARRAYS[key]
    return Dump(
        "npz",
        {"action": scores},
        text_ids(value[id_key], len(scores), where),
        {"action": label_numbers(value[label_key], len(scores), where)} if label_key else {},
        unknown_views(scores.shape[1]),
        kinds={"action": kind} if kind else {},
    )


def _first(found: Mapping[str, Any], names: Sequence[str] | Mapping[str, Any]) -> str | None:
    return next((name for name in names if name in found), None)


def _is_own_npz(value: Mapping[str, Any]) -> bool:
    return _first(value, OWN_IDS) is not None and any(key.startswith("scores_") for key in value)


def _own_npz(value: Mapping[str, NDArray[Any]], where: Path) -> Dump:
    tasks = [key.removeprefix("scores_") for key in value if key.startswith("scores_")]
    own_ids = value[_first(value, OWN_IDS) or OWN_IDS[0]]
    ids = text_ids(own_ids, len(own_ids), where)
    scores = {task: np.asarray(value[f"scores_{task}"], np.float32) for task in tasks}
    views = np.asarray(value["views"]).astype(VIEW_TYPE)
    if any(array.ndim != 3 or array.shape[:2] != (len(ids), len(views)) for array in scores.values()):
        raise DumpError("scores, ids and views of this export do not belong together", where=where, fix="export again")
    return Dump(
        "npz",
        scores,
        ids,
        {task: label_numbers(value[f"labels_{task}"], len(ids), where) for task in tasks if f"labels_{task}" in value},
        views,
        kinds={task: known_kind(str(value[f"kind_{task}"]), where) for task in tasks},
        class_names={task: tuple(value[f"classes_{task}"].tolist()) for task in tasks if f"classes_{task}" in value},
        status=np.asarray(value["status"], np.uint8),
        verified=str(value.get("order", "ids")) != "unverified",
        provenance=read_provenance(str(value["provenance"]), where) if "provenance" in value else None,
    )


def known_kind(text: str, where: Path) -> Space:
    if text not in get_args(Space):
        raise DumpError(
            f"scores of the unknown kind {text[:40]!r}", where=where, fix=f"one of {', '.join(get_args(Space))}"
        )
    return text  # type: ignore[return-value]
