import itertools

import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.evaluation.accuracies import accuracies_of
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.cascade_rule import confidence, continues
from gsm_bench.scorefile import write
from gsm_bench.selection.cascade import RULES, Setting, Stages, choose, held_out, settings_of, simulate, stages_of
from gsm_bench.selection.cascade_search import CascadeConfig, search_cascades
from gsm_bench.selection.pool import choices_of
from tests.conftest import clip_scores, reference_module


@pytest.fixture
def labels():
    return np.random.default_rng(4).integers(0, 6, 400)


@pytest.fixture
def specs(tmp_path, labels):
    noisy_logits = reference_module("scores").noisy_logits
    members = []
    for at in range(3):
        path = tmp_path / f"m{at}.h5"
        logits = noisy_logits(labels, 6, at, signal=1.0)[:, None]
        write(path, clip_scores(logits, offsets=(0.5,), macs_paper_per_view=(at + 1) * 10**9, params=10))
        members.append(MemberSpec(path.stem, path, 1, float(at + 1)))
    return members


def stages(specs, labels, space="logits"):
    with open_members(specs) as members:
        return stages_of(members, "action", space, labels, choices_of(members))


def fused_hits(specs, labels, space="logits"):
    with open_members(specs) as members:
        return accuracies_of(members, "action", space, labels)[0].hits


def test_sureness_hand_made():
    rows = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    assert confidence(rows, "probabilities", "confidence") == pytest.approx([0.7, 0.5, 1 / 3, 1])
    assert confidence(rows, "probabilities", "margin") == pytest.approx([0.5, 0, 0, 1])
    half = 1 - np.log(2) / np.log(3)
    assert confidence(rows, "probabilities", "entropy")[1:] == pytest.approx([half, 0, 1])
    with np.errstate(divide="ignore"):
        logs = np.log(rows)
    for rule in RULES:
        assert confidence(logs + 5, "logits", rule) == pytest.approx(confidence(rows, "probabilities", rule))


def test_at_0_no_video_continues_and_at_1_every_video():
    level = np.array([0.0, 0.3, 1.0])
    assert continues(level, 0).tolist() == [False] * 3
    assert continues(level, 0.3).tolist() == [True, True, False]
    assert continues(level, 1).tolist() == [True] * 3


@pytest.mark.parametrize("space", ["logits", "probabilities", "log_probabilities"])
@pytest.mark.parametrize("rule", RULES)
def test_ends_are_the_first_member_and_the_ensemble_and_cost_grows_between(specs, labels, rule, space):
    known = stages(specs, labels, space)
    runs = [simulate(known, Setting(rule, (threshold,) * 2)) for threshold in np.linspace(0, 1, 21)]
    for run, members in ((runs[0], specs[:1]), (runs[-1], specs)):
        hits = fused_hits(members, labels, space)
        assert ((run.ranks == 0).sum(), (run.ranks < 5).sum()) == (hits[1], hits[5])
    costs = [run.mean_macs for run in runs]
    assert (costs[0], costs[-1]) == (1e9, 6e9)
    assert all(one <= other for one, other in itertools.pairwise(costs))


def test_equals_a_plain_loop(specs, labels):
    with open_members(specs) as members:
        scores = [member.file.block("action", 0, 400)[:, 0].astype(float) for member in members]
    run = simulate(stages(specs, labels), Setting("confidence", (0.6, 0.9)))
    for video in range(400):
        total, weight = np.zeros(6), 0.0
        for stage, member in enumerate(scores):
            total, weight = total + (stage + 1) * member[video], weight + stage + 1
            chances = np.exp(total / weight) / np.exp(total / weight).sum()
            if stage == 2 or chances.max() > (0.6, 0.9)[stage]:
                break
        assert run.stop[video] == stage
        assert (run.ranks[video] == 0) == (total.argmax() == labels[video])


def known_stages(first, second, sure):
    """Two members' ranks and the confidence after the first, under every rule alike."""
    ranks, sureness_ = np.array([first, second]), np.array([sure, np.ones(len(sure))])
    return Stages(ranks, dict.fromkeys(RULES, sureness_), np.array([1.0, 3.0]), np.arange(len(sure)))


def test_choosing_hand_made():
    """The half with low confidence is wrong at first and right after: a threshold of 0.4 suffices, at a mean cost of 2."""
    known = known_stages([1, 1, 0, 0], [0, 0, 0, 0], [0.2, 0.4, 0.6, 0.8])
    settings = [Setting("confidence", (t,)) for t in (0.0, 0.2, 0.4, 0.6, 1.0)]
    everyone = np.ones(4, bool)
    assert choose(known, settings, everyone, None).thresholds == (0.4,)
    assert choose(known, settings, everyone, 1.5).thresholds == (0.2,)
    assert choose(known, settings, everyone, 0.5).thresholds == (0.0,)
    assert simulate(known, Setting("confidence", (0.4,))).mean_macs == 2.0


def test_held_out_uses_only_other_folds(specs, labels):
    known = stages(specs, labels)
    folds = np.arange(400) % 4
    settings = settings_of(known)
    run = held_out(known, settings, folds, 3e9)
    mine = folds == 1
    expected = simulate(known, choose(known, settings, ~mine, 3e9))
    assert np.array_equal(run.stop[mine], expected.stop[mine])
    assert run.mean_macs < 3.3e9


def test_without_costs_the_fewest_members_are_the_cheapest():
    known = known_stages([1, 1, 0, 0], [0, 0, 0, 0], [0.2, 0.4, 0.6, 0.8])
    unknown = Stages(known.ranks, known.confidence, np.array([np.nan, np.nan]), known.rows)
    settings = [Setting("confidence", (t,)) for t in (1.0, 0.4, 0.0)]
    assert choose(unknown, settings, np.ones(4, bool), None).thresholds == (0.4,)


def test_the_result_holds_the_ensembles_and_the_chosen_setting(specs, labels):
    with open_members(specs) as members:
        result = search_cascades(members, GroundTruth({"action": labels}), CascadeConfig(rules=("margin",), steps=3))
    for count, row in enumerate(result.members, start=1):
        hits = fused_hits(specs[:count], labels)
        assert row.accuracy == {1: hits[1] / 400, 5: hits[5] / 400}
        assert row.shares == (1.0,) * count + (0.0,) * (3 - count)
    (margin,) = result.cascades
    assert [row.setting.thresholds[0] for row in (margin[0], margin[-1])] == [0, 1]
    assert margin[-1].accuracy == result.members[-1].accuracy
    chosen, held = result.selected
    assert chosen.setting == result.chosen
    assert chosen.accuracy[1] >= result.members[-1].accuracy[1]
    assert chosen.mean_macs <= result.members[-1].mean_macs
    assert result.gain.value == pytest.approx(held.accuracy[1] - result.members[-1].accuracy[1])
    assert result.cost_share == pytest.approx(held.mean_macs / 6e9)
    assert (result.videos, result.left_out, result.costs_known) == (400, 0, True)
