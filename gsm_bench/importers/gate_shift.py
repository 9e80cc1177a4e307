"""The ``.npz`` dumps of the GSM and GSF releases, and of tsn-pytorch and TRN, from which they descend. No ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, Ints, ReadOptions, label_numbers, score_array, unknown_views


def _scores(source: DumpSource) -> Any:
    if source.container not in ("npz", "pickle", "torch") or not isinstance(source.value, dict):
        return None
    scores = source.value.get("scores")
    return scores if isinstance(scores, np.ndarray) else None


def fits_gsm(source: DumpSource) -> bool:
    """(N, 1, C)."""
    scores = _scores(source)
    return scores is not None and scores.dtype.kind == "f" and scores.ndim == 3 and scores.shape[1] == 1


def fits_gsf(source: DumpSource) -> bool:
    """(N, C)."""
    scores = _scores(source)
    return scores is not None and scores.dtype.kind == "f" and scores.ndim == 2


def fits_trn(source: DumpSource) -> bool:
    """An object array, or (N, segments, 1, C) where all videos have as many segments."""
    scores = _scores(source)
    return scores is not None and (scores.dtype.hasobject or (scores.ndim == 4 and scores.shape[2] == 1))


def read_gsm(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """Scores of the GSM release."""
    return _read_release(sources[0], "gsm")


def read_gsf(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """Scores of the GSF release."""
    return _read_release(sources[0], "gsf")


def read_trn(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """Scores per segment; rows in the order of the sorted video names."""
    source = sources[0]
    scores, labels = source.value["scores"], _labels(source)
    if scores.dtype.hasobject:
        rows, inner = _unpacked(scores, source.path)
        labels = inner if labels is None else labels
    else:
        rows = score_array(scores, "scores", source.path)
    return Dump(
        "trn", {"action": rows}, labels={} if labels is None else {"action": labels}, views=unknown_views(rows.shape[1]),
        sorted_by_name=True, notes=("views are the segments of a video",) if rows.shape[1] > 1 else (),
    )  # fmt: skip


def _read_release(source: DumpSource, name: str) -> Dump:
    scores = score_array(source.value["scores"], "scores", source.path)
    labels = _labels(source)
    note = "scores are the mean over the clips of the run, as the release writes them"
    known = {} if labels is None else {"action": labels}
    return Dump(name, {"action": scores}, labels=known, usual="logits", notes=(note,))


def _labels(source: DumpSource) -> Ints | None:
    labels = source.value.get("labels")
    return None if labels is None else label_numbers(labels, len(source.value["scores"]), source.path)


def _unpacked(scores: NDArray[Any], where: Path) -> tuple[NDArray[np.float32], Ints | None]:
    """Float32 [N, V, C] from objects (segments, 1, C), alone or in pairs with their label."""
    pairs = scores.ndim == 2 and scores.shape[1] == 2
    arrays = [np.asarray(row[0] if pairs else row) for row in scores]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1:
        segments = sorted({shape[0] for shape in shapes if shape})
        raise DumpError(
            f"the videos of this dump have unlike numbers of segments or classes: {segments[:6]}", where=where,
            fix="test with a fixed number of segments, or average over them before saving",
        )  # fmt: skip
    stacked = np.stack(arrays)
    if stacked.ndim == 4 and stacked.shape[1] == 1 and stacked.shape[2] > 1:
        stacked = stacked.transpose(0, 2, 1, 3)  # (N, segments, 1, C) of dumps with the crops first
    labels = label_numbers([row[1] for row in scores], len(scores), where) if pairs else None
    return score_array(stacked, "scores", where), labels
