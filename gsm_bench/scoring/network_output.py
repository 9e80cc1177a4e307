"""What a network returned, as scores per task: a tensor, a mapping, or an object with ``logits``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import NetworkError

LOGITS = "logits"
ACTION = "action"


def scores_by_task(output: Any, entry: ModelEntry, clips: int) -> Mapping[str, Tensor]:
    """Scores [B, C] per task of `clips` clips.

    A network of the one task ``action`` may return its logits alone, by the name ``action`` or ``logits``, or as an
    attribute ``logits``; what it returns beside them is not used.

    Raises:
        NetworkError: the output is something else, or its shapes are not those of the entry.
    """
    scores = _named(output, entry)
    if scores is None:
        raise NetworkError(
            f"{entry.name} returned {_described(output)}",
            fix=f"return the logits [B, C] alone, or by task: {{{', '.join(f'{task!r}: logits' for task in entry.tasks)}}}",
        )
    shapes = {task: tuple(values.shape) for task, values in scores.items()}
    rows = all(len(shape) == 2 and shape[0] == clips for shape in shapes.values())
    if not rows or any(entry.tasks[task] not in (0, shape[1]) for task, shape in shapes.items()):
        expected = ", ".join(f"{task} [{clips}, {classes}]" for task, classes in entry.tasks.items())
        raise NetworkError(
            f"{entry.name} returned {shapes}, its entry says {expected}",
            fix="correct `classes` of the entry, or what the network returns",
        )
    return scores


def _named(output: Any, entry: ModelEntry) -> Mapping[str, Tensor] | None:
    """Tensors by task; None if there is not one for each task."""
    if isinstance(output, Tensor):
        values: Mapping[Any, Any] = {ACTION: output}
    elif isinstance(output, Mapping):
        values = output
    else:
        values = {LOGITS: getattr(output, LOGITS, None)}
    if set(entry.tasks) == {ACTION} and ACTION not in values:
        values = {ACTION: values.get(LOGITS)}
    scores = {task: values.get(task) for task in entry.tasks}
    return scores if all(isinstance(value, Tensor) for value in scores.values()) else None  # type: ignore[return-value]


def _described(output: Any) -> str:
    """The kind of an output and the shapes in it."""
    if isinstance(output, Mapping):
        return f"a mapping of {', '.join(f'{key!r}: {_shown(value)}' for key, value in output.items()) or 'nothing'}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {', '.join(map(_shown, output)) or 'nothing'}"
    return "None" if output is None else _shown(output)


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"a {type(value).__name__} of shape {list(shape)}"
