"""What a foreign dump says, in one form for all layouts, before ids, kinds and classes are settled."""

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
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import AVERAGED, VIEW_TYPE, Scores
from gsm_bench.settings import Space

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Dump:
    """Scores as somebody else wrote them.

    Attributes:
        layout: whose layout it is.
        scores: float32 [N, V, C] per task, in the order of the file.
        ids: N clip ids, or None where the layout has none.
        labels: int64 [N] per task, -1 unknown, where the layout carries them.
        views: structured array [V]; offsets NaN where the layout does not give them.
        kinds: per task what the scores are, where the layout says so for certain.
        usual: what the layout's scores are unless its user changed a setting.
        class_names: C names in column order per task, where the layout carries them.
        sorted_by_name: whether the rows are in the order of their sorted video names.
        status: uint8 [N] as in a score file, or None where all clips are scored.
        verified: False for our own export of rows whose order is unverified.
        notes: what was assumed in reading.
        provenance: that of the exported score file, where the dump is one of our exports.
    """

    layout: str
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

    def __len__(self) -> int:
        return len(next(iter(self.scores.values())))


def unknown_views(count: int) -> NDArray[np.void]:
    """V views of which only the number is known."""
    if count == 1:
        return AVERAGED
    return np.array([(view, -1, 0, np.nan) for view in range(count)], dtype=VIEW_TYPE)


def is_numeric(value: Any, *ndims: int) -> bool:
    """Whether a value is an array of real numbers with one of these numbers of axes."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim in ndims


def is_row(value: Any) -> bool:
    """Whether a value is one clip's scores: an array (C,) or (1, C), or a list of numbers."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and (value.ndim == 1 or (value.ndim == 2 and len(value) == 1)) and value.size > 1
    return isinstance(value, list | tuple) and len(value) > 1 and all(type(number) is float for number in value[:3])


def score_rows(rows: Sequence[Any], what: str, where: Path | str) -> Scores:
    """Float32 [N, 1, C] from N rows (C,), (1, C) or lists of numbers."""
    arrays = [np.asarray(row) for row in rows]
    length = arrays[0].size
    at = next((at for at, row in enumerate(arrays) if row.size != length or row.dtype.kind not in "fiu"), None)
    if at is not None:
        raise DumpError(
            f"row {at} of {what} holds {arrays[at].size} values of type {arrays[at].dtype}, row 0 holds {length} numbers",
            where=where,
            fix="the rows of a dump have one number per class each",
        )
    require_memory(12 * len(arrays) * length, "the scores", where)
    return _float32(np.stack([row.reshape(-1) for row in arrays]))[:, None]


def score_array(values: Any, what: str, where: Path | str) -> Scores:
    """Float32 [N, V, C] from an array (N, C), (N, V, C) or (N, V, 1, C)."""
    if not is_numeric(values, 2, 3, 4) or not values.size or (values.ndim == 4 and values.shape[2] != 1):
        shape = f"an array {values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise DumpError(f"{what} is {shape}, not scores (N, C) or (N, V, 1, C)", where=where, fix="another --from")
    shaped = values[:, :, 0] if values.ndim == 4 else values[:, None] if values.ndim == 2 else values
    return _float32(shaped)


def _float32(values: NDArray[Any]) -> Scores:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(np.asarray(values), dtype=np.float32)


def label_numbers(values: Any, clips: int, where: Path | str) -> Ints:
    """Int64 [N] from an array (N,) or (N, 1), or from N numbers or arrays of one number."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        found = np.asarray(values).reshape(-1)
    else:
        found = np.array([_one_number(value, where) for value in values])
    if len(found) != clips or (found.dtype.kind == "f" and not (found == np.rint(found)).all()):
        raise DumpError(
            f"the labels are {len(found):,} values of type {found.dtype} for {clips:,} clips", where=where,
            fix="a dump has one class number per clip",
        )  # fmt: skip
    return found.astype(np.int64)


def _one_number(value: Any, where: Path | str) -> int:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iu":
        raise DumpError(
            f"a label is {type(value).__name__} of {array.size} values, not one class number", where=where,
            fix="dumps of several labels per clip have no accuracy that could be checked",
        )  # fmt: skip
    return int(array.reshape(-1)[0])


def text_ids(values: Any, clips: int, where: Path | str) -> tuple[str, ...]:
    """N ids from an array or list of texts or numbers, or of lists of one."""
    found = tuple(_one_text(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values))
    if len(found) != clips:
        raise DumpError(f"{len(found):,} ids for {clips:,} clips", where=where, fix="copy the dump again")
    return refuse_doubles(found, where)


def _one_text(value: Any) -> str:
    while isinstance(value, list | tuple | np.ndarray) and np.size(value) == 1 and not np.isscalar(value):
        value = value[0] if not isinstance(value, np.ndarray) else value.reshape(-1).tolist()[0]
    return value.decode() if isinstance(value, bytes) else str(value)


def refuse_doubles(ids: tuple[str, ...], where: Path | str) -> tuple[str, ...]:
    if any("\0" in name for name in ids):
        raise DumpError("a clip id holds a NUL character", where=where, fix="write ids as plain text")
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        double = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DumpError(
            f"the clip {double!r} stands twice in this dump", where=where,
            fix="distributed tests pad with doubles: remove them, or dump again with one process",
        )  # fmt: skip
    return ids


def read_provenance(text: str, where: Path) -> Provenance:
    """The provenance that one of our exports carries as JSON."""
    try:
        return Provenance.of(json.loads(text))
    except ValueError as error:
        raise DumpError("the provenance of this export is damaged", where=where, fix="export again") from error
