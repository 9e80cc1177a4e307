"""Verb, noun and action metrics of a result on EPIC-KITCHENS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import LabelError
from gsm_bench.evaluation.actions import (
    ActionRule,
    action_blocks,
)
from gsm_bench.evaluation.epic55_estimate import PUBLIC_FILES, Epic55PublicLabels, epic55_public_labels
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.layouts.epic import read_parts
from gsm_bench.metrics.epic import EpicAnswers, EpicLabels, EpicMetric, epic_metrics
from gsm_bench.metrics.top_actions import TopActions
from gsm_bench.scorefile import ScoreHead
from gsm_bench.settings import Space
from gsm_bench.splits import read_split

TASKS = ("verb", "noun", "action")


def estimated_truth(
    head: ScoreHead, dataset: DatasetEntry, split: str, places: tuple[Path, Path], path: Path
) -> tuple[GroundTruth, Epic55PublicLabels]:
    """Public labels in the rows of a score file.

    Args:
        places: the annotations of EPIC-55 and of EPIC-100.
        path: the score file, for messages.

    Raises:
        LabelError: a segment of the file is not in the split.
    """
    listed = read_split(dataset, split, places[0])
    public_labels = epic55_public_labels(listed, listed.list_path.parent, _annotations(places[1]))
    rows = head.ids.rows_in(listed.ids)
    if (rows < 0).any():
        absent = head.ids[int(np.argmin(rows))]
        raise LabelError(
            f"segment {absent!r} is not in {dataset.name}/{split}", where=path, fix="score the split again"
        )
    labels = {task: values[rows] for task, values in public_labels.labels.items()}
    return GroundTruth(labels, None, listed.reordered(rows), dataset), public_labels


def _annotations(directory: Path) -> Path:
    """The folder with the csv files: the directory, or the clone inside it."""
    inside = ("", "annotations", "epic-kitchens-100-annotations")
    folders = (directory / name for name in inside)
    return next((folder for folder in folders if any((folder / file).is_file() for file in PUBLIC_FILES)), directory)


def evaluate_parts(
    members: Sequence[OpenMember],
    truth: GroundTruth,
    dataset: DatasetEntry,
    rule: ActionRule,
    space: Space | None = None,
) -> dict[tuple[str, str, str], EpicMetric]:
    """All metrics of fused members by (part, task, metric), over the segments that have a score and labels."""
    blocks = list(action_blocks(members, rule, space))
    scored = np.concatenate([block.scored for block in blocks])
    labels = truth.labels
    counted = scored & (labels["verb"] >= 0) & (labels["noun"] >= 0)
    either = {task: scored & (labels[task] >= 0) for task in ("verb", "noun")}
    answers = _joined([block.answers for block in blocks])
    metrics = epic_metrics(_rows_of(answers, counted), _truth(truth, dataset, counted, answers))
    for task, rows in either.items():
        if rows.sum() != counted.sum():  # an estimate, where the verb of a segment may be known and its noun not
            alone = epic_metrics(_rows_of(answers, rows), _truth(truth, dataset, rows, answers, only=task))
            metrics |= {key: value for key, value in alone.items() if key[1] == task}
    return metrics


def _truth(
    truth: GroundTruth, dataset: DatasetEntry, rows: NDArray[np.bool_], answers: EpicAnswers, only: str = ""
) -> EpicLabels:
    split = truth.split
    assert split is not None
    parts = read_parts(dataset.layout, split.name, split.list_path.parent, dataset.tasks)
    widths = {"verb": answers.verb.shape[1], "noun": answers.noun.shape[1]}
    many: dict[str, NDArray[np.generic]] = {}
    if parts.many_shot:
        many = {task: _flags(parts.many_shot[task], width) for task, width in widths.items()}
        many["action"] = np.asarray(parts.many_shot["action"], np.int64)
    unseen = None
    if parts.unseen is not None and split.segments is not None:
        unseen = np.array([name in parts.unseen for name in split.segments.participants])[rows]
    labels = {
        task: np.maximum(truth.labels[task][rows], 0) if only else truth.labels[task][rows] for task in ("verb", "noun")
    }
    tail = {task: _flags(parts.tail[task], width) for task, width in widths.items()} if parts.tail else {}
    return EpicLabels(labels["verb"], labels["noun"], many, tail, unseen)


def _flags(classes: Any, size: int) -> NDArray[np.bool_]:
    flags = np.zeros(size, bool)
    flags[np.asarray(classes, np.int64)] = True
    return flags


def _joined(answers: Sequence[EpicAnswers]) -> EpicAnswers:
    actions = TopActions(
        *(np.concatenate([getattr(a.actions, name) for a in answers]) for name in ("verbs", "nouns", "scores"))
    )
    return EpicAnswers(np.concatenate([a.verb for a in answers]), np.concatenate([a.noun for a in answers]), actions)


def _rows_of(answers: EpicAnswers, rows: NDArray[np.bool_]) -> EpicAnswers:
    best = answers.actions
    return EpicAnswers(
        answers.verb[rows], answers.noun[rows], TopActions(best.verbs[rows], best.nouns[rows], best.scores[rows])
    )
