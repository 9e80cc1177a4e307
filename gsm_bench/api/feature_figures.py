"""Figures of features: which feature files a request means, the videos that all of them have, and their groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gsm_bench.api.sources import short_names, task_of
from gsm_bench.errors import AlignmentError, GsmBenchError, LabelError, MissingScoresError
from gsm_bench.evaluation.class_groups import GroupedClasses, chosen_groups, grouped_classes
from gsm_bench.evaluation.embedding import FeatureSet, embed
from gsm_bench.featurefile import FeatureFile
from gsm_bench.score_head import NOT_SCORED
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace
    from gsm_bench.api.figure_request import FigureRequest
    from gsm_bench.evaluation.ground_truth import GroundTruth
    from gsm_bench.figures.style import FigureStyle, Plot

POOL = "pool"


def feature_path(bench: OpenWorkspace, name: str, dataset: str | None, split: str | None) -> Path:
    """The feature file of a model, or of a path; of a model without one of all videos, its only one of some.

    Raises:
        MissingScoresError: with the command that makes it.
    """
    if name.endswith((".h5", ".hdf5")) or "/" in name:
        return Path(name) if Path(name).exists() else bench.workspace.root / name
    entry = bench.manifest.model(name)
    place = bench.manifest.place(entry.dataset, entry.split, dataset, split)
    path = bench.workspace.feature_path(*place, name)
    some = sorted(path.parent.glob(f"{name}.*-*.h5"))
    if path.is_file() or not some:
        if not path.is_file():
            option = bench.workspace.option
            raise MissingScoresError(
                f"no features of {name} on {'/'.join(place)}",
                where=path,
                fix=f"gsmbench{option} features --model {name}",
            )
        return path
    if len(some) > 1:
        raise GsmBenchError(
            f"{name} has {len(some)} feature files", where=path.parent, fix=f"name one: {pasteable(some[0])}"
        )
    return some[0]


def has_features(bench: OpenWorkspace, model: str, dataset: str, split: str) -> bool:
    """Whether a model has one feature file on a split."""
    try:
        return feature_path(bench, model, dataset, split).is_file()
    except GsmBenchError:
        return False


def make_tsne(bench: OpenWorkspace, request: FigureRequest, style: FigureStyle) -> Plot:
    """A panel per model and layer, of the videos that have features in all of them and a class in a group."""
    from gsm_bench.figures.tsne import draw_tsne

    files = [FeatureFile.open(feature_path(bench, name, request.dataset, request.split)) for name in request.names]
    rows = _common_rows(files)
    truth = bench.labels(request.data)(files[0].head)
    classes, labels = _classes(truth, request)
    grouped = _grouped(request, classes, truth)
    known = labels[rows[0]] >= 0
    groups = np.where(known, grouped.group_of[labels[rows[0]]], -1)
    rows = [each[groups >= 0] for each in rows]
    sets = _feature_sets(files, rows, request.layers, request.names)
    embeddings = embed(sets, groups[groups >= 0])
    names, numbers = _present(grouped, groups[groups >= 0])
    ids = [files[0].ids[row] for row in rows[0]]
    plot = draw_tsne(style, embeddings, ids, numbers, names)
    return replace(plot, notes=(*plot.notes, *_left_out(files, rows, groups)))


def _common_rows(files: Sequence[FeatureFile]) -> list[NDArray[np.int64]]:
    """Rows int64 [n] in each file of the videos that all have features of, in the order of the first.

    Raises:
        AlignmentError: there are none.
    """
    first = np.flatnonzero(files[0].head.status != NOT_SCORED)
    ids = files[0].ids.take(first)
    rows = [first]
    for file in files[1:]:
        there = ids.rows_in(file.ids)
        there[there >= 0] = np.where(file.head.status[there[there >= 0]] == NOT_SCORED, -1, there[there >= 0])
        rows.append(there)
    common = np.all([each >= 0 for each in rows], axis=0)
    if not common.any():
        raise AlignmentError(
            "no video has features in all of these files",
            where=", ".join(str(file.path) for file in files),
            fix="compute features of the same videos, with the same --limit or --sample",
        )
    return [each[common] for each in rows]


def _classes(truth: GroundTruth, request: FigureRequest) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Class names and labels int32 [N] of the requested task."""
    task = task_of(list(truth.labels), request.task)
    labels = truth.labels[task]
    names = truth.split.class_names.get(task, ()) if truth.split else ()
    return names or tuple(str(number) for number in range(int(labels.max()) + 1)), labels


def _grouped(request: FigureRequest, classes: Sequence[str], truth: GroundTruth) -> GroupedClasses:
    return grouped_classes(chosen_groups(request.groups, request.block, classes, truth.dataset), classes)


def _feature_sets(
    files: Sequence[FeatureFile], rows: Sequence[NDArray[np.int64]], layers: Sequence[str], names: Sequence[str]
) -> list[FeatureSet]:
    """One feature set per file and layer; without requested layers, of the classifier's input."""
    sets = []
    for file, there, label in zip(files, rows, short_names(names), strict=True):
        usual = [POOL] if POOL in file.layers else list(file.layers)
        sets += [FeatureSet(label, layer, file.video_means(layer)[there]) for layer in layers or usual]
    if not sets:
        raise LabelError("these files hold no features", fix="gsmbench features --model NAME")
    return sets


def _present(grouped: GroupedClasses, groups: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the groups that have videos, and the group of each video among them, int64 [n]."""
    present, numbers = np.unique(groups, return_inverse=True)
    return [grouped.names[group] for group in present], numbers.astype(np.int64)


def _left_out(files: Sequence[FeatureFile], rows: Sequence[NDArray[np.int64]], groups: NDArray[np.int64]) -> list[str]:
    """How many videos are not shown, and why."""
    notes = []
    videos = max(len(file) for file in files)
    if missing := videos - len(groups):
        notes.append(f"{missing:,} of {videos:,} videos are left out: they have no features in one of the files")
    if other := len(groups) - len(rows[0]):
        notes.append(f"{other:,} of {videos:,} videos are left out: their class is in none of the groups")
    return notes
