"""The labels that belong to a score file, identified by the fingerprint of the split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.actions import are_pairs
from gsm_bench.ensembles.alignment import check_labels
from gsm_bench.ensembles.members import OpenMember, message_names
from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import GsmBenchError, LabelError, NoLabelsError
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import ScoreHead
from gsm_bench.splits import Labels, Split, read_list, read_split, with_action_labels
from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class GroundTruth:
    """Labels and groups of the N videos of a score file.

    Attributes:
        labels: int32 [N] per task, in row order of the file; empty for a split without labels, such as a test split.
        groups: int64 [N], equal for videos that are not independent, or None.
        split: the split that holds the labels, its videos in row order of the file; None for labels of an import.
        dataset: the data set of the split.
        whole_labels: int32 [M] per task, of the list where it holds more videos than the file; else empty.
    """

    labels: dict[str, Labels]
    groups: NDArray[np.int64] | None = None
    split: Split | None = None
    dataset: DatasetEntry | None = None
    whole_labels: Mapping[str, Labels] = field(default_factory=dict)


TruthOf = Callable[[ScoreHead], GroundTruth]
"""Gives the ground truth of a score file."""


def ground_truth_for(
    head: ScoreHead, manifest: Manifest, workspace: Workspace, data: Path | None = None
) -> GroundTruth:
    """Labels and groups of the videos of a score file.

    The list is read from `data` if given; else from its own path, else from the workspace's data/. The last resort is
    the score file itself: an import may carry labels, but neither groups nor segments.

    Raises:
        NoLabelsError: no list has the ids of the score file.
        LabelError: the class names beside the labels are others.
    """
    dataset, split = head.provenance.dataset, head.provenance.split
    if head.labels and (head.order == "unverified" or not dataset or not split):
        return GroundTruth(dict(head.labels))
    if not dataset or not split:
        raise NoLabelsError(
            "this score file has neither labels nor the name of its split",
            fix="import it again with --labels LIST, or with --dataset and --split",
        )
    tried = []
    entry = manifest.dataset(dataset)
    for source in _sources(head, entry, split, workspace, data):
        try:
            candidate = source()
        except GsmBenchError as error:
            tried.append(f"{error.what} ({error.where})")
            continue
        rows = _rows_of(candidate, head)
        if rows is not None:
            _check_class_names(candidate, head)
            names = head.class_names.get("action", ())
            whole = with_action_labels(candidate.labels, names) if len(rows) < len(candidate) else {}
            same = len(rows) == len(candidate) and candidate.ids == head.ids
            candidate = candidate if same else candidate.reordered(rows)
            labels = with_action_labels(candidate.labels, names)
            return GroundTruth(labels, candidate.groups, candidate, entry, whole)
        fingerprint = candidate.sha256[:12]
        tried.append(f"{candidate.list_path} lists other videos ({len(candidate):,}, fingerprint {fingerprint})")
    if head.labels:
        return GroundTruth(dict(head.labels))
    raise NoLabelsError(
        f"no labels of {dataset}/{split} belong to these {len(head):,} videos (fingerprint {head.ids.sha256[:12]})",
        where="; ".join(tried),
        fix="name the directory with the list that was scored: --data DIR",
    )


def members_truth(members: Sequence[OpenMember], truth_of: TruthOf) -> GroundTruth:
    """Ground truth of fused members, in rows of the first; it does not depend on the order of the members.

    It is that of the first member with a list, with the labels of the others where that has none.

    Raises:
        AlignmentError: the labels of two members differ.
        NoLabelsError: no member has labels.
    """
    truths, errors = [], []
    for member in members:
        try:
            truths.append((member, truth_of(member.head)))
        except NoLabelsError as error:
            errors.append(error)
    if not truths:
        raise errors[0]
    first, chosen = next((pair for pair in truths if pair[1].split is not None), truths[0])
    base = _in_order(chosen, first.rows)
    labels = dict(base.labels)
    for member, truth in truths:
        if truth is chosen:
            continue
        for task, values in _in_order(truth, member.rows).labels.items():
            known = labels.setdefault(task, values)
            check_labels(message_names(first.spec, member.spec), task, members[0].head.ids, known, values)
            labels[task] = np.where(known >= 0, known, values)
    return replace(base, labels=labels)


def _in_order(truth: GroundTruth, rows: NDArray[np.int64] | None) -> GroundTruth:
    """The ground truth of a member in the rows of the ensemble, int64 [N]; None if they are the same."""
    if rows is None:
        return truth
    return GroundTruth(
        {task: values[rows] for task, values in truth.labels.items()},
        None if truth.groups is None else truth.groups[rows],
        truth.split and truth.split.reordered(rows),
        truth.dataset,
    )


def remember_truth(truth_of: TruthOf) -> TruthOf:
    """The same function, which reads the ground truth only once for score files of the same videos."""
    known: list[tuple[ScoreHead, GroundTruth]] = []

    def remembered(head: ScoreHead) -> GroundTruth:
        for other, truth in known:
            if other.ids == head.ids and _same_source(other, head):
                return truth
        known.append((head, truth_of(head)))
        return known[-1][1]

    return remembered


def _same_source(head: ScoreHead, other: ScoreHead) -> bool:
    """Whether everything that identifies the labels is the same."""
    places = [(one.provenance.place, one.provenance.list_path) for one in (head, other)]
    unlabelled = not head.labels and not other.labels
    return places[0] == places[1] and unlabelled and head.class_names == other.class_names and head.order == other.order


class _Source:
    """A place from which the split may be read."""

    def __init__(
        self, entry: DatasetEntry, split: str, path: Path, columns: Sequence[str] = (), *, is_list: bool = False
    ) -> None:
        self.entry, self.split, self.path, self.columns, self.is_list = entry, split, path, columns, is_list

    def __call__(self) -> Split:
        read = read_list if self.is_list or self.path.is_file() else read_split
        return read(self.entry, self.split, self.path, self.columns)


def _sources(
    head: ScoreHead, entry: DatasetEntry, split: str, workspace: Workspace, data: Path | None
) -> Iterator[_Source]:
    list_path = head.provenance.list_path
    places = [(data or workspace.data / entry.folder, False)]
    if (
        data is None
        and list_path
        and (Path(list_path).is_dir() if entry.layout == "folder" else Path(list_path).is_file())
    ):
        places.insert(0, (Path(list_path), True))
    columns = head.provenance.list_columns or ()
    for place, is_list in places:
        if len(columns) == 2:  # its second column may be frame counts or labels; the run looked at the frames
            yield _Source(entry, split, place, columns, is_list=is_list)
        yield _Source(entry, split, place, is_list=is_list)


def _check_class_names(candidate: Split, head: ScoreHead) -> None:
    """Refuse labels whose numbers mean other classes than the columns of the score file."""
    for task, names in head.class_names.items():
        others = candidate.class_names.get(task, names)
        if task == "action" and are_pairs(names) and are_pairs(others):
            continue  # labels of such columns are looked up by verb and noun
        if names != others:
            pairs = enumerate(zip_longest(names, others))
            at, (scored, listed) = next((at, pair) for at, pair in pairs if pair[0] != pair[1])
            shown = [repr(name) if name is not None else "none" for name in (scored, listed)]
            raise LabelError(
                f"class {at} is {shown[0]} in the scores and {shown[1]} beside the labels",
                where=candidate.list_path.parent,
                fix="use the class file of the scored split",
            )


def _rows_of(candidate: Split, head: ScoreHead) -> NDArray[np.int64] | None:
    """Rows of the split for the videos of the score file: all, the first ones of a limit, or those of a sample."""
    if candidate.ids[: len(head)] == head.ids:
        return np.arange(len(head))
    if len(candidate) != len(head) and not head.provenance.sample:
        return None
    rows = head.ids.rows_in(candidate.ids)
    return None if (rows < 0).any() else rows
