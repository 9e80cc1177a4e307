"""Evaluation of one score file: every clip protocol that it holds, and its classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from gsm_bench.ensembles.frames_text import frames_text, joined_frames
from gsm_bench.ensembles.members import MemberSpec, OpenMember, common_tasks, open_members, protocols
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.evaluation.actions import rule_for
from gsm_bench.evaluation.evaluation import Evaluation, evaluate_each
from gsm_bench.evaluation.ground_truth import GroundTruth, TruthOf
from gsm_bench.evaluation.per_class import ClassEvaluation, evaluate_classes
from gsm_bench.evaluation.predictions import predict
from gsm_bench.scorefile import ScoreFile, ScoreHead, open_scores
from gsm_bench.settings import ActionSource, Space


def evaluate_file(
    path: Path, truth_of: TruthOf, actions: ActionSource | None = None, file: ScoreFile | None = None
) -> list[Evaluation]:
    """One result per protocol: one clip where the file holds the offset 0.5, and K clips where it holds K.

    Args:
        file: the score file if it is open, or in memory.
    """
    with nullcontext(file) if file else open_scores(path) as file:
        truth, label = truth_of(file.head), file_label(file.head, path)
        specs = [MemberSpec(label, path, clips, 1.0) for clips in protocols(file.head)]
        with open_members(specs, {path: file}) as members:
            alone = [replace(member, weight=1.0) for member in members]
            return evaluate_each(alone, truth, rule_for(alone[:1], truth, actions))


def evaluate_file_classes(path: Path, truth_of: TruthOf, file: ScoreFile | None = None) -> Iterator[ClassEvaluation]:
    """A score file class by class, in the protocol with most clips, for each task with labels; `file` if it is open."""
    opened = {path: file} if file else {}
    with nullcontext(file) if file else open_scores(path) as file:
        head = file.head
    truth, label = truth_of(head), file_label(head, path)
    with open_members([MemberSpec(label, path, protocols(head)[-1], 1.0)], opened) as members:
        yield from evaluate_member_classes(label, members, truth, None)


def evaluate_member_classes(
    label: str, members: Sequence[OpenMember], truth: GroundTruth, space: Space | None
) -> Iterator[ClassEvaluation]:
    """Fused members class by class, for each common task with labels."""
    frames = joined_frames(frames_text(member.head, member.views) for member in members)
    head = members[0].head
    for task in (task for task in common_tasks(members) if task in truth.labels):
        labels = truth.labels[task]
        predictions = predict(members, task, fusion_space(members, task, space), labels)
        names = head.class_names.get(task) or [f"class {n}" for n in range(head.classes_per_task[task])]
        yield evaluate_classes(label, frames, task, predictions, labels, names, truth.groups)


def file_label(head: ScoreHead, path: Path) -> str:
    """The model of a score file, else the file's name."""
    return str(head.provenance.model or path.stem)
