import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.ensembles.spaces import scale_by_temperature
from gsm_bench.evaluation.accuracies import accuracies_of
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.scorefile import write
from gsm_bench.selection.config import SearchConfig
from gsm_bench.selection.greedy import member_scores, select
from gsm_bench.selection.temperatures import member_temperatures
from gsm_bench.selection.weighting import fit_weights, taken, weigh
from tests.conftest import clip_scores, reference_module


@pytest.fixture
def labels():
    return np.random.default_rng(4).integers(0, 9, 400)


def pool(tmp_path, arrays, **options):
    specs = []
    for at, array in enumerate(arrays):
        path = tmp_path / f"m{at}.h5"
        write(path, clip_scores(array[:, None], offsets=(0.5,), macs_paper_per_view=10**9, params=10, **options))
        specs.append(MemberSpec(path.stem, path, 1, 1.0))
    return specs


def noisy(labels, count, signal=1.0):
    return [reference_module("scores").noisy_logits(labels, 9, at, signal=signal) for at in range(count)]


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
def test_greedy_equals_the_plain_loop(tmp_path, labels, seed):
    labels = np.random.default_rng(seed).permutation(labels)
    arrays = noisy(labels, 6)
    with open_members(pool(tmp_path, arrays)) as members:
        blocks = member_scores(members, "action", "logits", labels)
        counts = select(blocks, np.ones(400, bool), 6, rounds=25)
    assert counts.tolist() == plain_greedy([array.astype(float) for array in arrays], labels, 25).tolist()


def test_greedy_uses_only_the_videos_that_choose(tmp_path, labels):
    arrays = noisy(labels, 4)
    chosen = np.arange(400) % 3 > 0
    with open_members(pool(tmp_path, arrays)) as members:
        counts = select(member_scores(members, "action", "logits", labels), chosen, 4, rounds=12)
    own = [array[chosen].astype(float) for array in arrays]
    assert counts.tolist() == plain_greedy(own, labels[chosen], 12).tolist()


def test_greedy_by_top5(tmp_path, labels):
    arrays = noisy(labels, 4, signal=0.3)
    with open_members(pool(tmp_path, arrays)) as members:
        blocks = member_scores(members, "action", "logits", labels)
        counts = select(blocks, np.ones(400, bool), 4, rounds=1, k=5)
        hits = [accuracies_of([member], "action", "logits", labels)[0].hits[5] for member in members]
    assert counts.argmax() == int(np.argmax(hits))


def test_blocks_rank_as_the_fusion_does(tmp_path, labels):
    with open_members(pool(tmp_path, noisy(labels, 5))) as members:
        weights = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
        ranks = np.concatenate([block.ranks(weights) for block in member_scores(members, "action", "logits", labels)])
        accuracy, _ = accuracies_of(taken(members, weights), "action", "logits", labels)
    assert ((ranks == 0).sum(), (ranks < 5).sum()) == (accuracy.hits[1], accuracy.hits[5])


@pytest.mark.parametrize("space", ["logits", "probabilities"])
def test_weights_find_who_knows(labels, space):
    """Of three members one knows much, one a little, one nothing."""
    rng = np.random.default_rng(0)
    scores = np.stack([rng.standard_normal((400, 9)) + signal * np.eye(9)[labels] for signal in (4.0, 1.5, 0.0)])
    if space == "probabilities":
        scores = np.exp(log_softmax(scores))
    weights = fit_weights(scores.astype(np.float32), labels, space)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] >= weights[2]
    assert weights[2] < 0.1


def test_weights_are_the_minimum(labels):
    """No small step along any pair of members lowers the NLL."""
    scores = np.stack(noisy(labels, 3)).astype(np.float32)
    weights = fit_weights(scores, labels, "logits")

    def best_nll(shares):
        fused = np.tensordot(shares, scores.astype(float), axes=1)
        return min(-log_softmax(fused * scale)[np.arange(400), labels].mean() for scale in np.geomspace(0.1, 5, 400))

    least = best_nll(weights)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        step = np.zeros(3)
        step[one], step[other] = 0.05, -0.05
        assert best_nll(np.maximum(weights + step, 0)) >= least - 1e-5


@pytest.mark.parametrize("method", ["greedy", "weights"])
def test_weigh_holds_out_and_on_shuffled_labels_gains_nothing(tmp_path, labels, method):
    specs = pool(tmp_path, noisy(labels, 6))
    held = 0
    for seed in range(6):
        with open_members(specs) as members:
            truth = GroundTruth({"action": np.random.default_rng(seed).permutation(labels)})
            result = weigh(members, truth, method, SearchConfig(rounds=15))
        held += result.gain.low <= 0 <= result.gain.high
        assert result.weights.sum() == pytest.approx(1)
    assert held >= 5
    with open_members(specs) as members:
        result = weigh(members, GroundTruth({"action": labels}), method, SearchConfig(rounds=15))
    assert result.gain.low > 0
    assert result.searched > 0
    for row in (result.single, result.weighted):
        assert row.interval.low < row.accuracy[1] < row.interval.high
    assert result.searched == pytest.approx(result.weighted.accuracy[1] - result.single.accuracy[1])
    assert [spec.weight for spec in result.best] == [weight for weight in result.weights if weight]


def test_temperature_divides_before_all_else(tmp_path):
    logits = np.array([[2.0, 0.0, -2.0]], np.float32)
    half = np.exp(logits / 2) / np.exp(logits / 2).sum()
    assert scale_by_temperature(logits, "logits", "logits", 2.0) == pytest.approx(logits / 2)
    assert scale_by_temperature(logits, "logits", "probabilities", 2.0) == pytest.approx(half)
    probabilities = (np.exp(logits) / np.exp(logits).sum()).astype(np.float32)
    assert scale_by_temperature(probabilities, "probabilities", "probabilities", 2.0) == pytest.approx(half, rel=1e-6)
    assert scale_by_temperature(probabilities, "probabilities", "log_probabilities", 2.0) == pytest.approx(
        np.log(half), rel=1e-6
    )
    with pytest.raises(ValueError, match="logits cannot be had"):
        scale_by_temperature(probabilities, "probabilities", "logits", 2.0)


def test_member_temperatures_undo_a_scale(tmp_path, labels):
    plain = noisy(labels, 1)[0]
    with open_members(pool(tmp_path, [plain, 3 * plain])) as members:
        one, three = member_temperatures(members, "action", GroundTruth({"action": labels}))
    assert three == pytest.approx(3 * one, rel=1e-4)
