"""The accuracy and cost of a model, a score file or an ensemble on a split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.frames_text import frames_text, joined_frames
from gsm_bench.ensembles.member_files import MemberFile, member_files
from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.entries import Published
from gsm_bench.evaluation.accuracies import accuracies_alone, accuracies_of
from gsm_bench.evaluation.actions import ActionRule, action_rule, derived_action_accuracy
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.input_differences import count_difference, count_text, input_notes
from gsm_bench.evaluation.label_warnings import label_warning
from gsm_bench.evaluation.multi_label import mean_precision
from gsm_bench.evaluation.predictions import predict
from gsm_bench.evaluation.reproduction import Reproduction, reproduction_of, reproduction_of_ensemble
from gsm_bench.id_array import IdArray
from gsm_bench.metrics.average_precision import MeanPrecision
from gsm_bench.metrics.intervals import Interval, accuracy_interval
from gsm_bench.metrics.paired import PairedDifference, paired_difference
from gsm_bench.metrics.topk import Accuracy
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import NOT_SCORED, SUBSTITUTED
from gsm_bench.settings import Space


@dataclass(frozen=True)
class Evaluation:
    """One model, file or ensemble, evaluated.

    Attributes:
        label: its name.
        frames: frames x clips of its members, as in ``8x2+12x2+16+24``.
        params, macs_paper, macs_bare: cost over all members and views; None where that of a member is unknown.
        accuracy: per task; empty without labels.
        not_scored: ids of videos that at least one member has no score of.
        substituted: ids of videos that at least one member scored with a substituted frame.
        read_otherwise: which members read other frames than the first, or than the list says now, a sentence each.
        frames_unused: members with videos of which the list gives fewer frames than there are, and what they say.
        unverified: whether ids could not confirm the order of its rows.
        imported_cost: members whose operations were given at their import.
        gains: per task, the best member's name and the ensemble's gain over it in top-1.
        warnings: why the labels hardly belong to the scores, one sentence per task; see `label_warnings`.
        ids, truth: the videos that the accuracies are over, in row order, and their ground truth.
        files: the score files that it is made of; empty without scores.
        mean_precision: of a multi-label data set, which has no accuracy; None for others.
        reproduction: whether its top-1 is the published one; None where nothing is published.
    """

    label: str
    frames: str
    params: int | None = None
    macs_paper: int | None = None
    macs_bare: int | None = None
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    published: Published | None = None
    not_scored: tuple[str, ...] = ()
    substituted: tuple[str, ...] = ()
    frames_unused: Mapping[str, str] = field(default_factory=dict)
    read_otherwise: tuple[str, ...] = ()
    unverified: bool = False
    imported_cost: tuple[str, ...] = ()
    gains: Mapping[str, tuple[str, PairedDifference]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    ids: IdArray = field(default=IdArray.of(()), repr=False)
    truth: GroundTruth | None = field(default=None, repr=False, compare=False)
    files: tuple[MemberFile, ...] = ()
    reproduction: Reproduction | None = None
    mean_precision: MeanPrecision | None = None

    @property
    def place(self) -> str:
        """Data set and split of its videos, and how many of a run over the first ones only; empty where unknown."""
        return self.files[0].place if self.files else ""

    def interval(self, task: str, k: int = 1) -> Interval:
        """95% interval of the top-k accuracy, over groups of videos where the data set has such groups."""
        return accuracy_interval(self.accuracy[task].correct_at(k), self.truth.groups if self.truth else None)


def evaluate_members(
    label: str,
    members: Sequence[OpenMember],
    truth: GroundTruth,
    space: Space | None = None,
    published: Published | None = None,
    actions: ActionRule | None = None,
) -> tuple[Evaluation, list[Evaluation]]:
    """Fuse open members (also a single one) and evaluate the result against the ground truth of the first's rows.

    Args:
        actions: how actions that are pairs of verb and noun are ranked; by `action_rule` unless given.

    Returns:
        The result of the ensemble, and that of each member with the views that go into it.
    """
    counted = {
        task: accuracies_of(members, task, fusion_space(members, task, space), truth.labels[task])
        for task in common_tasks(members)
        if task in truth.labels and not (task == "action" and actions and actions.source != "head")
    }
    if "action" not in counted and {"verb", "noun"} <= counted.keys():
        rule = actions or action_rule(members, None)
        each = [members] if len(members) == 1 else [members, *([member] for member in members)]
        ensemble_action, *rest = (derived_action_accuracy(some, rule, truth.labels, space) for some in each)
        counted["action"] = (ensemble_action, rest or [ensemble_action])
    ensemble = _result(label, members, truth, {task: accuracy for task, (accuracy, _) in counted.items()}, published)
    precision = mean_precision(members, truth, space)
    warnings = tuple(_warnings(members, truth, ensemble.accuracy, space))
    ensemble = replace(ensemble, warnings=warnings, mean_precision=precision)
    if len(members) > 1:
        ensemble = replace(ensemble, gains=_gains(members, counted, truth.groups))
    ids = members[0].head.ids
    singles = [
        _result(
            member.spec.label, [member], truth, {task: singles[at] for task, (_, singles) in counted.items()}, ids=ids
        )
        for at, member in enumerate(members)
    ]
    if precision is not None:
        singles = [
            replace(single, mean_precision=mean_precision([replace(member, weight=1.0)], truth))
            for single, member in zip(singles, members, strict=True)
        ]
    return ensemble, singles


def evaluate_each(
    members: Sequence[OpenMember], truth: GroundTruth, actions: ActionRule | None = None
) -> list[Evaluation]:
    """Evaluate some protocols of one score file, each alone, in one pass over the file; see `evaluate_members`."""
    tasks = [task for task in common_tasks(members) if task in truth.labels]
    if {"verb", "noun"} <= set(tasks):
        return [evaluate_members(member.spec.label, [member], truth, actions=actions)[0] for member in members]
    counted = {
        task: accuracies_alone(members, task, fusion_space(members, task, None), truth.labels[task]) for task in tasks
    }
    results = [
        _result(member.spec.label, [member], truth, {task: accuracies[at] for task, accuracies in counted.items()})
        for at, member in enumerate(members)
    ]
    results = [
        replace(result, mean_precision=mean_precision([member], truth))
        for result, member in zip(results, members, strict=True)
    ]
    last = results[-1]
    return [*results[:-1], replace(last, warnings=tuple(_warnings(members[-1:], truth, last.accuracy, None)))]


def _warnings(
    members: Sequence[OpenMember], truth: GroundTruth, accuracy: Mapping[str, Accuracy], space: Space | None
) -> Iterator[str]:
    """Doubts about the labels of each task that has its own columns; none where frames were reordered on purpose."""
    if any(member.head.provenance.frame_order != "forward" for member in members):
        return
    for task, counted in accuracy.items():
        if task not in members[0].head.kinds or len(counted.class_counts) != members[0].head.classes_per_task[task]:
            continue  # actions of verbs and nouns
        labels = truth.labels[task]
        predictions = partial(predict, members, task, fusion_space(members, task, space), labels)
        if words := label_warning(counted.ranks, predictions, labels, len(counted.class_counts)):
            yield f"top-1 of {task} {words}"


def _gains(
    members: Sequence[OpenMember],
    counted: Mapping[str, tuple[Accuracy, list[Accuracy]]],
    groups: NDArray[np.int64] | None,
) -> dict[str, tuple[str, PairedDifference]]:
    """The ensemble against its best member, video by video; a task without scored videos is left out."""
    gains = {}
    for task, (ensemble, singles) in counted.items():
        if ensemble.scored:
            best = max(range(len(singles)), key=lambda at: singles[at].top(1))
            name = f"{members[best].spec.label} ({frames_text(members[best].head, members[best].views)})"
            gains[task] = (name, paired_difference(ensemble.correct, singles[best].correct, groups))
    return gains


def _result(
    label: str,
    members: Sequence[OpenMember],
    truth: GroundTruth,
    accuracy: Mapping[str, Accuracy],
    published: Published | None = None,
    ids: IdArray | None = None,
) -> Evaluation:
    ids = members[0].head.ids if ids is None else ids
    status = np.max([np.asarray(member.status) for member in members], axis=0)
    return Evaluation(
        label=label,
        frames=joined_frames(frames_text(member.head, member.views) for member in members),
        params=_sum(member.head.provenance.params for member in members),
        macs_paper=_sum(_over_views(member.head.provenance.macs_paper_per_view, member) for member in members),
        macs_bare=_sum(_over_views(member.head.provenance.macs_bare_per_view, member) for member in members),
        accuracy=accuracy,
        published=published,
        not_scored=tuple(ids[row] for row in np.flatnonzero(status == NOT_SCORED)),
        substituted=tuple(ids[row] for row in np.flatnonzero(status == SUBSTITUTED)),
        read_otherwise=(*input_notes(members), *_list_notes(members, truth)),
        frames_unused={
            member.spec.label: text for member in members if (text := member.head.provenance.frames_unused_text)
        },
        unverified=members[0].head.order == "unverified",
        ids=ids,
        truth=truth,
        files=member_files(members),
        imported_cost=tuple(member.spec.label for member in members if _cost_is_imported(member.head.provenance)),
        reproduction=reproduction_of(members[0], truth, accuracy)
        if len(members) == 1
        else reproduction_of_ensemble(members, published, truth, accuracy),
    )


def _list_notes(members: Sequence[OpenMember], truth: GroundTruth) -> tuple[str, ...]:
    """A sentence for each member whose videos have other numbers of frames in the list of the labels."""
    if truth.split is None or truth.split.num_frames.shape != (len(members[0].head),):
        return ()
    return tuple(
        f"{member.spec.label}: {count_text(difference, ('scored with', 'the list says'))}."
        for member in members
        if member.rows is None and (difference := count_difference(member.head, truth.split.num_frames)).counts
    )


def _cost_is_imported(provenance: Provenance) -> bool:
    return provenance.imported_from is not None and provenance.macs_paper_per_view is not None


def _over_views(macs_per_view: int | None, member: OpenMember) -> int | None:
    return None if macs_per_view is None else macs_per_view * len(member.views)


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum, or None where a value is unknown."""
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
