"""The head of a score file: everything but the scores, in memory, written to HDF5 and read from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from gsm_bench.fingerprints import FINGERPRINT_TYPE
from gsm_bench.geometry import FIRST_OF_THREE
from gsm_bench.hdf5_check import own_dataset, own_group
from gsm_bench.hdf5_reader import CheckedHdf5, GuardedFile
from gsm_bench.hdf5_texts import check_texts, own_attribute
from gsm_bench.id_array import IdArray
from gsm_bench.provenance import Provenance
from gsm_bench.settings import Space

FEATURE_KIND = "features"
VIEW_TYPE = np.dtype([("clip", "<i2"), ("crop", "i1"), ("flip", "u1"), ("offset", "<f8")])
AVERAGED = np.array([(-1, -1, 0, np.nan)], dtype=VIEW_TYPE)
"""The single view of a file with averaged views."""
SCORED, SUBSTITUTED, NOT_SCORED = 0, 1, 2
Order = Literal["ids", "unverified"]


@dataclass(frozen=True)
class FileForm:
    """What a file of values [N, V, C] holds: scores per task, or features per layer.

    Attributes:
        format, version: attributes of the file.
        group: the group of its datasets.
        kinds: what an attribute ``kind`` of a dataset may be.
        noun, values: the file and its values in messages.
        command: makes one; another: what to do about a file of another format.
    """

    format: str
    version: int
    group: str
    kinds: tuple[str, ...]
    noun: str
    values: str
    command: str
    another: str


SCORES = FileForm(
    "gsm_bench.scores", 2, "scores", get_args(Space), "score file", "scores", "gsmbench score --model NAME",
    "import it with gsmbench import",
)  # fmt: skip
FEATURES = FileForm(
    "gsm_bench.features", 1, "features", (FEATURE_KIND,), "feature file", "features",
    "gsmbench features --model NAME", "gsmbench features --model NAME writes one",
)  # fmt: skip


@dataclass(frozen=True)
class ScoreHead:
    """Everything in a score file except the scores.

    Attributes:
        ids: N video ids; any sequence of strings is converted.
        kinds: kind of the scores per task.
        classes_per_task: C per task.
        views: structured array [V] of clip, crop, flip and offset in ticks; offset NaN for averaged views.
        status: uint8 [N]: 0 scored, 1 scored with a substituted frame, 2 not scored (its rows are NaN).
        labels: int32 [N] per task, only for an import with labels; -1 unknown.
        class_names: C names in column order per task, where known.
        order: ``ids``, or ``unverified`` for an import without ids.
        provenance: where the scores come from; a mapping is converted.
        problems: reason why a video was not scored or had a frame substituted, by id.
        num_frames: int64 [N] frames of each video, where known; 0 unknown.
        fingerprints: structured array [N] of what was read of each video, where known; see `Fingerprint`.
    """

    ids: IdArray
    kinds: Mapping[str, Space]
    classes_per_task: Mapping[str, int]
    views: NDArray[np.void]
    status: NDArray[np.uint8]
    provenance: Provenance
    labels: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    order: Order = "ids"
    problems: Mapping[str, str] = field(default_factory=dict)
    num_frames: NDArray[np.int64] | None = None
    fingerprints: NDArray[np.void] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", IdArray.of(self.ids))
        object.__setattr__(self, "provenance", Provenance.of(self.provenance))

    def __len__(self) -> int:
        return len(self.ids)


def problem_of(head: ScoreHead) -> str | None:
    """Why a head cannot be written; None if it can."""
    if head.ids.first_repeated() is not None:
        return "video ids are not unique"
    if sum(lines.count(b"\n") for lines in head.ids.lines()) != len(head.ids):
        return "a video id contains a line break"
    if head.status.shape != (len(head.ids),):
        return f"{len(head.ids)} ids but status of shape {head.status.shape}"
    if any(len(names) != head.classes_per_task[task] for task, names in head.class_names.items()):
        return "the number of class names differs from the number of columns"
    return None


def write_head(file: h5py.File, head: ScoreHead, form: FileForm = SCORES) -> None:
    """Write everything but the scores into an open file."""
    file.attrs["format"], file.attrs["version"] = form.format, form.version
    file.attrs["order"] = head.order
    file.attrs["provenance"] = head.provenance.to_json()
    file["video_ids"] = head.ids.texts.astype(h5py.string_dtype("utf-8", head.ids.texts.dtype.itemsize))
    file["views"], file["status"] = head.views, head.status
    if head.num_frames is not None:
        file["num_frames"] = head.num_frames
    if head.fingerprints is not None:
        file["fingerprints"] = head.fingerprints
    for task, labels in head.labels.items():
        file[f"labels/{task}"] = labels.astype(np.int32)
    for task, names in head.class_names.items():
        _write_texts(file, f"classes/{task}", names)
    if head.problems:
        _write_texts(file, "problems/video_ids", tuple(head.problems))
        _write_texts(file, "problems/reasons", tuple(head.problems.values()))


def _write_texts(file: h5py.File, name: str, texts: tuple[str, ...]) -> None:
    encoded = [text.encode() for text in texts]
    length = max(map(len, encoded), default=1) or 1
    file[name] = np.array(encoded, dtype=h5py.string_dtype("utf-8", length))


def read_head(content: CheckedHdf5[Any], scores: Mapping[str, h5py.Dataset], form: FileForm = SCORES) -> ScoreHead:
    """The head of an open file with the datasets `scores` [N, V, C] per task.

    Raises:
        ValueError, TypeError, KeyError, OSError, RuntimeError: the file is damaged.
    """
    source, file = content.source, content.file
    ids = _read_ids(source, _renamed(file, "video_ids", "clip_ids"))
    kinds = {task: own_attribute(source, dataset, "kind") for task, dataset in scores.items()}
    views = _read_views(own_dataset(file, "views"))
    for task, dataset in scores.items():
        if dataset.ndim != 3 or dataset.shape[:2] != (len(ids), len(views)):
            raise ValueError(
                f"{task} {form.values} of shape {dataset.shape} for {len(ids)} videos and {len(views)} views"
            )
        if dataset.dtype.kind != "f":
            raise ValueError(f"{task} {form.values} are {dataset.dtype}, not real numbers in floating point")
        if kinds[task] not in form.kinds:
            raise ValueError(f"{task} {form.values} have the unknown kind {kinds[task]!r}")
    labels, names = own_group(file, "labels"), own_group(file, "classes")
    return ScoreHead(
        ids=ids,
        kinds=kinds,
        classes_per_task={task: dataset.shape[2] for task, dataset in scores.items()},
        views=views,
        status=_read_status(own_dataset(file, "status"), len(ids)),
        provenance=Provenance.of(json.loads(own_attribute(source, file, "provenance"))),
        labels={task: _labels(dataset, len(ids), scores[task].shape[2]) for task, dataset in labels.items()},
        class_names={task: _class_names(source, dataset, scores[task].shape[2]) for task, dataset in names.items()},
        order=_read_order(own_attribute(source, file, "order", "ids")),
        problems=_read_problems(source, file),
        num_frames=_per_video(own_dataset(file, "num_frames"), len(ids)) if "num_frames" in file else None,
        fingerprints=_read_fingerprints(own_dataset(file, "fingerprints"), len(ids))
        if "fingerprints" in file
        else None,
    )


def _read_ids(source: GuardedFile, dataset: h5py.Dataset) -> IdArray:
    values = _text_array(source, dataset)
    if values.dtype.kind != "S":
        values = IdArray.of(_texts(values)).texts
    return _ids_of(values.tobytes(), values.dtype.itemsize)


@lru_cache(maxsize=2)
def _ids_of(raw: bytes, width: int) -> IdArray:
    """Ids from their bytes; cached, since the members of an ensemble usually share them."""
    texts = np.frombuffer(raw, f"S{width}")
    if not raw.isascii():
        _texts(texts)
    empty = np.frombuffer(raw, np.uint8).reshape(-1, width) == 0
    if (empty[:, :-1] > empty[:, 1:]).any():
        raise ValueError("a video id contains a NUL character")
    ids = IdArray(texts)
    if ids.first_repeated() is not None:
        raise ValueError("video ids are not unique")
    return ids


def _text_array(source: GuardedFile, dataset: h5py.Dataset) -> NDArray[Any]:
    """Texts of a dataset [N], encoded."""
    if h5py.check_string_dtype(dataset.dtype) is None or dataset.ndim != 1:
        raise ValueError(f"{dataset.name} is not a list of texts")
    check_texts(source, dataset)
    return np.asarray(dataset[()])


def _texts(values: NDArray[Any]) -> tuple[str, ...]:
    joined = b"\n".join(values.tolist()).decode()
    return tuple(joined.split("\n")) if len(values) else ()


def _class_names(source: GuardedFile, dataset: h5py.Dataset, classes: int) -> tuple[str, ...]:
    names = _texts(_text_array(source, dataset))
    if len(names) != classes:
        raise ValueError(f"{dataset.name} holds {len(names)} names for {classes} classes")
    return names


def _read_views(dataset: h5py.Dataset) -> NDArray[np.void]:
    if dataset.dtype.names is None or not set(VIEW_TYPE.names or ()) <= set(dataset.dtype.names) or dataset.ndim != 1:
        raise ValueError(f"{dataset.name} is not a table of {', '.join(VIEW_TYPE.names or ())}")
    views: NDArray[np.void] = dataset[()][list(VIEW_TYPE.names or ())].astype(VIEW_TYPE)
    if np.isinf(views["offset"]).any():
        raise ValueError(f"{dataset.name} has an infinite offset")
    return views


def _read_fingerprints(dataset: h5py.Dataset, videos: int) -> NDArray[np.void]:
    if dataset.dtype != FINGERPRINT_TYPE or dataset.shape != (videos,):
        raise ValueError(f"{dataset.name} is {dataset.dtype} of shape {dataset.shape}, for {videos} videos")
    fingerprints: NDArray[np.void] = dataset[()]
    return fingerprints


def _read_status(dataset: h5py.Dataset, videos: int) -> NDArray[np.uint8]:
    status = _per_video(dataset, videos)
    if status.size and not (status.min() >= SCORED and status.max() <= NOT_SCORED):
        raise ValueError(f"{dataset.name} not in {SCORED}..{NOT_SCORED}")
    return status.astype(np.uint8)


def _read_order(value: Any) -> Order:
    if value not in get_args(Order):
        raise ValueError(f"the order {value!r} is not one of {', '.join(get_args(Order))}")
    return value  # type: ignore[no-any-return]


def _renamed(group: h5py.Group, name: str, version_1: str) -> h5py.Dataset:
    """A dataset by its name, or by its name in version 1."""
    return own_dataset(group, name if name in group else version_1)


def _per_video(dataset: h5py.Dataset, videos: int) -> NDArray[Any]:
    """Whole numbers of a dataset [N]."""
    if dataset.shape != (videos,):
        raise ValueError(f"{dataset.name} of shape {dataset.shape} for {videos} videos")
    if dataset.dtype.kind not in "iu":
        raise ValueError(f"{dataset.name} is {dataset.dtype}, not whole numbers")
    return np.asarray(dataset[()])


def _labels(dataset: h5py.Dataset, videos: int, classes: int) -> NDArray[np.int32]:
    values = _per_video(dataset, videos)
    if videos and not (values.min() >= -1 and values.max() < classes):
        raise ValueError(f"{dataset.name} not in -1..{classes - 1}")
    return values.astype(np.int32)


def _read_problems(source: GuardedFile, file: h5py.File) -> dict[str, str]:
    problems = own_group(file, "problems")
    if not problems:
        return {}
    ids = _texts(_text_array(source, problems["video_ids" if "video_ids" in problems else "clip_ids"]))
    return dict(zip(ids, _texts(_text_array(source, problems["reasons"])), strict=True))


def views_array(offsets: tuple[float, ...], crops: int) -> NDArray[np.void]:
    """Structured array [V] of the views of K clips x crops in scoring order: clip, then crop, then flip."""
    places = {1: [-1], 3: list(range(FIRST_OF_THREE, FIRST_OF_THREE + 3))}.get(crops, list(range(5)))
    flips = (0, 1) if crops == 10 else (0,)
    rows = [(k, crop, flip, offset) for k, offset in enumerate(offsets) for crop in places for flip in flips]
    return np.array(rows, dtype=VIEW_TYPE)
