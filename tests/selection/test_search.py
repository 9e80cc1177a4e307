import itertools
from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.accuracies import accuracies_of
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.folds import folds_of
from gsm_bench.scorefile import write
from gsm_bench.selection import subset_block, subsets
from gsm_bench.selection.candidates import candidates_of, in_order, pareto
from gsm_bench.selection.contributions import contributions
from gsm_bench.selection.held_out import PARTS, held_out_accuracy
from gsm_bench.selection.pool import choices_of
from gsm_bench.selection.search import SearchConfig, search
from gsm_bench.selection.subsets import count_subsets, walk
from tests.conftest import clip_scores, reference_module


def save(tmp_path, name, scores, **options):
    path = tmp_path / f"{name}.h5"
    offsets = (0.5,) if scores.shape[1] == 1 else (0.0, 0.5)
    cost = {"macs_paper_per_view": 1_000_000_000, "params": 5_000_000, "offsets": offsets}
    write(path, clip_scores(np.asarray(scores, np.float32), **{**cost, **options}))
    return path


def pool(tmp_path, arrays, **options):
    """One file per array [N, V, C]; each with one clip, and with two where it has two views."""
    paths = [save(tmp_path, f"m{at}", array, **options) for at, array in enumerate(arrays)]
    clips = [range(1, array.shape[1] + 1) for array in arrays]
    return [MemberSpec(path.stem, path, k, 1.0) for path, ks in zip(paths, clips, strict=True) for k in ks]


def brute_force(specs, labels, space):
    """Top-1 and top-5 hits of every subset, each fused by the code of `gsmbench ensemble`, by the set of places."""
    hits = {}
    for size in range(1, len(specs) + 1):
        for held in itertools.combinations(range(len(specs)), size):
            if len({specs[at].path for at in held}) == size:
                with open_members([specs[at] for at in held]) as members:
                    accuracy, _ = accuracies_of(members, "action", space, labels)
                hits[held] = (accuracy.hits[1], accuracy.hits[5])
    return hits


def counted(specs, labels, space="logits", folds=3):
    with open_members(specs) as members:
        counts = count_subsets(members, "action", space, labels, folds_of(len(labels), None, folds))
    sums = {k: counts.hits[k].sum(axis=0).tolist() for k in (1, 5)}
    places = [tuple(np.flatnonzero(row).tolist()) for row in counts.subsets]
    return counts, dict(zip(places, zip(sums[1], sums[5], strict=True), strict=True))


def noisy(labels, classes, count, views=1):
    noisy_logits = reference_module("scores").noisy_logits
    return [
        np.stack([noisy_logits(labels, classes, 7 * at + view, signal=1.0) for view in range(views)], axis=1)
        for at in range(count)
    ]


@pytest.fixture
def labels():
    return np.random.default_rng(4).integers(0, 9, 300)


@pytest.mark.parametrize("space", ["logits", "probabilities", "log_probabilities"])
def test_equals_brute_force(tmp_path, labels, space):
    specs = pool(tmp_path, noisy(labels, 9, 3, views=2))
    assert counted(specs, labels, space)[1] == brute_force(specs, labels, space)


def test_equals_brute_force_in_small_blocks(tmp_path, labels, monkeypatch):
    monkeypatch.setattr(subsets, "READ_ELEMENTS", 2000)
    monkeypatch.setattr(subset_block, "CACHED_ELEMENTS", 100)
    specs = pool(tmp_path, noisy(labels, 9, 5))
    assert counted(specs, labels)[1] == brute_force(specs, labels, "logits")


def test_processes_count_the_same(tmp_path, labels, monkeypatch):
    specs = pool(tmp_path, noisy(labels, 9, 4))
    alone = counted(specs, labels)
    monkeypatch.setattr(subsets, "WORTH_PROCESSES", 0)
    monkeypatch.setattr(subsets, "READ_ELEMENTS", 2000)
    monkeypatch.setattr(subsets, "usable_cpus", lambda: 2)
    shared = counted(specs, labels)
    assert shared[1] == alone[1]
    assert np.array_equal(shared[0].videos, alone[0].videos)


@pytest.mark.parametrize("step", [1.0, 0.1, 3.0])
def test_ties_rank_by_the_lower_class_as_everywhere(tmp_path, labels, step):
    """Scores in coarse steps: most rows hold ties, in some members, in some sums, or in all."""
    arrays = [np.round(array / 2).astype(np.float32) * np.float32(step) for array in noisy(labels, 9, 5)]
    specs = pool(tmp_path, arrays)
    assert counted(specs, labels)[1] == brute_force(specs, labels, "logits")


