"""What each member adds."""

import numpy as np
import pytest

from gsm_bench.selection import subsets
from gsm_bench.selection.contributions import contributions
from tests.selection.pools import brute_force, noisy, pool, searched


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


def test_contributions_of_the_best_are_those_of_the_members_alone(tmp_path, labels):
    specs = pool(tmp_path, noisy(labels, 9, 3))
    result = searched(specs, labels)
    hits = brute_force(specs, labels, "logits")
    for choice, added in zip(result.best_choices, result.contributions, strict=True):
        at = [other.label for other in result.choices].index(choice.label)
        assert added.alone == pytest.approx(hits[(at,)][0] / 300)
    assert result.oracle >= max(row.accuracy[1] for row in result.rows)
    assert 0 < result.disagreement < 1
