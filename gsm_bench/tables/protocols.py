"""The clip protocols that one score file holds: its one-clip row, and all of its clips together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from gsm_bench.ensembles.members import MemberSpec, open_members, protocols
from gsm_bench.evaluation.actions import rule_for
from gsm_bench.evaluation.evaluation import Evaluation, evaluate_each, frames_text
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import predict
from gsm_bench.scorefile import ScoreHead, open_scores
from gsm_bench.settings import ActionSource
from gsm_bench.tables.per_class import confusions_table, per_class_table
from gsm_bench.tables.table import Table


def evaluate_file(
    path: Path, truth_of: Callable[[ScoreHead], GroundTruth], actions: ActionSource | None = None
) -> list[Evaluation]:
    """One result per protocol: one clip where the file holds the offset 0.5, and K clips where it holds K."""
    with open_scores(path) as file:
        truth = truth_of(file.head)
        label = str(file.head.provenance.model or path.stem)
        specs = [MemberSpec(label, path, clips, 1.0) for clips in protocols(file.head)]
        with open_members(specs, {path: file}) as members:
            alone = [replace(member, weight=1.0) for member in members]
            return evaluate_each(alone, truth, rule_for(alone[:1], truth, actions))


def class_tables(
    path: Path, truth_of: Callable[[ScoreHead], GroundTruth], per_class: bool, confusions: bool, most: int | None
) -> Iterator[Table]:
    """A file class by class, in the protocol with most clips: accuracies, and which classes are taken for which."""
    with open_scores(path) as file:
        head = file.head
    truth, label = truth_of(head), str(head.provenance.model or path.stem)
    with open_members([MemberSpec(label, path, protocols(head)[-1], 1.0)]) as members:
        for task in (task for task in head.kinds if task in truth.labels):
            labels = truth.labels[task]
            answers = predict(members, task, head.kinds[task], labels)
            names = head.class_names.get(task) or [f"class {n}" for n in range(head.classes_per_task[task])]
            of = f"{label} {frames_text(head, members[0].views)}{'' if task == 'action' else f', {task}'}"
            if per_class:
                yield per_class_table(f"Classes of {of}", answers, labels, names, truth.groups)
            if confusions:
                yield confusions_table(f"What {of} takes for what", answers.best, labels, names, most)
