"""A score dump as it was read, in one form for all formats, before ids, kinds and classes are decided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.limits import require_memory
from gsm_bench.importers.listed_actions import ListedActions
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import AVERAGED, VIEW_TYPE, Scores
from gsm_bench.settings import Space

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ReadOptions:
    """What the user chose where a dump has several readings.

    Attributes:
        first_label: the number of the first class in the dump's labels, 0 or 1.
        head: the head whose scores are read, where a dump holds several.
        skip_columns, id_column, label_column: columns of a table by name.
        class_names: known class names, with which columns and labels of a table are compared.
        split: the split that is read, where a file holds several.
        classes: number of action classes, where the data set is known.
    """

    first_label: int = 0
    head: str | None = None
    skip_columns: tuple[str, ...] = ()
    id_column: str | None = None
    label_column: str | None = None
    class_names: tuple[str, ...] = ()
    split: str | None = None
    classes: int | None = None


@dataclass(frozen=True)
class Dump:
    """Scores as another project wrote them.

    Attributes:
        format: a key of `FORMATS`.
        scores: float32 [N, V, C] per task, in the order of the file.
        ids: N video ids, or None where the format has none.
        labels: int64 [N] per task, -1 unknown, where the format carries them.
        views: structured array [V]; offsets NaN where the format does not give them.
        kinds: per task what the scores are, where the file says so for certain.
        usual: what the format's scores are unless its user changed a setting.
        class_names: C names in column order per task, where the format carries them.
        sorted_by_name: whether the rows are in the order of their sorted video names.
        status: uint8 [N] as in a score file, or None where all videos are scored.
        verified: False for our own export of rows whose order is unverified.
        notes: what was assumed in reading.
        provenance: that of the exported score file, where the dump is one of our exports.
        actions: those that each row lists, where rows list different ones; beside the scores of the tasks.
    """

    format: str
    scores: Mapping[str, Scores]
    ids: tuple[str, ...] | None = None
    labels: Mapping[str, Ints] = field(default_factory=dict)
    views: NDArray[np.void] = field(default_factory=lambda: AVERAGED)
    kinds: Mapping[str, Space] = field(default_factory=dict)
    usual: Space | None = None
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sorted_by_name: bool = False
    status: NDArray[np.uint8] | None = None
    verified: bool = True
    notes: tuple[str, ...] = ()
    provenance: Provenance | None = None
    actions: ListedActions | None = None

    def __len__(self) -> int:
        return len(next(iter(self.scores.values())))


def unknown_views(count: int) -> NDArray[np.void]:
    """Structured array [V] of views of which only the number is known."""
    if count == 1:
        return AVERAGED
    return np.array([(view, -1, 0, np.nan) for view in range(count)], dtype=VIEW_TYPE)


def is_numeric(value: Any, *ndims: int) -> bool:
    """Whether a value is an array of real numbers with one of these numbers of axes."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim in ndims


def is_row(value: Any) -> bool:
    """Whether a value is one video's scores: (C,), (V, C) or (V, 1, C), an array of floats or lists of them."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and _row_shape(value.shape) is not None and value.shape[-1] > 1
    if not isinstance(value, list | tuple) or not value:
        return False
    if isinstance(value[0], list | tuple):
        return all(isinstance(view, list | tuple) and is_row(view) for view in value[:3])
    numbers = len(value) > 1 and all(type(number) in (float, int) for number in value)
    return numbers and any(type(number) is float for number in value)  # whole numbers alone may be anything


def is_row_of_numbers(value: Any) -> bool:
    """Whether a value that is called scores is one video's: `is_row`, whole numbers too."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiu" and _row_shape(value.shape) is not None and value.shape[-1] > 1
    return is_row(value) or (
        isinstance(value, list | tuple) and len(value) > 1 and all(type(number) is int for number in value)
    )


def _row_shape(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(V, C) of one video's scores (C,), (V, C), (V, 1, C) or (1, V, C); None for other shapes."""
    if len(shape) == 1:
        return 1, shape[0]
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) == 3 and 1 in shape[:2]:
        return shape[0] * shape[1], shape[2]
    return None


def score_rows(rows: Sequence[Any], what: str, where: Path | str) -> Scores:
    """Float32 [N, V, C] from N rows (C,), (V, C) or (V, 1, C), as arrays or lists of numbers."""
    arrays = [np.asarray(row) for row in rows]
    first = _row_shape(arrays[0].shape) if arrays[0].size else None
    if first is None or arrays[0].dtype.kind not in "fiu":
        raise DumpError(
            f"row 0 of {what} holds {_held(arrays[0])}, not scores (C,) or (V, C)",
            where=where,
            fix="save an array (views, classes) per video",
        )
    shape = arrays[0].shape
    at = next(
        (at for at, row in enumerate(arrays)
         if row.dtype.kind not in "fiu" or (row.shape != shape and _row_shape(row.shape) != first)),
        None,
    )  # fmt: skip
    if at is not None:
        raise DumpError(
            _unlike_rows(what, arrays, at, first), where=where,
            fix="every row of a dump has as many views and classes; average over views before saving",
        )  # fmt: skip
    require_memory(12 * len(arrays) * arrays[0].size, "the scores", where)
    return _float32(np.stack([row.reshape(first) for row in arrays]))


