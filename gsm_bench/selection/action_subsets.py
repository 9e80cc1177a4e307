"""Every subset of a pool for actions that follow from verbs and nouns, fused and ranked one after another.

`gsm_bench.selection.subsets` needs one score per class, and here a class is one of 30,000 pairs. So `predict_actions`
ranks each subset block by block and holds only the best pairs of each segment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember, shared_out
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.actions import ActionRule, pair_codes, predict_actions
from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.metrics.topk import KS
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.selection.subsets import Progress, SubsetHits, walk
from gsm_bench.settings import Space

MOST_SUBSETS = 600
"""The most subsets that are tried: each takes 0.2 s for 10,000 segments on two cores."""

PredictSubset = Callable[[int], Predictions]


def count_action_subsets(
    members: Sequence[OpenMember],
    rule: ActionRule,
    space: Space | None,
    labels: Mapping[str, NDArray[np.integer]],
    folds: NDArray[np.int64],
    *,
    progress: Progress = lambda done, total: None,
) -> tuple[SubsetHits, PredictSubset]:
    """Hits of every subset at equal weights, over the segments that all members have scored, and its predictions.

    Args:
        labels: verbs and nouns int [N], -1 unknown.
        folds: int64 [N], the fold of each segment.
        progress: called with subsets done and subsets in all.

    Raises:
        GsmBenchError: too many subsets.
    """
    _, subsets = walk([str(member.spec.path) for member in members])
    if len(subsets) > MOST_SUBSETS:
        raise GsmBenchError(
            f"{len(members)} choices have {len(subsets):,} subsets; the limit for actions from verb x noun is {MOST_SUBSETS}",
            fix="name fewer, with @K for the number of clips of each, or search --task verb or --task noun",
        )
    known = pair_codes(labels, members[0].head.classes_per_task["noun"]) >= 0
    counted: NDArray[np.bool_] = np.logical_and.reduce([known, *(member.status != NOT_SCORED for member in members)])

    def predictions(subset: int) -> Predictions:
        chosen = [members[at] for at in np.flatnonzero(subsets[subset]).tolist()]
        return predict_actions(shared_out(chosen), rule, labels, space)

    parts = int(folds.max()) + 1
    hits = {k: np.zeros((parts, len(subsets)), np.int64) for k in KS}
    for subset in range(len(subsets)):
        ranks = predictions(subset).ranks  # not cached: all subsets of a large split do not fit into memory
        for k in KS:
            hits[k][:, subset] = np.bincount(folds[counted & (ranks < k)], minlength=parts)
        progress(subset + 1, len(subsets))
    videos = np.bincount(folds[counted], minlength=parts)
    return SubsetHits(subsets, hits, videos, np.flatnonzero(counted)), cache(predictions)
