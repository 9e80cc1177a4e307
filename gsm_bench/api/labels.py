"""Class numbers and class names from what people have: numbers, names, Series, dicts; or one error with the fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import ArrayError
from gsm_bench.id_array import IdArray

UNKNOWN = -1


def class_names_of(classes: Any, scores: Any, columns: int, task: str) -> tuple[str, ...]:
    """C names; those of a DataFrame's columns where none are given and they are texts; empty where nothing is known.

    Raises:
        ArrayError: another number of names than columns, or a name that occurs twice.
    """
    if classes is None:
        columns_of = getattr(scores, "columns", ())
        classes = columns_of if len(columns_of) and all(isinstance(name, str) for name in columns_of) else ()
    names = tuple(str(name) for name in classes)
    if names and len(names) != columns:
        raise ArrayError(
            f"{len(names)} {task} class names for {columns} columns", fix="give one name per column, in column order"
        )
    if len(set(names)) != len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise ArrayError(f"the {task} class {name!r} occurs twice", fix="give every column its own name")
    return names


def labels_of(
    labels: Any, ids: IdArray | None, names: Sequence[str] | None, classes: int, task: str
) -> NDArray[np.int32]:
    """Labels int32 [N] in the order of the ids; -1 unknown.

    Args:
        labels: numbers from 0 or class names; a dict or a Series with the ids as index is put into their order.
        ids: N ids; None where the rows have none.
        names: C class names, where known.
        classes: C.

    Raises:
        ArrayError: another number of labels than ids, numbers that are no classes, names without `names`.
    """
    values = _values(labels, ids, task)
    if ids is not None and len(values) != len(ids):
        raise ArrayError(
            f"{len(values):,} {task} labels for {len(ids):,} rows", fix="give one label per row; -1 where it is unknown"
        )
    if values.dtype.kind in "iu":
        numbers = values.astype(np.int64)
    elif any(isinstance(value, str | bytes) for value in values):
        return _numbers_of(values, names, task)
    else:
        numbers = np.array([_number(value, row, task) for row, value in enumerate(values)], np.int64)
    _check_range(numbers, classes, task)
    return numbers.astype(np.int32)


def _values(labels: Any, ids: IdArray | None, task: str) -> NDArray[Any]:
    """Integers [N] or objects [N], in the order of the ids where the labels carry ids."""
    if isinstance(labels, Mapping):
        if ids is None:
            raise ArrayError("these scores have no ids to look labels up by", fix="give a list of labels")
        by_id = {str(key): value for key, value in labels.items()}
        missing = [name for name in ids if name not in by_id]
        if missing:
            raise ArrayError(
                f"{len(missing):,} ids have no {task} label, first {missing[0]!r}", fix="give -1 where it is unknown"
            )
        return _objects([by_id[name] for name in ids])
    if hasattr(labels, "index") and hasattr(labels, "to_numpy"):
        labels = _by_index(labels, ids, task)
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    array = np.asarray(labels, dtype=None if hasattr(labels, "dtype") else object)
    if array.dtype.kind not in "iu":
        array = array.astype(object)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise ArrayError(
            f"the {task} labels have shape {array.shape}", fix="give one class number per row: labels.argmax(1)"
        )
    return array


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _by_index(labels: Any, ids: IdArray | None, task: str) -> Any:
    """A Series in the order of the ids, if its index holds ids and not merely row numbers."""
    from pandas import RangeIndex

    if getattr(labels, "ndim", 1) != 1:
        raise ArrayError(f"the {task} labels are a DataFrame", fix="give one column of it: frame['label']")
    if ids is None or isinstance(labels.index, RangeIndex):
        return labels.astype(object)
    by_id = dict(zip(map(str, labels.index), labels.tolist(), strict=True))
    if set(by_id) != set(ids) or len(labels) != len(ids):
        raise ArrayError(
            f"the index of the {task} labels does not hold the ids",
            fix="set_index to the ids, or give labels.to_numpy() in the order of the ids",
        )
    return _objects([by_id[name] for name in ids])


def _numbers_of(values: NDArray[Any], names: Sequence[str] | None, task: str) -> NDArray[np.int32]:
    """Class numbers of class names."""
    if not names:
        raise ArrayError(
            f"the {task} labels are names, such as {next(v for v in values if isinstance(v, str | bytes))!r}",
            fix="give classes=[...], the class names in column order",
        )
    place = {name: at for at, name in enumerate(names)}
    numbers = []
    for row, value in enumerate(values):
        name = value.decode() if isinstance(value, bytes) else value
        if _is_unknown(name):
            numbers.append(UNKNOWN)
        elif name in place:
            numbers.append(place[name])
        else:
            raise ArrayError(
                f"the {task} label {name!r} in row {row} is not one of the {len(names)} classes",
                fix=f"classes hold names such as {names[0]!r}; correct the label, or give None where it is unknown",
            )
    return np.array(numbers, np.int32)


def _is_unknown(value: Any) -> bool:
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _number(value: Any, row: int, task: str) -> int:
    if _is_unknown(value):
        return UNKNOWN
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise ArrayError(
            f"the {task} label {value!r} in row {row} is of type {type(value).__name__}",
            fix="give class numbers from 0",
        )
    if not float(value).is_integer():
        raise ArrayError(f"the {task} label {value!r} in row {row} is not an integer", fix="give class numbers from 0")
    return int(value)


def _check_range(numbers: NDArray[np.int64], classes: int, task: str) -> None:
    known = numbers[numbers != UNKNOWN]
    if not known.size:
        return
    low, high = int(known.min()), int(known.max())
    if low >= 0 and high < classes:
        return
    if low >= 1 and high == classes:
        raise ArrayError(
            f"the {task} labels run from {low} to {high} for {classes} classes", fix="count from 0: give labels - 1"
        )
    raise ArrayError(
        f"the {task} labels run from {low} to {high} for {classes} classes",
        fix=f"give class numbers from 0 to {classes - 1}, and -1 where the label is unknown",
    )