def _unlike_rows(what: str, arrays: Sequence[NDArray[Any]], at: int, first: tuple[int, int]) -> str:
    shape = _row_shape(arrays[at].shape) if arrays[at].dtype.kind in "fiu" else None
    if shape is None or shape[1] != first[1]:
        return f"row {at} of {what} holds {_held(arrays[at])}, row 0 holds {_held(arrays[0])}"
    return f"row {at} of {what} has {shape[0]} views, row 0 has {first[0]}"


def _held(array: NDArray[Any]) -> str:
    shape = f" of shape {array.shape}" if array.ndim > 1 else ""
    return f"{array.size} values of type {array.dtype}{shape}"


def score_array(values: Any, what: str, where: Path | str) -> Scores:
    """Float32 [N, V, C] from an array (N, C), (N, V, C) or (N, V, 1, C), from N rows, or from objects of either."""
    if isinstance(values, list | tuple) and len(values):
        return score_rows(values, what, where)
    if isinstance(values, np.ndarray) and values.dtype.hasobject and values.size:
        if values.ndim == 1:
            return score_rows(list(values), what, where)
        values = values.astype(np.float64)
    if not is_numeric(values, 2, 3, 4) or not values.size or (values.ndim == 4 and values.shape[2] != 1):
        shape = f"an array {values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise DumpError(f"{what} is {shape}, not scores (N, C) or (N, V, 1, C)", where=where, fix="another --from")
    shaped = values[:, :, 0] if values.ndim == 4 else values[:, None] if values.ndim == 2 else values
    return _float32(shaped)


def _float32(values: NDArray[Any]) -> Scores:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(np.asarray(values), dtype=np.float32)


def label_numbers(values: Any, videos: int, where: Path | str) -> Ints:
    """Int64 [N] from an array (N,) or (N, 1), or from N numbers or arrays of one number; None is unknown, -1."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        labels = np.asarray(values).reshape(-1)
    else:
        labels = np.array([-1 if value is None else _one_number(value, row, where) for row, value in enumerate(values)])
    if len(labels) != videos:
        raise DumpError(
            f"{len(labels):,} labels for {videos:,} videos", where=where, fix="dump one class number per video"
        )
    wrong = np.flatnonzero(labels != np.rint(labels))
    if len(wrong):
        raise DumpError(
            f"label {labels[wrong[0]]:.6g} in row {wrong[0]} is no class number", where=where, fix=ONE_LABEL
        )
    return labels.astype(np.int64)


ONE_LABEL = "dump one class number per video, or leave the labels out"
SEVERAL_LABELS = "the dump holds several labels per video: they are left out, so there is no accuracy"


def labels_if_single(
    values: Sequence[Any], videos: int, task: str, where: Path | str
) -> tuple[dict[str, Ints], tuple[str, ...]]:
    """Labels int64 [N] under their task; none, and a note, where videos have several (lists, or multi-hot vectors)."""
    if any(np.size(value) > 1 for value in values):
        return {}, (SEVERAL_LABELS,)
    if all(value is None for value in values):
        return {}, ()
    return {task: label_numbers(values, videos, where)}, ()


def _one_number(value: Any, row: int, where: Path | str) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        shown = repr(value if array.size != 1 else array.reshape(-1)[0].item())[:40]
        raise DumpError(f"label {shown} in row {row} is not one class number", where=where, fix=ONE_LABEL)
    number: float = array.reshape(-1)[0].item()
    return number


def text_ids(values: Any, videos: int, where: Path | str) -> tuple[str, ...]:
    """N ids from an array or list of texts or numbers, or of lists of one."""
    ids = tuple(_one_text(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values))
    if len(ids) != videos:
        raise DumpError(f"{len(ids):,} ids for {videos:,} videos", where=where, fix="dump one id per row of scores")
    return refuse_doubles(ids, where)


def _one_text(value: Any) -> str:
    while isinstance(value, list | tuple | np.ndarray) and np.size(value) == 1 and not np.isscalar(value):
        value = value[0] if not isinstance(value, np.ndarray) else value.reshape(-1).tolist()[0]
    return value.decode() if isinstance(value, bytes) else str(value)


def refuse_doubles(ids: tuple[str, ...], where: Path | str) -> tuple[str, ...]:
    """The ids, if each is plain text and occurs once."""
    empty = next((row for row, name in enumerate(ids) if not name.strip()), None)
    if empty is not None:
        raise DumpError(f"row {empty} has no id", where=where, fix="give every video an id, or leave the ids out")
    if any("\0" in name for name in ids):
        raise DumpError("an id holds a NUL character", where=where, fix="write ids as plain text")
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        double = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DumpError(
            f"Duplicate id {double!r}", where=where,
            fix="distributed tests pad with doubles: remove them, or dump again with one process",
        )  # fmt: skip
    return ids


VIDEO_ENDINGS = (
    ".webm", ".mp4", ".avi", ".mkv", ".mpg", ".mpeg", ".mov", ".m4v", ".flv", ".ts", ".wmv", ".gif",
)  # fmt: skip


def bare_name(name: str) -> str:
    """A video's name without folder and without the ending of a video file."""
    return without_ending(name.rsplit("/", 1)[-1])


def without_ending(name: str) -> str:
    return next((name[: -len(ending)] for ending in VIDEO_ENDINGS if name.lower().endswith(ending)), name)


def read_provenance(text: str, where: Path) -> Provenance:
    """The provenance that one of our exports carries as JSON."""
    try:
        return Provenance.of(json.loads(text))
    except ValueError as error:
        raise DumpError("the provenance of this export is damaged", where=where, fix="export again") from error
