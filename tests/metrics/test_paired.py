from itertools import product

import numpy as np
import pytest

from gsm_bench.metrics import paired
from gsm_bench.metrics.paired import holm, mcnemar, mcnemar_chi2, paired_difference, paired_test, sign_flip_test


def results(*counts):
    """Two int8 arrays with so many clips that both, only the first, only the second, none have right."""
    first = np.repeat([1, 1, 0, 0], counts).astype(np.int8)
    second = np.repeat([1, 0, 1, 0], counts).astype(np.int8)
    return first, second


def test_hand_made():
    found = paired_difference(*results(50, 12, 4, 34))
    assert (found.value, found.gained, found.lost, found.videos) == (0.08, 12, 4, 100)
    assert found.low < 0.08 < found.high


def test_equal_results_have_no_difference():
    found = paired_difference(*results(70, 0, 0, 30))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_clips_without_a_score_are_left_out():
    first, second = results(10, 5, 0, 5)
    first[:3], second[-2:] = -1, -1
    assert paired_difference(first, second).videos == 15
    with pytest.raises(ValueError, match="no video"):
        paired_difference(np.full(4, -1, np.int8), np.zeros(4, np.int8))


def test_interval_is_that_of_resampling_clip_by_clip():
    first, second = results(400, 60, 40, 100)
    rng = np.random.default_rng(1)
    change = first.astype(int) - second
    drawn = [change[rng.integers(0, 600, 600)].mean() for _ in range(8000)]
    found = paired_difference(first, second)
    assert (found.low, found.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.004)


def test_groups_are_resampled_whole():
    rng = np.random.default_rng(2)
    first = np.repeat(rng.integers(0, 2, 200), 2).astype(np.int8)  # both clips of a group agree
    second = np.repeat(rng.integers(0, 2, 200), 2).astype(np.int8)
    groups = np.repeat(np.arange(200), 2)
    alone, grouped = paired_difference(first, second), paired_difference(first, second, groups)
    assert grouped.groups == 200
    assert grouped.value == alone.value
    # two clips that always agree say no more than one: the interval is that of 200 clips
    one = paired_difference(first[::2], second[::2])
    assert (grouped.low, grouped.high) == pytest.approx((one.low, one.high), abs=0.01)
    assert grouped.high - grouped.low > 1.3 * (alone.high - alone.low)


def test_groups_of_one_clip_change_nothing():
    first, second = results(40, 20, 10, 30)
    alone, grouped = paired_difference(first, second), paired_difference(first, second, np.arange(100))
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high), abs=0.011)


def test_coverage():
    """The 95% interval holds the true difference in 93 to 97 of 100 simulated comparisons."""
    rng = np.random.default_rng(3)
    held = 0
    for trial in range(300):
        counts = rng.multinomial(1000, [0.5, 0.1, 0.07, 0.33])
        found = paired_difference(*results(*counts), seed=trial)
        held += found.low <= 0.03 <= found.high
    assert 0.92 <= held / 300 <= 0.98


def test_mcnemar_hand_made():
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 0) == pytest.approx(2 / 32)
    assert mcnemar(3, 1) == pytest.approx(2 * 5 / 16)
    assert mcnemar(4, 4) == 1
    assert mcnemar_chi2(12, 4) == 49 / 16


def test_mcnemar_equals_statsmodels_and_scipy():
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    stats = pytest.importorskip("scipy.stats")
    for gained, lost in ((1, 0), (7, 2), (12, 13), (40, 11), (300, 260), (2900, 3100)):
        table = [[50, gained], [lost, 30]]
        assert mcnemar(gained, lost) == pytest.approx(tables.mcnemar(table, exact=True).pvalue, rel=1e-9)
        assert mcnemar(gained, lost) == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, rel=1e-9)
        large = tables.mcnemar(table, exact=False, correction=True)
        assert mcnemar_chi2(gained, lost) == pytest.approx(large.statistic)


def test_sign_flip_test_equals_all_turnings():
    for changes in ([1, -2, 3], [2, 2, -1, 0, 4], [5], [1, -1], [3, 3, 3, -1, -1, 2, 2]):
        totals = [abs(np.dot(changes, signs)) for signs in product((1, -1), repeat=len(changes))]
        expected = np.mean([total >= abs(sum(changes)) for total in totals])
        assert sign_flip_test(np.array(changes)) == pytest.approx(expected, abs=1e-12)


def test_sign_flip_test_of_one_clip_are_mcnemar():
    for gained, lost in ((0, 0), (5, 0), (40, 11), (300, 260)):
        changes = np.repeat([1, -1], [gained, lost])
        assert sign_flip_test(changes) == pytest.approx(mcnemar(gained, lost), rel=1e-6, abs=1e-13)


def test_a_difference_by_chance_is_found_as_often_as_promised():
    """Under the null hypothesis p is below 5% in about 5% of comparisons, also where clips go in groups of ten."""
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(100), 10)
    found = {"clips": 0, "groups": 0}
    for _ in range(600):
        first, second = (np.repeat(rng.random(100) < 0.6, 10).astype(np.int8) for _ in range(2))
        found["groups"] += paired_test(first, second, groups).p < 0.05
        found["clips"] += paired_test(first, second).p < 0.05
    assert found["groups"] / 600 < 0.075
    assert found["clips"] / 600 > 0.3, "taken for independent, such clips would be called different far too often"


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    values = np.random.default_rng(0).random(20) ** 3
    assert holm(values.tolist()) == pytest.approx(multitest.multipletests(values, method="holm")[1].tolist())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_coverage_over_100_groups(share, monkeypatch):
    """95 +- 1% of the intervals over 100 groups hold the true difference, up to the chance of 500 simulations."""
    monkeypatch.setattr(paired, "DRAWS", 1000)
    rng = np.random.default_rng(int(10 * share))
    groups = np.repeat(np.arange(100), 12)
    held = 0
    for trial in range(500):
        common = rng.random(100) < 0.7  # groups in which both give the same answers
        own = rng.beta(2 * share, 2 * (1 - share), (2, 100))
        own[:, common] = own[0, common]
        answers = rng.random((2, 1200)) < own[:, groups]
        found = paired_difference(*answers.astype(np.int8), groups, seed=trial)
        held += found.low <= 0 <= found.high
    chance = 2.6 * np.sqrt(0.05 * 0.95 / 500)
    assert 0.94 - chance <= held / 500 <= 0.96 + chance
