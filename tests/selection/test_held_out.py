"""Held-out accuracy and gain of a search."""

import numpy as np
import pytest

from gsm_bench.selection import subsets
from gsm_bench.selection.held_out import held_out_accuracy
from tests.selection.pools import noisy, pool, searched


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


def test_a_single_video_has_a_search(tmp_path):
    """Nothing can be held out of one video: the gain is that of its choice, and no division by zero."""
    gain = searched(pool(tmp_path, [array[:1] for array in noisy(np.zeros(1, int), 9, 4)]), np.zeros(1, int)).gain
    assert np.isfinite([gain.value, gain.low, gain.high]).all()
