"""Continuous weights, and weighted pools held out."""

import numpy as np
import pytest

from gsm_bench.ensembles.members import open_members
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.selection.config import SearchConfig
from gsm_bench.selection.weighting import fit_weights, weigh
from tests.selection.weighted_pools import noisy, pool


@pytest.mark.parametrize("space", ["logits", "probabilities"])
def test_weights_find_who_knows(labels_400, space):
    """Of three members one knows much, one a little, one nothing."""
    rng = np.random.default_rng(0)
    scores = np.stack([rng.standard_normal((400, 9)) + signal * np.eye(9)[labels_400] for signal in (4.0, 1.5, 0.0)])
    if space == "probabilities":
        scores = np.exp(log_softmax(scores))
    weights = fit_weights(scores.astype(np.float32), labels_400, space)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] >= weights[2]
    assert weights[2] < 0.1


def test_weights_are_the_minimum(labels_400):
    """No small step along any pair of members lowers the NLL."""
    scores = np.stack(noisy(labels_400, 3)).astype(np.float32)
    weights = fit_weights(scores, labels_400, "logits")

    def best_nll(shares):
        fused = np.tensordot(shares, scores.astype(float), axes=1)
        return min(
            -log_softmax(fused * scale)[np.arange(400), labels_400].mean() for scale in np.geomspace(0.1, 5, 400)
        )

    least = best_nll(weights)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        step = np.zeros(3)
        step[one], step[other] = 0.05, -0.05
        assert best_nll(np.maximum(weights + step, 0)) >= least - 1e-5


@pytest.mark.parametrize("method", ["greedy", "weights"])
def test_weigh_holds_out_and_on_shuffled_labels_gains_nothing(tmp_path, labels_400, method):
    specs = pool(tmp_path, noisy(labels_400, 6))
    held = 0
    for seed in range(6):
        with open_members(specs) as members:
            truth = GroundTruth({"action": np.random.default_rng(seed).permutation(labels_400)})
            result = weigh(members, truth, method, SearchConfig(rounds=15))
        held += result.gain.low <= 0 <= result.gain.high
        assert result.weights.sum() == pytest.approx(1)
    assert held >= 5
    with open_members(specs) as members:
        result = weigh(members, GroundTruth({"action": labels_400}), method, SearchConfig(rounds=15))
    assert result.gain.low > 0
    assert result.searched > 0
    for row in (result.single, result.weighted):
        assert row.interval.low < row.accuracy[1] < row.interval.high
    assert result.searched == pytest.approx(result.weighted.accuracy[1] - result.single.accuracy[1])
    assert [spec.weight for spec in result.best] == [weight for weight in result.weights if weight]
