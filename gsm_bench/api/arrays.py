"""Score files from arrays: numpy, pandas, torch, or lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from gsm_bench.api.labels import class_names_of, labels_of
from gsm_bench.errors import ArrayError, DumpError
from gsm_bench.id_array import IdArray
from gsm_bench.importers.dump import unknown_views
from gsm_bench.importers.kinds import infer_kind
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import NOT_SCORED, SCORED, ClipScores, InMemoryScores, ScoreFile, Scores
from gsm_bench.settings import Space


def from_arrays(
    ids: Any,
    scores: Any,
    labels: Any = None,
    classes: Any = None,
    kind: Space | None = None,
    *,
    model: str = "scores",
    dataset: str | None = None,
    split: str | None = None,
    frames: int | None = None,
) -> ScoreFile:
    """A score file in memory.

    Args:
        ids: N video ids, texts or integers, unique; None takes the index of a DataFrame of scores.
        scores: (N, C), or (N, V, C) for V views; numpy array, DataFrame, torch tensor or nested lists. A dict holds one
            array per task: action, verb, noun. A row with NaN or inf, or of -inf alone, counts as not scored.
        labels: (N,) class numbers from 0, or names with `classes`; -1, None and NaN are unknown. A dict per task.
        classes: C names in column order; a dict per task. The columns of a DataFrame are taken where they are texts.
        kind: ``logits``, ``probabilities`` or ``log_probabilities``; inferred from the values if None.
        model: name in tables.
        dataset, split: where the labels of these ids are, if the workspace has them.
        frames: frames per clip, for tables.

    Raises:
        ArrayError: arrays that do not fit together, with the reason and the fix.
    """
    if ids is None:
        ids = _index_of(scores)
    names = ids_of(ids)
    per_task = scores if _is_per_task(scores) else {"action": scores}
    arrays = {task: _scores_of(values, names, task) for task, values in per_task.items()}
    _check_views(arrays)
    class_names = {
        task: texts
        for task, values in per_task.items()
        if (texts := class_names_of(_of_task(classes, task, per_task), values, arrays[task].shape[2], task))
    }
    known = {
        task: labels_of(given, names, class_names.get(task), arrays[task].shape[2], task)
        for task in per_task
        if (given := _of_task(labels, task, per_task)) is not None
    }
    status = _status(arrays)
    blank = {task: _blanked(values, status) for task, values in arrays.items()}
    kinds = {task: _kind(values, task, kind) for task, values in blank.items()}
    provenance = Provenance(
        model=model,
        dataset=dataset,
        split=split,
        sampling={"frames": frames} if frames else None,
        versions={"gsm-bench": version("gsm-bench"), "numpy": np.__version__},
        source_format="arrays",
    )
    content = ClipScores(
        ids=names,
        kinds=kinds,
        classes_per_task={task: values.shape[2] for task, values in blank.items()},
        views=unknown_views(next(iter(blank.values())).shape[1]),
        status=status,
        provenance=provenance,
        labels=known,
        class_names=class_names,
        problems={names[row]: "its scores are NaN or inf" for row in np.flatnonzero(status == NOT_SCORED)},
        scores=blank,
    )
    return InMemoryScores(content, model)


def ids_of(ids: Any) -> IdArray:
    """N ids as text.

    Raises:
        ArrayError: an id that is neither text nor an integer, occurs twice, or holds a line break.
    """
    values = as_list(ids)
    texts = []
    for row, value in enumerate(values):
        if isinstance(value, bytes):
            value = value.decode()
        if not isinstance(value, str | int | np.integer) or isinstance(value, bool):
            raise ArrayError(
                f"id {row} is {value!r}, of type {type(value).__name__}",
                fix="give texts or integers, for example ids.astype(int)",
            )
        texts.append(str(value))
    if not texts:
        raise ArrayError("there are no ids", fix="give one id per row of the scores")
    try:
        names = IdArray.of(texts)
    except ValueError as error:
        raise ArrayError("an id holds a NUL character", fix="give plain texts") from error
    row_ = names.first_repeated()
    if row_ is not None:
        raise ArrayError(
            f"duplicate id {names[row_]!r}, again in row {row_}",
            fix="keep one row per video; put several views of a video into scores of shape (N, V, C)",
        )
    broken = next((name for name in names if "\n" in name), None)
    if broken is not None:
        raise ArrayError(f"the id {broken!r} holds a line break", fix="remove it, for example with str.strip")
    return names


def as_list(values: Any) -> list[Any]:
    """The items of a sequence, Series, Index, array or tensor."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise ArrayError(f"expected a sequence of ids, not {values!r}", fix="give a list with one id per row")
    return list(values.tolist() if hasattr(values, "tolist") else values)