def test_probabilities_that_are_almost_all_nought(tmp_path, labels):
    arrays = []
    for logits in noisy(labels, 9, 4):
        sharp = np.exp(30.0 * (logits - logits.max(-1, keepdims=True)))
        arrays.append(sharp / sharp.sum(-1, keepdims=True))
    specs = pool(tmp_path, arrays, kind="probabilities")
    for space in ("probabilities", "log_probabilities"):
        assert counted(specs, labels, space)[1] == brute_force(specs, labels, space)


def test_minus_infinity_is_a_score(tmp_path, labels):
    arrays = [array - array.max() for array in noisy(labels, 9, 3)]
    arrays[1][::7, :, 3] = -np.inf
    specs = pool(tmp_path, arrays, kind="log_probabilities")
    assert counted(specs, labels, "log_probabilities")[1] == brute_force(specs, labels, "log_probabilities")


def test_more_classes_than_a_byte_counts(tmp_path):
    labels = np.random.default_rng(0).integers(0, 700, 80)
    arrays = [np.random.default_rng(seed).standard_normal((80, 1, 700)) for seed in range(3)]
    for array in arrays:
        array[np.arange(80), 0, labels] -= 3  # the label is far down: hundreds of classes lie above it
        array[np.arange(40), 0, labels[:40]] += 6
    specs = pool(tmp_path, arrays)
    assert counted(specs, labels)[1] == brute_force(specs, labels, "logits")


def test_only_videos_that_all_have_scored_and_that_have_a_label(tmp_path, labels):
    arrays = noisy(labels, 9, 2)
    arrays[1][5:9] = np.nan
    status = np.zeros(300, int)
    status[5:9] = 2
    first = MemberSpec("a", save(tmp_path, "a", arrays[0]), 1, 1.0)
    second = MemberSpec("b", save(tmp_path, "b", arrays[1], status=status), 1, 1.0)
    known = labels.copy()
    known[20] = -1
    counts, hits = counted([first, second], known)
    assert int(counts.videos.sum()) == 295
    kept = np.setdiff1d(np.arange(300), [5, 6, 7, 8, 20])
    assert hits[0,][0] == (arrays[0][kept, 0].argmax(1) == labels[kept]).sum()


def test_walk_takes_at_most_one_choice_of_a_file():
    assert len(walk(range(12))[1]) == 4095
    nodes, held = walk(["a", "a", "b"])
    assert {tuple(np.flatnonzero(row).tolist()) for row in held} == {(0,), (0, 2), (1,), (1, 2), (2,)}
    assert len(nodes) == len(held)


def test_pareto_hand_made():
    values, cost = np.array([5, 7, 6, 7, 9]), np.array([1.0, 2.0, 2.0, 3.0, 4.0])
    assert pareto(values, cost, np.ones(5, bool)) == [0, 1, 4]
    assert pareto(values, cost, cost <= 3) == [0, 1]
    assert pareto(values, np.full(5, np.nan), np.ones(5, bool)) == []


def searched(specs, labels, groups=None, **config):
    with open_members(specs) as members:
        return search(members, GroundTruth({"action": labels}, groups), SearchConfig(space="logits", **config))


def candidates(specs, labels, groups=None, **config):
    with open_members(specs) as members:
        counts = count_subsets(members, "action", "logits", labels, folds_of(len(labels), groups, PARTS))
        return candidates_of(choices_of(members), counts, SearchConfig(**config))


def test_held_out_chooses_without_the_fold_it_counts():
    """Two subsets, each right only on one of two parts: whoever chooses on one part is wrong on the other."""
    counts = subsets.SubsetHits(
        np.eye(2, dtype=bool), {1: np.array([[10, 0], [0, 10]])}, np.array([10, 10]), np.arange(20)
    )
    assert held_out_accuracy(counts, np.array([0, 1]), 2) == 0
    steady = subsets.SubsetHits(
        np.eye(2, dtype=bool), {1: np.array([[8, 2], [7, 3]])}, np.array([10, 10]), np.arange(20)
    )
    assert held_out_accuracy(steady, np.array([0, 1]), 2) == 0.75


def test_on_shuffled_labels_nothing_is_gained_held_out(tmp_path, labels):
    """A gain on random labels is optimism: the held-out interval contains 0."""
    arrays = noisy(labels, 9, 8)
    specs = pool(tmp_path, arrays)
    held, optimism = 0, []
    for seed in range(10):
        gain = searched(specs, np.random.default_rng(seed).permutation(labels)).gain
        held += gain.low <= 0 <= gain.high
        optimism.append(gain.optimism)
    assert held >= 9
    assert np.mean(optimism) > 0.005


def test_what_is_really_better_is_gained_held_out(tmp_path, labels):
    gain = searched(pool(tmp_path, noisy(labels, 9, 4)), labels).gain
    assert gain.low > 0
    assert gain.searched == pytest.approx(gain.value + gain.optimism)


