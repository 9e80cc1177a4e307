"""What a model, a score file or an ensemble is worth on a split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.entries import Published
from gsm_bench.evaluation.accuracies import accuracies_alone, accuracies_of
from gsm_bench.evaluation.actions import ActionRule, action_rule, derived_action_accuracy
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.id_array import IdArray
from gsm_bench.metrics.paired import PairedDifference, paired_difference
from gsm_bench.metrics.topk import Accuracy
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import NOT_SCORED, SUBSTITUTED, ScoreHead
from gsm_bench.settings import Space


@dataclass(frozen=True)
class Evaluation:
    """One model, file or ensemble, evaluated.

    Attributes:
        label: its name.
        frames: frames x clips of its members, as in ``8x2+12x2+16+24``.
        params, macs_paper, macs_bare: cost over all members and views; None where a member's is not known.
        accuracy: per task, or empty without labels.
        bad: ids of clips without a score in at least one member.
        substituted: ids of clips scored with a substituted frame in at least one member.
        gains: per task, what an ensemble gains in top-1 over its best member, and that member's name.
        unverified: whether the order of its rows could not be checked by ids.
        ids, truth: the clips that the accuracies are over, in their order, and what is known of them.
        told_cost: members whose operations were told at their import.
    """

    label: str
    frames: str
    params: int | None = None
    macs_paper: int | None = None
    macs_bare: int | None = None
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    published: Published | None = None
    bad: tuple[str, ...] = ()
    substituted: tuple[str, ...] = ()
    unverified: bool = False
    told_cost: tuple[str, ...] = ()
    gains: Mapping[str, tuple[str, PairedDifference]] = field(default_factory=dict)
    ids: IdArray = field(default=IdArray.of(()), repr=False)
    truth: GroundTruth | None = field(default=None, repr=False, compare=False)


def evaluate_members(
    label: str,
    members: Sequence[OpenMember],
    truth: GroundTruth,
    space: Space | None = None,
    published: Published | None = None,
    actions: ActionRule | None = None,
) -> tuple[Evaluation, list[Evaluation]]:
    """Fuse open members (one is a fusion too) and compare with what is known of the first's rows.

    Args:
        actions: how actions are ranked where they are pairs of verb and noun; by `action_rule` unless told.

    Returns:
        The result of the whole, and of each member as it goes into the whole.
    """
    counted = {
        task: accuracies_of(members, task, fusion_space(members, task, space), truth.labels[task])
        for task in common_tasks(members)
        if task in truth.labels and not (task == "action" and actions and actions.source != "head")
    }
    if "action" not in counted and {"verb", "noun"} <= counted.keys():
        rule = actions or action_rule(members, None)
        each = [members] if len(members) == 1 else [members, *([member] for member in members)]
        whole_action, *rest = (derived_action_accuracy(some, rule, truth.labels, space) for some in each)
        counted["action"] = (whole_action, rest or [whole_action])
    whole = _result(label, members, truth, {task: accuracy for task, (accuracy, _) in counted.items()}, published)
    if len(members) > 1:
        whole = replace(whole, gains=_gains(members, counted, truth.groups))
    ids = members[0].head.ids
    singles = [
        _result(
            member.spec.label, [member], truth, {task: singles[at] for task, (_, singles) in counted.items()}, ids=ids
        )
        for at, member in enumerate(members)
    ]
    return whole, singles


def evaluate_each(
    members: Sequence[OpenMember], truth: GroundTruth, actions: ActionRule | None = None
) -> list[Evaluation]:
    """Each of some protocols of one score file alone, in one pass over the file; as `evaluate_members` does one."""
    tasks = [task for task in common_tasks(members) if task in truth.labels]
    if {"verb", "noun"} <= set(tasks):
        return [evaluate_members(member.spec.label, [member], truth, actions=actions)[0] for member in members]
    counted = {
        task: accuracies_alone(members, task, fusion_space(members, task, None), truth.labels[task]) for task in tasks
    }
    return [
        _result(member.spec.label, [member], truth, {task: found[at] for task, found in counted.items()})
        for at, member in enumerate(members)
    ]


def _gains(
    members: Sequence[OpenMember],
    counted: Mapping[str, tuple[Accuracy, list[Accuracy]]],
    groups: NDArray[np.int64] | None,
) -> dict[str, tuple[str, PairedDifference]]:
    """The ensemble against its best member, clip by clip; nothing where no clip has both."""
    gains = {}
    for task, (whole, singles) in counted.items():
        if whole.scored:
            best = max(range(len(singles)), key=lambda at: singles[at].top(1))
            name = f"{members[best].spec.label} ({frames_text(members[best].head, members[best].views)})"
            gains[task] = (name, paired_difference(whole.correct, singles[best].correct, groups))
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
        frames="+".join(frames_text(member.head, member.views) for member in members),
        params=_sum(member.head.provenance.params for member in members),
        macs_paper=_sum(_over_views(member.head.provenance.macs_paper_per_view, member) for member in members),
        macs_bare=_sum(_over_views(member.head.provenance.macs_bare_per_view, member) for member in members),
        accuracy=accuracy,
        published=published,
        bad=tuple(ids[row] for row in np.flatnonzero(status == NOT_SCORED)),
        substituted=tuple(ids[row] for row in np.flatnonzero(status == SUBSTITUTED)),
        unverified=members[0].head.order == "unverified",
        ids=ids,
        truth=truth,
        told_cost=tuple(member.spec.label for member in members if _is_told(member.head.provenance)),
    )


def frames_text(head: ScoreHead, views: NDArray[np.int64]) -> str:
    """Frames, clips and crops of some views of a file: ``8``, ``8x2``, ``8x2x5``."""
    if head.provenance.frames_text:
        return head.provenance.frames_text
    chosen = head.views[views]
    clips = len(set(chosen["offset"].tolist())) if not np.isnan(chosen["offset"]).any() else 1
    crops = len(views) // clips
    order = head.provenance.frame_order
    frames = f"{'' if order == 'forward' else f'{order} '}{head.provenance.sampled_frames or '?'}"
    return f"{frames}x{clips}x{crops}" if crops > 1 else f"{frames}x{clips}" if clips > 1 else frames


def _is_told(provenance: Provenance) -> bool:
    return provenance.imported_from is not None and provenance.macs_paper_per_view is not None


def _over_views(macs_per_view: int | None, member: OpenMember) -> int | None:
    return None if macs_per_view is None else macs_per_view * len(member.views)


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if any(value is None for value in found) else sum(value for value in found if value is not None)
