"""A frame with a row per video and model: label, its rank, the best classes with their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
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
from gsm_bench.metrics.topk import BEYOND

if TYPE_CHECKING:
    import pandas

    from gsm_bench.workspace import Workspace


def per_video_frame(
    sources: Sequence[NamedSource], truth_of: LabelFinder, workspace: Workspace, task: str | None, k: int, paths: bool
) -> pandas.DataFrame:
    """The predictions of each source, one below the other; see `Bench.per_video`."""
    import pandas

    labels = short_names([source.label for source in sources])
    models = pandas.CategoricalDtype(list(dict.fromkeys(labels)))
    frames = []
    for label, source in zip(labels, sources, strict=True):
        with open_members(source.members, source.opened) as members:
            truth = truth_of(members[0].head)
            name = _task_of(members[0], task)
            known = truth.labels.get(name, np.full(len(members[0].head), -1, np.int32))
            best = top_classes(members, name, fusion_space(members, name, source.space), known, k)
            columns = _columns(members[0], truth, name, known, best)
            if paths:
                columns["path"] = video_paths(members[0], truth, workspace)
            model = pandas.Categorical.from_codes(np.full(len(known), models.categories.get_loc(label)), dtype=models)
        frames.append(pandas.DataFrame({"model": model, **columns}, copy=False))
    return _stacked(frames)


def _columns(
    member: OpenMember, truth: GroundTruth, task: str, labels: NDArray[np.int32], best: TopClasses
) -> dict[str, Any]:
    import pandas

    names = class_names(member, truth, task)
    classes = pandas.CategoricalDtype(list(names)) if len(set(names)) == len(names) and names else None

    def named(numbers: NDArray[np.integer]) -> Any:
        if classes is not None:
            return pandas.Categorical.from_codes(np.where(numbers < len(names), numbers, -1), dtype=classes)
        return pandas.arrays.IntegerArray(numbers.astype(np.int32), numbers < 0)

    ranked = np.where(best.ranks == BEYOND, member.head.classes_per_task[task], best.ranks).astype(np.int32)
    columns: dict[str, Any] = {
        "id": pandas.Categorical.from_codes(np.arange(len(labels)), categories=list(member.head.ids)),
        "label": named(np.maximum(labels, -1)),
        "rank": pandas.arrays.IntegerArray(ranked + np.int32(1), best.ranks < 0),
    }
    for place in range(best.classes.shape[1]):
        columns[f"top{place + 1}"] = named(best.classes[:, place])
        columns[f"p{place + 1}"] = best.probabilities[:, place]
    return columns


def class_names(member: OpenMember, truth: GroundTruth, task: str) -> Sequence[str]:
    """Class names of the score file, else of the split, else none."""
    names = member.head.class_names.get(task)
    return names or (truth.split.class_names.get(task, ()) if truth.split else ())


def _task_of(member: OpenMember, task: str | None) -> str:
    """The task asked for, else action, else the first."""
    kinds = member.head.kinds
    name = task or ("action" if "action" in kinds else next(iter(kinds)))
    if name not in kinds:
        raise AlignmentError(f"no {name} scores: these scores are of {', '.join(kinds)}", fix="name another task")
    return name


def _stacked(frames: Sequence[pandas.DataFrame]) -> pandas.DataFrame:
    """Frames below each other; columns stay categorical, also where frames have other videos or classes."""
    import pandas
    from pandas.api.types import union_categoricals

    if len(frames) == 1:
        return frames[0]
    columns = {}
    for name in dict.fromkeys(column for frame in frames for column in frame):
        parts = [frame[name] if name in frame else pandas.Series(pandas.NA, frame.index) for frame in frames]
        categorical = [isinstance(part.dtype, pandas.CategoricalDtype) for part in parts]
        same = all(categorical) and len({id(part.dtype.categories) for part in parts}) > 1
        columns[name] = union_categoricals(parts) if same else pandas.concat(parts, ignore_index=True)
    return pandas.DataFrame(columns, copy=False)


def video_paths(member: OpenMember, truth: GroundTruth, workspace: Workspace) -> list[str]:
    """Where the frames of each video are, in the rows of a member: its folder, or its video file.

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
