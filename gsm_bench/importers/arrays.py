"""``.npz`` archives: our own export, and other people's arrays of ids, scores and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.columns import ID_COLUMNS, LABEL_COLUMNS
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import (
    Dump,
    ReadOptions,
    label_numbers,
    labels_if_single,
    read_provenance,
    score_array,
    text_ids,
    unknown_views,
)
from gsm_bench.scorefile import VIEW_TYPE
from gsm_bench.settings import Space

SCORE_NAMES: Mapping[str, Space | None] = {
    "scores": None, "logits": "logits", "probabilities": "probabilities", "probs": "probabilities",
    "log_probabilities": "log_probabilities", "pred_score": None, "preds": None, "score": None, "outputs": None,
    "output": None, "pred": None, "predictions": None,
}  # fmt: skip
"""Usual names of arrays of scores, with the kind that a name declares."""
OWN_IDS = ("video_ids", "clip_ids")
"""Ids of our own export; exports of format version 1 call them ``clip_ids``."""


def fits_npz(source: DumpSource) -> bool:
    return source.container == "npz" and (_is_own(source.value) or has_columns(source.value))


def has_columns(value: Mapping[str, Any]) -> bool:
    """Whether a dict holds ids and scores under usual names."""
    return first_name(value, ID_COLUMNS) is not None and first_name(value, SCORE_NAMES) is not None


def read_npz(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """Our own export, or ids, scores and labels under usual names."""
    (source,) = sources
    return _own(source.value, source.path) if _is_own(source.value) else read_columns(source.value, "npz", source.path)


def read_columns(value: Mapping[str, Any], name: str, where: Path) -> Dump:
    """A dict of scores with N rows, and ids and labels where it has them."""
    key, id_key = first_name(value, SCORE_NAMES), first_name(value, ID_COLUMNS)
    if key is None:
        raise DumpError(f"no scores among {', '.join(map(str, value))[:200]}", where=where, fix="another --from")
    scores = score_array(value[key], key, where)
    label_key, kind = first_name(value, LABEL_COLUMNS), SCORE_NAMES[key]
    labels, notes = labels_if_single(value[label_key], len(scores), "action", where) if label_key else ({}, ())
    return Dump(
        name,
        {"action": scores},
        text_ids(value[id_key], len(scores), where) if id_key else None,
        labels,
        unknown_views(scores.shape[1]),
        kinds={"action": kind} if kind else {},
        notes=notes,
    )


def first_name(value: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first of some names that is a key."""
    return next((name for name in names if name in value), None)


def _is_own(value: Mapping[str, Any]) -> bool:
    return first_name(value, OWN_IDS) is not None and any(key.startswith("scores_") for key in value)


def _own(value: Mapping[str, NDArray[Any]], where: Path) -> Dump:
    tasks = [key.removeprefix("scores_") for key in value if key.startswith("scores_")]
    texts = value[first_name(value, OWN_IDS) or ""]
    ids = text_ids(texts, len(texts), where)
    scores = {task: np.asarray(value[f"scores_{task}"], np.float32) for task in tasks}
    views = np.asarray(value["views"]).astype(VIEW_TYPE)
    if any(array.ndim != 3 or array.shape[:2] != (len(ids), len(views)) for array in scores.values()):
        raise DumpError("scores, ids and views of this export have unlike lengths", where=where, fix="export again")
    return Dump(
        "npz",
        scores,
        ids,
        {task: label_numbers(value[f"labels_{task}"], len(ids), where) for task in tasks if f"labels_{task}" in value},
        views,
        kinds={task: _known_kind(str(value[f"kind_{task}"]), where) for task in tasks},
        class_names={task: tuple(value[f"classes_{task}"].tolist()) for task in tasks if f"classes_{task}" in value},
        status=np.asarray(value["status"], np.uint8),
        verified=str(value.get("order", "ids")) != "unverified",
        provenance=read_provenance(str(value["provenance"]), where) if "provenance" in value else None,
    )


def _known_kind(text: str, where: Path) -> Space:
    if text not in get_args(Space):
        raise DumpError(
            f"scores of the unknown kind {text[:40]!r}", where=where, fix=f"one of {', '.join(get_args(Space))}"
        )
    return text  # type: ignore[return-value]
