"""Results on multi-label data sets, where a video has several classes or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gsm_bench.ensembles.fuse import fuse_blocks
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import AlignmentError, LabelError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.average_precision import MeanPrecision, mean_average_precision
from gsm_bench.settings import Space

TASK = "action"


def mean_precision(
    members: Sequence[OpenMember], truth: GroundTruth, space: Space | None = None
) -> MeanPrecision | None:
    """Mean average precision of fused members over the scored videos; None where the split has no sets of classes.

    Raises:
        AlignmentError: scores would be converted by a softmax, which is for classes that exclude each other.
        LabelError: the scores have another number of classes.
    """
    sets = truth.split.label_sets if truth.split is not None else None
    if sets is None or any(TASK not in member.head.kinds for member in members):
        return None
    chosen = fusion_space(members, TASK, space)
    if any(member.head.kinds[TASK] != chosen for member in members):
        raise AlignmentError(
            f"scores of a multi-label data set are not converted to {chosen}: their classes do not exclude each other",
            fix="fuse members whose scores are of one kind, in that kind",
        )
    classes = members[0].head.classes_per_task[TASK]
    if classes != sets.shape[1]:
        raise LabelError(
            f"the scores have {classes} classes, the list has {sets.shape[1]}", fix="use the scores of this data set"
        )
    scores, scored = np.zeros(sets.shape), np.zeros(len(sets), bool)
    for block in fuse_blocks(members, TASK, chosen):
        scores[block.rows], scored[block.rows] = block.scores, block.scored
    groups = truth.groups[scored] if truth.groups is not None else None
    return mean_average_precision(scores[scored], sets[scored], groups)
