"""Hits of every subset against brute force."""

import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.selection import subset_block, subsets
from gsm_bench.selection.subsets import walk
from tests.selection.pools import brute_force, counted, noisy, pool, save


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


def test_probabilities_that_are_almost_all_0(tmp_path, labels):
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
