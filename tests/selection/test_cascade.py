import itertools

import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.evaluation.accuracies import accuracies_of
from gsm_bench.metrics.cascade_rule import goes_on, sureness
from gsm_bench.scorefile import write
from gsm_bench.selection.cascade import RULES, Setting, Stages, choose, held_out, settings_of, simulate, stages_of
from gsm_bench.selection.pool import choices_of
from tests.conftest import clip_scores, reference_module


@pytest.fixture
def labels():
    return np.random.default_rng(4).integers(0, 6, 400)


@pytest.fixture
def specs(tmp_path, labels):
    made = reference_module("scores").noisy_logits
    found = []
    for at in range(3):
        path = tmp_path / f"m{at}.h5"
        logits = made(labels, 6, at, signal=1.0)[:, None]
        write(path, clip_scores(logits, offsets=(0.5,), macs_paper_per_view=(at + 1) * 10**9, params=10))
        found.append(MemberSpec(path.stem, path, 1, float(at + 1)))
    return found


def stages(specs, labels, space="logits"):
    with open_members(specs) as members:
        return stages_of(members, "action", space, labels, choices_of(members))


def fused_hits(specs, labels, space="logits"):
    with open_members(specs) as members:
        return accuracies_of(members, "action", space, labels)[0].hits


def test_sureness_hand_made():
    rows = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    assert sureness(rows, "probabilities", "confidence") == pytest.approx([0.7, 0.5, 1 / 3, 1])
    assert sureness(rows, "probabilities", "margin") == pytest.approx([0.5, 0, 0, 1])
    half = 1 - np.log(2) / np.log(3)
    assert sureness(rows, "probabilities", "entropy")[1:] == pytest.approx([half, 0, 1])
    with np.errstate(divide="ignore"):
        logs = np.log(rows)
    for rule in RULES:
        assert sureness(logs + 5, "logits", rule) == pytest.approx(sureness(rows, "probabilities", rule))


def test_at_nought_nobody_goes_on_and_at_one_everybody():
    sure = np.array([0.0, 0.3, 1.0])
    assert goes_on(sure, 0).tolist() == [False] * 3
    assert goes_on(sure, 0.3).tolist() == [True, True, False]
    assert goes_on(sure, 1).tolist() == [True] * 3


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
    for clip in range(400):
        total, weight = np.zeros(6), 0.0
        for stage, member in enumerate(scores):
            total, weight = total + (stage + 1) * member[clip], weight + stage + 1
            chances = np.exp(total / weight) / np.exp(total / weight).sum()
            if stage == 2 or chances.max() > (0.6, 0.9)[stage]:
                break
        assert run.stop[clip] == stage
        assert (run.ranks[clip] == 0) == (total.argmax() == labels[clip])


def known_stages(first, second, sure):
    """Two members' ranks and the sureness after the first, under every rule alike."""
    ranks, sureness_ = np.array([first, second]), np.array([sure, np.ones(len(sure))])
    return Stages(ranks, dict.fromkeys(RULES, sureness_), np.array([1.0, 3.0]), np.arange(len(sure)))


def test_choosing_hand_made():
    """The unsure half is wrong at first and right after: going on at 0.4 is enough, at a mean cost of 2."""
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
    unknown = Stages(known.ranks, known.sureness, np.array([np.nan, np.nan]), known.rows)
    settings = [Setting("confidence", (t,)) for t in (1.0, 0.4, 0.0)]
    assert choose(unknown, settings, np.ones(4, bool), None).thresholds == (0.4,)
