"""The labels that belong to a score file, found and checked by the split's fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import GsmBenchError, LabelError
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import ScoreHead
from gsm_bench.splits import Labels, Split, read_list, read_split, with_action_labels
from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class GroundTruth:
    """What is known of the clips of a score file.

    Attributes:
        labels: int32 [N] per task, in the rows of the file; empty for a split without labels, as test splits are.
        groups: int64 [N], equal for clips that are not independent, or None.
        split: the split that they were found in, its clips in the rows of the file; None for labels of an import.
        dataset: the data set of the split.
    """

    labels: dict[str, Labels]
    groups: NDArray[np.int64] | None = None
    split: Split | None = None
    dataset: DatasetEntry | None = None


def ground_truth_for(
    head: ScoreHead, manifest: Manifest, workspace: Workspace, data: Path | None = None
) -> GroundTruth:
    """Labels and groups of a score file's clips.

    Looked for in `data`, beside the list that the clips were read from, in the workspace's data/, and at last in the
    file itself: an import may carry labels, but neither groups nor segments.

    Raises:
        LabelError: no list is found whose ids are those of the score file.
    """
    dataset, split = head.provenance.dataset, head.provenance.split
    if head.labels and (head.order == "unverified" or not dataset or not split):
        return GroundTruth(dict(head.labels))
    if not dataset or not split:
        raise LabelError(
            "this score file has no labels and does not say which split it belongs to",
            fix="if it was imported, import it again with --dataset and --split",
        )
    tried = []
    entry = manifest.dataset(dataset)
    for source in _sources(head, entry, split, workspace, data):
        try:
            found = source()
        except GsmBenchError as error:
            tried.append(f"{error.what} ({error.where})")
            continue
        rows = _rows_of(found, head)
        if rows is not None:
            _check_class_names(found, head)
            found = found if len(rows) == len(found) and found.ids == head.ids else found.reordered(rows)
            labels = with_action_labels(found.labels, head.class_names.get("action", ()))
            return GroundTruth(labels, found.groups, found, entry)
        tried.append(f"{found.list_path} lists other clips ({len(found):,}, fingerprint {found.sha256[:12]})")
    if head.labels:
        return GroundTruth(dict(head.labels))
    raise LabelError(
        f"no labels of {dataset}/{split} belong to these {len(head):,} clips (fingerprint {head.ids.sha256[:12]})",
        where="; ".join(tried),
        fix="--data DIR names the directory with the list that was scored",
    )


class _Source:
    """A place where the split may be read from."""

    def __init__(self, entry: DatasetEntry, split: str, path: Path) -> None:
        self.entry, self.split, self.path = entry, split, path

    def __call__(self) -> Split:
        if self.path.is_file():
            return read_list(self.entry, self.split, self.path)
        return read_split(self.entry, self.split, self.path)


def _sources(
    head: ScoreHead, entry: DatasetEntry, split: str, workspace: Workspace, data: Path | None
) -> Iterator[_Source]:
    if data is not None:
        yield _Source(entry, split, data)
        return
    listed = head.provenance.list_path
    if listed and Path(listed).is_file():
        yield _Source(entry, split, Path(listed))
    yield _Source(entry, split, workspace.data / entry.folder)


def _check_class_names(found: Split, head: ScoreHead) -> None:
    """Refuse labels whose numbers mean other classes than the columns of the score file."""
    for task, names in head.class_names.items():
        others = found.class_names.get(task, names)
        if names != others:
            at = next(at for at, pair in enumerate(zip(names, others, strict=False)) if pair[0] != pair[1])
            raise LabelError(
                f"class {at} is {names[at]!r} in the scores and {others[at]!r} beside the labels",
                where=found.list_path.parent,
                fix="use the class file that the split was scored with",
            )


def _rows_of(found: Split, head: ScoreHead) -> NDArray[np.int64] | None:
    """Rows of the split for the score file's clips: the same clips, or the first ones for a run with a limit."""
    if found.ids[: len(head)] == head.ids:
        return np.arange(len(head))
    if len(found) != len(head):
        return None
    rows = head.ids.rows_in(found.ids)
    return None if (rows < 0).any() else rows
