"""Dumps of PySlowFast: predictions that are the *sum* of the softmax over all views, and labels. No ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import (
    Dump,
    ReadOptions,
    is_numeric,
    is_row,
    labels_if_single,
    score_array,
    score_rows,
    unknown_views,
)


def fits_pair(source: DumpSource) -> bool:
    pair = _pair(source.value)
    if pair is None or not is_numeric(pair[0], 2, 3) or pair[0].dtype.kind != "f":
        return False
    return is_numeric(pair[1], 1, 2) and len(pair[0]) == len(pair[1]) and _are_labels(pair[1])


def _are_labels(values: NDArray[Any]) -> bool:
    """Whether an array holds labels: one per video, or a multi-hot vector of 0 and 1."""
    return values.ndim == 1 or values.shape[1] == 1 or bool(np.isin(values, (0, 1)).all())


def _pair(value: Any) -> tuple[Any, Any] | None:
    """Predictions and labels as arrays: a list ``[preds, labels]``, or a dict ``{video_preds, video_labels}``."""
    if isinstance(value, dict) and {"video_preds", "video_labels"} <= value.keys():
        value = value["video_preds"], value["video_labels"]
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    preds, labels = value
    if isinstance(preds, list) and isinstance(labels, list) and len(preds) == len(labels) > 2 and is_row(preds[0]):
        return score_rows(preds, "the predictions", "")[:, 0], np.asarray(labels)
    return preds, labels


def read_pair(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """Predictions (N, C) or (N, V, C) and labels (N,), (N, 1), or multi-hot (N, C), which are left out."""
    (source,) = sources
    preds, labels = _pair(source.value) or ((), ())
    scores = score_array(preds, "the predictions", source.path)
    known, notes = labels_if_single(labels, len(preds), "action", source.path)
    return Dump(
        "pyslowfast", {"action": scores}, labels=known, views=unknown_views(scores.shape[1]), usual="probabilities",
        notes=notes,
    )  # fmt: skip
