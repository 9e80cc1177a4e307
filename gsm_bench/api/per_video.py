"""A frame with a row per video and model: label, its rank, the best classes with their probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.api.sources import LabelFinder, NamedSource, short_names
from gsm_bench.ensembles.members import OpenMember, open_members
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import AlignmentError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.top_classes import TopClasses, top_classes
from gsm_bench.id_array import IdArray
from gsm_bench.metrics.topk import BEYOND

if TYPE_CHECKING:
    import pandas

    from gsm_bench.settings import Space
    from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class _Rows:
    """The predictions of one source for its N videos."""

    model: str
    ids: IdArray
    names: tuple[str, ...]
    labels: NDArray[np.integer]
    best: TopClasses
    paths: Sequence[str] | None


def per_video_frame(
    sources: Sequence[NamedSource], truth_of: LabelFinder, workspace: Workspace, task: str | None, k: int, paths: bool
) -> pandas.DataFrame:
    """The predictions of each source, one below the other; see `Bench.per_video`."""
    parts = []
    for label, source in zip(short_names([source.label for source in sources]), sources, strict=True):
        with open_members(source.members, source.opened) as members:
            parts.append(_rows_of(label, members, truth_of.members(members), source.space, task, k))
            if paths:
                where = video_paths(truth_of.members(members), workspace)
                parts[-1] = replace(parts[-1], paths=where)
    return _frame(parts)


def _rows_of(
    label: str, members: Sequence[OpenMember], truth: GroundTruth, space: Space | None, task: str | None, k: int
) -> _Rows:
    head, name = members[0].head, _task_of(members[0], task)
    labels = truth.labels.get(name, np.full(len(head), -1, np.int32))
    best = top_classes(members, name, fusion_space(members, name, space), labels, k)
    beyond = best.ranks == BEYOND  # a class without a column comes after all that have one
    best = replace(best, ranks=np.where(beyond, head.classes_per_task[name], best.ranks).astype(np.int32))
    return _Rows(label, head.ids, _unique_names(members[0], truth, name), labels, best, None)


def _frame(parts: Sequence[_Rows]) -> pandas.DataFrame:
    import pandas

    ranks = np.concatenate([part.best.ranks for part in parts])
    columns: dict[str, Any] = {
        "model": _categorical([np.zeros(len(part.ids), np.int8) for part in parts], [(part.model,) for part in parts]),
        "id": _categorical([np.arange(len(part.ids)) for part in parts], [part.ids for part in parts]),
        "label": _categorical([part.labels for part in parts], [part.names for part in parts]),
        "rank": pandas.arrays.IntegerArray(ranks + np.int32(1), ranks < 0),
    }
    for place in range(max(part.best.classes.shape[1] for part in parts)):
        codes = [_column(part.best.classes, place, -1) for part in parts]
        columns[f"top{place + 1}"] = _categorical(codes, [part.names for part in parts])
        columns[f"p{place + 1}"] = np.concatenate([_column(part.best.probabilities, place, np.nan) for part in parts])
    if parts[0].paths is not None:
        columns["path"] = [path for part in parts for path in part.paths or ()]
    return pandas.DataFrame(columns, copy=False)


def _column(values: NDArray[Any], place: int, absent: float) -> NDArray[Any]:
    """A column [N] of values [N, k]; `absent` beyond the last one."""
    return values[:, place] if place < values.shape[1] else np.full(len(values), absent, values.dtype)


def _categorical(codes: Sequence[NDArray[np.integer]], categories: Sequence[Sequence[str]]) -> pandas.Categorical:
    """Parts below each other, with the categories of all of them in the order of their first place."""
    import pandas

    if all(other is categories[0] or other == categories[0] for other in categories):
        joined, names = np.concatenate(codes), list(categories[0])
    else:
        place: dict[str, int] = {}
        lookups = [np.array([place.setdefault(name, len(place)) for name in part]) for part in categories]
        parts = zip(codes, lookups, strict=True)
        joined, names = (
            np.concatenate([np.where(part < 0, -1, lookup[np.maximum(part, 0)]) for part, lookup in parts]),
            list(place),
        )
    return pandas.Categorical.from_codes(np.where(joined < len(names), joined, -1), categories=names)


def _unique_names(member: OpenMember, truth: GroundTruth, task: str) -> tuple[str, ...]:
    """C class names; ``class 7`` where names are unknown, with the number where a name occurs twice."""
    names = member.head.class_names.get(task) or (truth.split.class_names.get(task, ()) if truth.split else ())
    if not names:
        return tuple(f"class {number}" for number in range(member.head.classes_per_task[task]))
    counts = Counter(names)
    return tuple(name if counts[name] == 1 else f"{name} ({number})" for number, name in enumerate(names))


def _task_of(member: OpenMember, task: str | None) -> str:
    """The task asked for, else action, else the first."""
    kinds = member.head.kinds
    name = task or ("action" if "action" in kinds else next(iter(kinds)))
    if name not in kinds:
        raise AlignmentError(f"no {name} scores: these scores are of {', '.join(kinds)}", fix="name another task")
    return name


def video_paths(truth: GroundTruth, workspace: Workspace) -> list[str]:
    """The folder of the frames of each video, in the rows of the split; a video file lies beside it, with a suffix.

    The data set's frame pattern says where to look; the first folder that exists is taken, else the first one.
    """
    split, entry = truth.split, truth.dataset
    if split is None or entry is None:
        raise AlignmentError(
            "these videos belong to no data set of the registry, so their paths are unknown",
            fix="leave paths=True away, or give dataset= and split= when the scores are made",
        )
    listed = split.list_path.parent
    top = listed if listed.is_dir() else workspace.data / entry.folder
    folders = [top / root for root in entry.frame_roots]
    base = next((folder for folder in folders if folder.is_dir()), folders[0])
    pattern = str(PurePosixPath(entry.frame_pattern).parent)
    paths = []
    for row in range(len(split)):
        video = split.video(row)
        paths.append(str(base / pattern.format(id=video.id, video=video.video, participant=video.participant)))
    return paths
