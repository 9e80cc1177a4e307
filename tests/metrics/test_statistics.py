import numpy as np
import pytest

from gsm_bench.metrics.statistics import paired_difference


def results(*counts):
    """Two int8 arrays with so many clips that both, only the first, only the second, none have right."""
    first = np.repeat([1, 1, 0, 0], counts).astype(np.int8)
    second = np.repeat([1, 0, 1, 0], counts).astype(np.int8)
    return first, second


def test_hand_made():
    found = paired_difference(*results(50, 12, 4, 34))
    assert (found.value, found.gained, found.lost, found.clips) == (0.08, 12, 4, 100)
    assert found.low < 0.08 < found.high


def test_equal_results_have_no_difference():
    found = paired_difference(*results(70, 0, 0, 30))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_clips_without_a_score_are_left_out():
    first, second = results(10, 5, 0, 5)
    first[:3], second[-2:] = -1, -1
    assert paired_difference(first, second).clips == 15
    with pytest.raises(ValueError, match="no clip"):
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