def test_groups_stay_together(tmp_path, labels):
    groups = np.repeat(np.arange(60), 5)
    folds = folds_of(300, groups, 7)
    assert all(len(set(folds[groups == group])) == 1 for group in range(60))
    assert folds.max() == 6
    assert folds_of(300, np.repeat([0, 1, 2], 100), 10).max() == 2
    subsets_ = candidates(pool(tmp_path, noisy(labels, 9, 3)), labels, groups)
    assert len(subsets_.counts.videos) == 60
    assert in_order(subsets_.allowed, subsets_.costs)[0] == 0


def test_budget_and_cost(tmp_path, labels):
    specs = pool(tmp_path, noisy(labels, 9, 3, views=2))
    subsets_ = candidates(specs, labels, budget=3e9)
    assert (subsets_.costs.macs[subsets_.allowed] <= 3e9).all()
    assert subsets_.costs.macs.max() == 6e9
    assert subsets_.costs.params.max() == 15e6
    with pytest.raises(GsmBenchError, match=r"no ensemble fits this budget: the cheapest costs 1.00 GFLOPs"):
        searched(specs, labels, budget=1e8)


def test_more_choices_than_can_be_tried(tmp_path, labels):
    specs = pool(tmp_path, [noisy(labels, 9, 1)[0]])
    with pytest.raises(GsmBenchError, match="a pool of 17 choices"):
        searched([replace(specs[0], label=str(at)) for at in range(17)], labels)


def test_shapley_hand_made():
    """v(a) = 4, v(b) = 6, v(ab) = 8 of ten clips: a brings 4 or 2, b 6 or 4."""
    counts = subsets.SubsetHits(
        np.array([[1, 0], [1, 1], [0, 1]], bool), {1: np.array([[4, 8, 6]])}, np.array([10]), np.arange(10)
    )
    a, b = contributions(counts, 1)
    assert (a.shapley, b.shapley) == pytest.approx((0.3, 0.5))
    assert (a.alone, b.alone, a.left_out, b.left_out) == pytest.approx((0.4, 0.6, 0.2, 0.4))


def test_shapley_adds_up(tmp_path, labels):
    result = searched(pool(tmp_path, noisy(labels, 9, 4, views=2)), labels)
    (best,) = [row for row in result.rows if row.best]
    assert sum(added.shapley for added in result.contributions) == pytest.approx(best.accuracy[1])


def test_result_equals_brute_force_and_names_its_members(tmp_path, labels):
    """The rows are the brute-force front of accuracy against multiply-adds, or against parameters."""
    specs = pool(tmp_path, noisy(labels, 9, 3, views=2))
    result = searched(specs, labels)
    hits = brute_force(specs, labels, "logits")
    names = {tuple(choice.label for choice in np.array(result.choices)[list(held)]): held for held in hits}
    for row in result.rows:
        held = names[row.members]
        assert row.hits == hits[held][0]
        assert row.accuracy == {1: hits[held][0] / 300, 5: hits[held][1] / 300}
        assert row.macs == sum(specs[at].clips for at in held) * 10**9
        assert row.interval.low < row.accuracy[1] < row.interval.high
    macs = {held: sum(specs[at].clips for at in held) for held in hits}
    front = {row.members for row in result.rows if "macs" in row.fronts}
    best_for_macs = {
        held
        for held in hits
        if not any(
            macs[other] <= macs[held] and hits[other][0] >= hits[held][0]
            and (macs[other], -hits[other][0]) != (macs[held], -hits[held][0])
            for other in hits
        )
    }  # fmt: skip
    assert {names[members] for members in front} <= best_for_macs
    assert {(macs[names[m]], hits[names[m]][0]) for m in front} == {(macs[h], hits[h][0]) for h in best_for_macs}
    (best,) = [row for row in result.rows if row.best]
    assert best.hits == max(one for one, _ in hits.values())
    assert [spec.label for spec in result.best] == [specs[at].label for at in names[best.members]]
    assert (result.videos, result.left_out, result.subsets) == (300, 0, len(hits))


def test_contributions_of_the_best_are_those_of_the_members_alone(tmp_path, labels):
    specs = pool(tmp_path, noisy(labels, 9, 3))
    result = searched(specs, labels)
    hits = brute_force(specs, labels, "logits")
    for choice, added in zip(result.best_choices, result.contributions, strict=True):
        at = [other.label for other in result.choices].index(choice.label)
        assert added.alone == pytest.approx(hits[(at,)][0] / 300)
    assert result.oracle >= max(row.accuracy[1] for row in result.rows)
    assert 0 < result.disagreement < 1
