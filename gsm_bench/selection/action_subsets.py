"""Every subset of a pool for actions that follow from verbs and nouns: fused and ranked one subset after another.

The screening of `gsm_bench.selection.subsets` needs one score per class, and here a class is one of 30,000 products. So
each subset is ranked by `predict_actions`, block by block, which never holds more than the best pairs of a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember, shared_out
from gsm_bench.entries import Space
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.actions import ActionRule, pair_codes, predict_actions
from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.metrics.topk import KS
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.selection.subsets import Progress, SubsetHits, walk

MOST_SUBSETS = 600
"""More subsets than this are not worth the wait: 0.2 s each for 10,000 clips on two cores."""

Answers = Callable[[int], Predictions]


def count_action_subsets(
    members: Sequence[OpenMember],
    rule: ActionRule,
    space: Space | None,
    labels: Mapping[str, NDArray[np.integer]],
    folds: NDArray[np.int64],
    *,
    progress: Progress = lambda done, total: None,
) -> tuple[SubsetHits, Answers]:
    """Hits of every subset at equal weights over the clips that all have scored, and what each subset answers.

    Args:
        labels: verbs and nouns int [N], -1 unknown.
        folds: int64 [N], the fold that each clip is counted in.
        progress: called with subsets done and subsets in all.

    Raises:
        GsmBenchError: more subsets than can be waited for.
    """
    _, subsets = walk([str(member.spec.path) for member in members])
    if len(subsets) > MOST_SUBSETS:
        raise GsmBenchError(
            f"{len(members)} choices have {len(subsets):,} subsets; of actions from verb x noun at most {MOST_SUBSETS} are tried",
            fix="name fewer, with @K to say how many clips of each, or search --task verb or --task noun",
        )
    known = pair_codes(labels, members[0].head.classes_per_task["noun"]) >= 0
    counted: NDArray[np.bool_] = np.logical_and.reduce([known, *(member.status != NOT_SCORED for member in members)])

    def fused(subset: int) -> Predictions:
        held = [members[at] for at in np.flatnonzero(subsets[subset]).tolist()]
        return predict_actions(shared_out(held), rule, labels, space)

    parts = int(folds.max()) + 1
    hits = {k: np.zeros((parts, len(subsets)), np.int64) for k in KS}
    for subset in range(len(subsets)):
        ranks = fused(subset).ranks  # not kept: of a large split all subsets would not fit
        for k in KS:
            hits[k][:, subset] = np.bincount(folds[counted & (ranks < k)], minlength=parts)
        progress(subset + 1, len(subsets))
    clips = np.bincount(folds[counted], minlength=parts)
    return SubsetHits(subsets, hits, clips, np.flatnonzero(counted)), cache(fused)
