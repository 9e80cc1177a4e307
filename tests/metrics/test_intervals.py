import numpy as np
import pytest

from gsm_bench.metrics import intervals
from gsm_bench.metrics.intervals import accuracy_interval, clustered_interval, t_quantile, wilson


def answers(hits, clips):
    return (np.arange(clips) < hits).astype(np.int8)


def test_hand_made():
    found = wilson(5, 10)  # 0.5 -+ z/2 / sqrt(10 + z^2), z = 1.959964
    assert (found.low, found.high) == pytest.approx((0.2365931, 0.7634069), abs=1e-7)
    assert wilson(0, 10).low == 0
    assert wilson(10, 10).high == 1
    assert np.isnan(wilson(0, 0).low)


def test_table_4_of_the_paper_has_nine_tenths_of_a_point_either_way():
    assert wilson(round(0.5198 * 11_522), 11_522).half_width == pytest.approx(0.0091, abs=5e-5)


def test_equals_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for hits, clips in ((0, 1), (1, 1), (3, 7), (120, 1000), (999, 1000), (5989, 11_522)):
        found = wilson(hits, clips)
        assert (found.low, found.high) == pytest.approx(proportion.proportion_confint(hits, clips, method="wilson"))


@pytest.mark.parametrize("accuracy", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("clips", [1000, 11_522])
def test_wilson_covers(accuracy, clips):
    """Exactly, by the binomial distribution: what share of outcomes have an interval that holds the truth."""
    binom = pytest.importorskip("scipy.stats").binom
    hits = np.arange(clips + 1)
    bounds = [wilson(int(k), clips) for k in hits]
    held = np.array([found.low <= accuracy <= found.high for found in bounds])
    assert 0.94 <= binom.pmf(hits, clips, accuracy)[held].sum() <= 0.96


def grouped_answers(rng, sizes, accuracy, alike):
    """Answers whose groups each have an accuracy of their own; `alike` is the correlation within a group."""
    spread = (1 - alike) / alike
    own = rng.beta(accuracy * spread, (1 - accuracy) * spread, len(sizes))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return (rng.random(len(groups)) < own[groups]).astype(np.int8), groups


@pytest.mark.parametrize("accuracy", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("count", "alike", "even"), [(100, 0.2, True), (100, 0.5, False), (300, 0.1, False)])
def test_groups_cover(accuracy, count, alike, even, monkeypatch):
    """95 +- 1% of simulated intervals over 100 and 300 groups hold the truth, up to the chance of 500 simulations.

    More simulations than fit here are in docs/performance-log.md.
    """
    monkeypatch.setattr(intervals, "DRAWS", 500)
    rng = np.random.default_rng([count, int(10 * accuracy), int(10 * alike)])
    sizes = np.full(count, 1000 // count + 1) if even else 1 + rng.geometric(count / 1000, count)
    held = 0
    for _ in range(500):
        found = clustered_interval(*grouped_answers(rng, sizes, accuracy, alike))
        held += found.low <= accuracy <= found.high
    chance = 2.6 * np.sqrt(0.05 * 0.95 / 500)
    assert 0.94 - chance <= held / 500 <= 0.96 + chance


def test_groups_of_one_clip_are_clips():
    correct = answers(870, 1000)
    alone, grouped = accuracy_interval(correct), accuracy_interval(correct, np.arange(1000))
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high), abs=0.002)
    assert (alone.groups, grouped.groups) == (None, 1000)


def test_a_clip_that_stands_twice_says_nothing_new():
    correct = answers(300, 400)
    twice = accuracy_interval(np.repeat(correct, 2), np.repeat(np.arange(400), 2))
    assert (twice.low, twice.high) == pytest.approx(
        tuple(vars(accuracy_interval(correct, np.arange(400))).values())[:2], abs=0.002
    )


def test_all_right_is_as_sure_as_its_groups_are_many():
    correct = np.ones(1000, np.int8)
    found = accuracy_interval(correct, np.arange(1000) // 10)
    assert (found.high, found.groups) == (1, 100)
    assert 0.95 < found.low < 0.97
    assert not found.few_groups
    few = accuracy_interval(correct, np.arange(1000) // 100)
    assert few.few_groups
    assert few.low < 0.7


def test_one_wrong_clip_is_no_certainty():
    """Resampling would leave it out 37 times of 100; the interval is about that of as many independent clips."""
    found = accuracy_interval(answers(559, 560), np.arange(560) // 2)
    alone = wilson(559, 560)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=5e-4)


def test_one_group_knows_nothing():
    found = accuracy_interval(answers(3, 10), np.zeros(10, np.int64))
    assert (found.low, found.high, found.groups) == (0, 1, 1)


def test_clips_without_a_score_are_left_out():
    correct = np.concatenate((answers(30, 60), np.full(40, -1, np.int8)))
    assert accuracy_interval(correct) == wilson(30, 60)
    groups = np.arange(100)
    assert accuracy_interval(correct, groups).groups == 60


def test_both_ways_of_drawing_groups_agree(monkeypatch):
    correct, groups = np.random.default_rng(0).integers(0, 2, 900).astype(np.int8), np.arange(900) // 3
    one_by_one = clustered_interval(correct, groups)
    monkeypatch.setattr(intervals, "DEALING", 1)
    by_kind = clustered_interval(correct, groups)
    assert (one_by_one.low, one_by_one.high) == pytest.approx((by_kind.low, by_kind.high), abs=0.002)


def test_student():
    t = pytest.importorskip("scipy.stats").t
    for freedom in (1, 2, 3, 4, 9, 30, 99, 500):
        assert t_quantile(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=0.02 if freedom < 4 else 1e-3)
