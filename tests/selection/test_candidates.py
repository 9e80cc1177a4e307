"""Costs, budgets and fronts of subsets."""

import numpy as np
import pytest

from gsm_bench.errors import GsmBenchError
from gsm_bench.metrics.folds import folds_of
from gsm_bench.selection.candidates import in_order, pareto
from tests.selection.pools import candidates, noisy, pool, searched


def test_pareto_hand_made():
    values, cost = np.array([5, 7, 6, 7, 9]), np.array([1.0, 2.0, 2.0, 3.0, 4.0])
    assert pareto(values, cost, np.ones(5, bool)) == [0, 1, 4]
    assert pareto(values, cost, cost <= 3) == [0, 1]
    assert pareto(values, np.full(5, np.nan), np.ones(5, bool)) == []


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
