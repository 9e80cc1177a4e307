"""The videos of a split as arrays: labels, ranks and the best classes of each result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.calibration import BINS
from gsm_bench.metrics.topk import BEYOND
from gsm_bench.report.content import ReportedResult, ReportedSplit
from gsm_bench.report.payload import SplitPayload, smallest_unsigned

PREDICTIONS = "predictions"
"""A blob of its own: the list of videos is usable before it is inflated."""
UNKNOWN_PERMILLE = 65535
UNKNOWN_BIN = 255
Unsigned = type[np.unsignedinteger[Any]]


def add_videos(payload: SplitPayload, split: ReportedSplit) -> None:
    """Ids, labels, ranks and predictions, as the package's docstring lists them."""
    predicting = [result for result in split.results if result.best]
    places = {id(result): at for at, result in enumerate(predicting)}
    tasks = list(dict.fromkeys([*split.class_names, *(t for r in split.results for t in r.evaluation.accuracy)]))
    payload.fact("videos", len(split.ids))
    payload.fact("tasks", tasks)
    payload.fact("classes", {task: list(names) for task, names in split.class_names.items()})
    payload.fact("results", [_result_fact(result, places.get(id(result), -1)) for result in split.results])
    payload.add_json("ids", list(split.ids))
    for task in tasks:
        _add_task(payload, split, predicting, task)


def _result_fact(result: ReportedResult, place: int) -> dict[str, Any]:
    macs = result.evaluation.macs_paper
    return {
        "name": result.name,
        "source": result.source,
        "predictions": place,
        "members": list(result.members),
        "gflops": None if macs is None else macs / 1e9,
    }


def _add_task(payload: SplitPayload, split: ReportedSplit, predicting: Sequence[ReportedResult], task: str) -> None:
    classes = len(split.class_names.get(task, ())) or np.iinfo(np.uint8).max - 1
    kind = smallest_unsigned(classes)
    payload.add(f"{task}/ranks", np.stack([_ranks(result, task, classes, kind) for result in split.results]))
    if task not in split.class_names:
        return  # actions that follow from verb and noun
    unknown = np.iinfo(kind).max
    if task in split.labels:
        labels = split.labels[task]
        payload.add(f"{task}/labels", np.where(labels < 0, unknown, labels).astype(kind))
    if predicting and all(task in result.best for result in predicting):
        best = [in_rows(result.best[task].classes, result.rows, -1) for result in predicting]
        chances = [in_rows(result.best[task].probabilities, result.rows, np.nan) for result in predicting]
        payload.add(f"{task}/classes", np.stack([np.where(b < 0, unknown, b).astype(kind) for b in best]), PREDICTIONS)
        payload.add(f"{task}/permille", np.stack([permille(values) for values in chances]), PREDICTIONS)
        payload.add(f"{task}/bins", np.stack([confidence_bins(values[:, 0]) for values in chances]), PREDICTIONS)


def _ranks(result: ReportedResult, task: str, classes: int, kind: Unsigned) -> NDArray[np.unsignedinteger[Any]]:
    """Rank of the label from 0, at most `classes`; the highest value without a rank."""
    accuracy = result.evaluation.accuracy.get(task)
    if accuracy is None:
        return np.full(len(result.rows), np.iinfo(kind).max, kind)
    ranks = in_rows(accuracy.ranks, result.rows, -1)
    limited = np.minimum(np.where(ranks == BEYOND, classes, ranks), classes)
    return np.where(ranks < 0, np.iinfo(kind).max, limited).astype(kind)


def in_rows(values: NDArray[Any], rows: NDArray[np.int64], absent: float) -> NDArray[Any]:
    """Values [n, ..] of a result in rows int64 [N] of the split, -1 where it has none: [N, ..], with `absent` there."""
    if not len(values):
        return np.full((len(rows), *values.shape[1:]), absent, values.dtype)
    placed = values[np.maximum(rows, 0)]
    placed[rows < 0] = absent
    return placed


def permille(probabilities: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Probabilities in thousandths, rounded as they are shown."""
    rounded = np.round(1000 * np.nan_to_num(probabilities.astype(np.float64)))
    return np.where(np.isnan(probabilities), UNKNOWN_PERMILLE, rounded).astype(np.uint16)


def confidence_bins(confidence: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The bin (low, high] of each confidence, as in reliability diagrams."""
    bins = np.clip(np.ceil(np.nan_to_num(confidence.astype(np.float64)) * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return np.where(np.isnan(confidence), UNKNOWN_BIN, bins).astype(np.uint8)
