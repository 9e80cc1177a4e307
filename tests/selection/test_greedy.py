"""Greedy selection against the plain loop."""

import numpy as np
import pytest

from gsm_bench.ensembles.members import open_members
from gsm_bench.evaluation.accuracies import accuracies_of
from gsm_bench.selection.greedy import member_scores, select
from gsm_bench.selection.weighting import taken
from tests.selection.weighted_pools import noisy, pool


def plain_greedy(arrays, labels, rounds):
    """Caruana's selection, the obvious way."""
    total, taken_, best = np.zeros_like(arrays[0], float), [], (-1, 0)
    for done in range(rounds):
        hits = [((total + array).argmax(axis=1) == labels).sum() for array in arrays]
        taken_.append(int(np.argmax(hits)))
        total = total + arrays[taken_[-1]]
        best = max(best, (max(hits), -done))
    return np.bincount(taken_[: 1 - best[1]], minlength=len(arrays))


@pytest.mark.parametrize("seed", range(3))
def test_greedy_equals_the_plain_loop(tmp_path, labels_400, seed):
    labels_400 = np.random.default_rng(seed).permutation(labels_400)
    arrays = noisy(labels_400, 6)
    with open_members(pool(tmp_path, arrays)) as members:
        blocks = member_scores(members, "action", "logits", labels_400)
        counts = select(blocks, np.ones(400, bool), 6, rounds=25)
    assert counts.tolist() == plain_greedy([array.astype(float) for array in arrays], labels_400, 25).tolist()


def test_greedy_uses_only_the_videos_that_choose(tmp_path, labels_400):
    arrays = noisy(labels_400, 4)
    chosen = np.arange(400) % 3 > 0
    with open_members(pool(tmp_path, arrays)) as members:
        counts = select(member_scores(members, "action", "logits", labels_400), chosen, 4, rounds=12)
    own = [array[chosen].astype(float) for array in arrays]
    assert counts.tolist() == plain_greedy(own, labels_400[chosen], 12).tolist()


def test_greedy_by_top5(tmp_path, labels_400):
    arrays = noisy(labels_400, 4, signal=0.3)
    with open_members(pool(tmp_path, arrays)) as members:
        blocks = member_scores(members, "action", "logits", labels_400)
        counts = select(blocks, np.ones(400, bool), 4, rounds=1, k=5)
        hits = [accuracies_of([member], "action", "logits", labels_400)[0].hits[5] for member in members]
    assert counts.argmax() == int(np.argmax(hits))


def test_blocks_rank_as_the_fusion_does(tmp_path, labels_400):
    with open_members(pool(tmp_path, noisy(labels_400, 5))) as members:
        weights = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
        ranks = np.concatenate(
            [block.ranks(weights) for block in member_scores(members, "action", "logits", labels_400)]
        )
        accuracy, _ = accuracies_of(taken(members, weights), "action", "logits", labels_400)
    assert ((ranks == 0).sum(), (ranks < 5).sum()) == (accuracy.hits[1], accuracy.hits[5])
