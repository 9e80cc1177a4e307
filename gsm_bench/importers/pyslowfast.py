"""Dumps of PySlowFast: predictions that are the *sum* of the softmax over all views, and labels. No ids."""

from __future__ import annotations

from typing import Any

from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, ReadOptions, is_numeric, label_numbers, score_array


def fits_pair(source: DumpSource) -> bool:
    pair = _pair(source.value)
    return (
        pair is not None
        and is_numeric(pair[0], 2)
        and pair[0].dtype.kind == "f"
        and is_numeric(pair[1], 1)
        and len(pair[0]) == len(pair[1])
    )


def _pair(value: Any) -> tuple[Any, Any] | None:
    """Predictions and labels: a list ``[preds, labels]``, or a dict ``{video_preds, video_labels}``."""
    if isinstance(value, dict) and {"video_preds", "video_labels"} <= value.keys():
        return value["video_preds"], value["video_labels"]
    return (value[0], value[1]) if isinstance(value, list | tuple) and len(value) == 2 else None


def read_pair(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """Predictions (N, C) and labels (N,)."""
    (source,) = sources
    preds, labels = _pair(source.value) or ((), ())
    scores = score_array(preds, "the predictions", source.path)
    return Dump(
        "pyslowfast",
        {"action": scores},
        labels={"action": label_numbers(labels, len(preds), source.path)},
        usual="probabilities",
    )