def as_array(values: Any) -> NDArray[Any]:
    """A numpy array of anything that numpy, pandas or torch calls an array; tensors come from any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):
            values = values.float()
        return np.asarray(values.numpy())
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(values)


def _index_of(scores: Any) -> Any:
    if hasattr(scores, "index") and hasattr(scores, "columns"):
        return scores.index
    raise ArrayError("there are no ids", fix="give ids, or a DataFrame of scores with the ids as its index")


def _is_per_task(values: Any) -> bool:
    return isinstance(values, Mapping)


def _of_task(values: Any, task: str, tasks: Mapping[str, Any]) -> Any:
    """What was given for a task: of a dict per task its item, else the value itself where there is one task."""
    if isinstance(values, Mapping) and set(values) <= {"action", "verb", "noun", *tasks}:
        unknown = sorted(values.keys() - tasks.keys())
        if unknown:
            raise ArrayError(
                f"labels or classes of {', '.join(unknown)} for scores of {', '.join(tasks)}",
                fix="give all of them dicts with the same keys",
            )
        return values.get(task)
    if values is not None and len(tasks) > 1:
        raise ArrayError(
            f"scores have several tasks: {', '.join(tasks)}", fix="give labels and classes as dicts with the same keys"
        )
    return values


def _scores_of(values: Any, names: IdArray, task: str) -> Scores:
    """Float32 [N, V, C]."""
    if hasattr(values, "index") and hasattr(values, "columns"):
        values = _rows_by_index(values, names, task)
    try:
        array = as_array(values)
    except (TypeError, ValueError) as error:
        raise ArrayError(
            f"the {task} scores are not numbers: {error}",
            fix="give numbers alone; ids are the index of a DataFrame: frame.set_index('id')",
        ) from error
    if array.dtype.kind not in "fiu":
        raise ArrayError(f"the {task} scores have type {array.dtype}", fix="give floats, for example float32")
    if array.ndim not in (2, 3):
        raise ArrayError(
            f"the {task} scores have shape {array.shape}", fix="give (N, C), or (N, V, C) for V views of each video"
        )
    if len(array) != len(names):
        raise _wrong_length(array.shape, len(names), task)
    if not array.shape[-1] or not array.shape[1]:
        raise ArrayError(f"the {task} scores have shape {array.shape}, without a column", fix="give a column per class")
    shaped = array if array.ndim == 3 else array[:, None]
    with np.errstate(over="ignore"):
        copied: Scores = np.array(shaped, dtype=np.float32, order="C")
    if array.dtype.itemsize > copied.dtype.itemsize and (np.isinf(copied) & np.isfinite(shaped)).any():
        raise ArrayError(f"the {task} scores are too large for float32", fix="check how they were computed")
    return copied


def _rows_by_index(frame: Any, names: IdArray, task: str) -> Any:
    """A DataFrame in the order of the ids: by its index where that holds ids, else as it is."""
    from pandas import RangeIndex

    if isinstance(frame.index, RangeIndex) and len(frame) == len(names):
        return frame
    held = [str(value) for value in frame.index]
    if held == list(names):
        return frame
    rows = ids_of(held).rows_in(names) if len(held) == len(names) else np.array([-1])
    if (rows < 0).any():
        raise ArrayError(
            f"the index of the {task} scores does not hold the ids", fix="set_index to the ids, or give .to_numpy()"
        )
    return frame.iloc[np.argsort(rows)]


def _wrong_length(shape: Sequence[int], count: int, task: str) -> ArrayError:
    if len(shape) == 2 and shape[1] == count:
        return ArrayError(
            f"the {task} scores have shape {tuple(shape)}, a column per video, for {count:,} ids",
            fix="transpose them: scores.T has shape (N, C)",
        )
    if len(shape) == 3 and shape[1] == count:
        return ArrayError(
            f"the {task} scores have shape {tuple(shape)}, views first, for {count:,} ids",
            fix="give (N, V, C): scores.swapaxes(0, 1)",
        )
    return ArrayError(
        f"the {task} scores have {shape[0]:,} rows for {count:,} ids", fix="give one row per id, in the same order"
    )


def _check_views(arrays: Mapping[str, Scores]) -> None:
    if not arrays:
        raise ArrayError("there are no scores", fix="give one array per task, such as {'verb': v, 'noun': n}")
    views = {task: values.shape[1] for task, values in arrays.items()}
    if len(set(views.values())) > 1:
        counts = ", ".join(f"{task} {count}" for task, count in views.items())
        raise ArrayError(f"tasks have different numbers of views: {counts}", fix="give the same views for every task")


def _status(arrays: Mapping[str, Scores]) -> NDArray[np.uint8]:
    """uint8 [N]: not scored where a task has NaN or inf, or a view of nothing but minus infinity, which masks a class."""
    whole = np.logical_and.reduce(
        [(values < np.inf).all(axis=(1, 2)) & (values.max(axis=2) > -np.inf).all(axis=1) for values in arrays.values()]
    )
    if not whole.any():
        raise ArrayError("every row of the scores holds NaN or inf", fix="check how they were computed")
    return np.where(whole, SCORED, NOT_SCORED).astype(np.uint8)


def _blanked(values: Scores, status: NDArray[np.uint8]) -> Scores:
    """The scores with NaN in all rows that are not scored; changes them in place."""
    values[status == NOT_SCORED] = np.nan
    return values


def _kind(values: Scores, task: str, told: Space | None) -> Space:
    if told is not None and told not in get_args(Space):
        raise ArrayError(f"no kind {told!r}", fix=f"kind is one of {', '.join(get_args(Space))}")
    try:
        inferred = infer_kind(values, task, told, None, "scores")
    except DumpError as error:
        raise ArrayError(
            error.what, fix="give kind='logits', 'probabilities' or 'log_probabilities', whichever they are"
        ) from error
    if inferred.scores is not values:
        raise ArrayError(
            inferred.note.split(",")[0],
            fix="divide them, so that each row sums to 1: scores / scores.sum(-1, keepdims=True)",
        )
    return inferred.kind
