"""Verb, noun and action metrics of a score file of EPIC-KITCHENS, by true labels or estimated from public ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsm_bench.ensembles.frames_text import frames_text
from gsm_bench.ensembles.members import MemberSpec, open_members, protocols
from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import LabelError
from gsm_bench.evaluation.actions import ActionRule, action_rule, training_prior
from gsm_bench.evaluation.epic import estimated_truth, evaluate_parts
from gsm_bench.evaluation.epic55_estimate import Epic55PublicLabels
from gsm_bench.evaluation.ground_truth import GroundTruth, TruthOf
from gsm_bench.evaluation.score_files import file_label
from gsm_bench.layouts.epic import part_files
from gsm_bench.metrics.epic import EpicMetric
from gsm_bench.scorefile import NOT_SCORED, ScoreFile
from gsm_bench.settings import ActionSource


@dataclass(frozen=True)
class EpicEvaluation:
    """The metrics of one clip protocol.

    Attributes:
        label, frames: what was evaluated, as in `Evaluation`.
        rule: how actions are ranked.
        metrics: by (part, task, metric), see `gsm_bench.metrics.epic.epic_metrics`.
    """

    label: str
    frames: str
    rule: ActionRule
    metrics: Mapping[tuple[str, str, str], EpicMetric]


@dataclass(frozen=True)
class EpicFileEvaluation:
    """A score file in every clip protocol that it holds.

    Attributes:
        dataset: the data set's entry.
        split: the split's name.
        protocols: one evaluation per clip protocol.
        not_scored: ids of segments without a score.
        missing_files: annotation files that are not beside the list; the metrics that need them are left out.
        public_labels: the labels behind an estimate; None for true labels.
    """

    dataset: DatasetEntry
    split: str
    protocols: tuple[EpicEvaluation, ...]
    not_scored: tuple[str, ...]
    missing_files: tuple[str, ...]
    public_labels: Epic55PublicLabels | None = None


def evaluate_epic_file(file: ScoreFile, truth_of: TruthOf, actions: ActionSource | None = None) -> EpicFileEvaluation:
    """All metrics of a score file by the labels of its split.

    Args:
        file: the open score file.
        truth_of: gives the ground truth of a score file.
        actions: where action scores come from; the head if there is one, else verb x noun.

    Raises:
        LabelError: the split has no verb and noun labels.
    """
    truth = truth_of(file.head)
    if not {"verb", "noun"} <= truth.labels.keys() or truth.split is None or truth.dataset is None:
        raise LabelError(
            "this split has no verb and noun labels",
            where=file.path,
            fix="gsmbench evaluate FILE without --parts; for the EPIC-55 tests with --offline epic-55",
        )
    return _evaluate(file, truth, truth.dataset, truth.split.name, actions)


def estimate_epic_file(
    file: ScoreFile,
    dataset: DatasetEntry,
    split: str | None,
    places: tuple[Path, Path],
    actions: ActionSource | None = None,
) -> EpicFileEvaluation:
    """Estimated metrics of an EPIC-55 test split, by the labels that EPIC-100 made public.

    Args:
        file: the open score file.
        split: ``s1`` or ``s2``; the file's own unless given.
        places: the annotations of EPIC-55 and of EPIC-100.

    Raises:
        LabelError: the file is of another split, or the annotations are missing.
    """
    head = file.head
    own = (head.provenance.dataset, head.provenance.split)
    name = split or str(own[1])
    if own != (dataset.name, name) or name not in ("s1", "s2"):
        raise LabelError(
            f"these are scores of {own[0]}/{own[1]}, not of {dataset.name}/{split or 's1 or s2'}",
            where=file.path,
            fix=f"gsmbench score --model NAME --dataset {dataset.name} --split s1",
        )
    truth, public_labels = estimated_truth(head, dataset, name, places, file.path)
    return _evaluate(file, truth, dataset, name, actions, public_labels)


def _evaluate(
    file: ScoreFile,
    truth: GroundTruth,
    dataset: DatasetEntry,
    split: str,
    actions: ActionSource | None,
    public_labels: Epic55PublicLabels | None = None,
) -> EpicFileEvaluation:
    head, path, evaluations = file.head, file.path, []
    label = file_label(head, path)
    for clips in protocols(head):
        with open_members([MemberSpec(label, path, clips, 1.0)], {path: file}) as members:
            rule = action_rule(members, actions, training_prior(truth) if actions == "prior" else None)
            metrics = evaluate_parts(members, truth, dataset, rule)
            evaluations.append(EpicEvaluation(label, frames_text(members[0].head, members[0].views), rule, metrics))
    not_scored = tuple(head.ids[row] for row in np.flatnonzero(head.status == NOT_SCORED))
    return EpicFileEvaluation(
        dataset, split, tuple(evaluations), not_scored, _missing_files(truth, dataset), public_labels
    )


def _missing_files(truth: GroundTruth, dataset: DatasetEntry) -> tuple[str, ...]:
    if truth.split is None:
        return ()
    folder = truth.split.list_path.parent
    return tuple(name for name in part_files(dataset.layout, truth.split.name) if not (folder / name).is_file())
