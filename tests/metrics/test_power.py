import math

import numpy as np
import pytest

from gsm_bench.metrics.paired import paired_test
from gsm_bench.metrics.power import POWER, paired_power


def outcomes(rng, videos, gained, lost):
    """Two results: each video is right in the first alone with probability `gained`, in the second alone with `lost`."""
    draw = rng.random(videos)
    first = (draw < gained) | (draw > 0.5 + lost / 2)
    second = ((draw >= gained) & (draw < gained + lost)) | (draw > 0.5 + lost / 2)
    return first.astype(np.int8), second.astype(np.int8)


def test_hand_made():
    """Connor's formula for 10% discordant videos and a difference of 3 points: (1.96 x 0.3162 + 0.8416 x 0.3148)^2 / 0.0009."""
    first = np.repeat([1, 0, 1, 0], [50, 50, 450, 450]).astype(np.int8)
    second = np.repeat([0, 1, 1, 0], [50, 50, 450, 450]).astype(np.int8)
    power = paired_power(first, second)
    assert power.variance == pytest.approx(0.1)
    assert power.videos_for(0.03) == 870
    assert power.smallest == pytest.approx(0.0279, abs=2e-4)
    assert paired_power(first, second).videos_for(power.smallest) == pytest.approx(1000, abs=1)


def test_videos_for_equals_statsmodels_normal_approximation():
    statsmodels = pytest.importorskip("statsmodels.stats.power")
    solver = statsmodels.NormalIndPower(ddof=0)
    first = np.repeat([1, 0, 1], [100, 100, 800]).astype(np.int8)
    second = np.repeat([0, 1, 1], [100, 100, 800]).astype(np.int8)
    # one sample of differences with standard deviation sqrt(0.2): the effect is difference / deviation
    expected = solver.solve_power(0.01 / math.sqrt(0.2), alpha=0.05, power=POWER, ratio=0)
    assert paired_power(first, second).videos_for(0.01) == pytest.approx(expected, rel=0.002)


@pytest.mark.parametrize(("videos", "share"), [(2000, 0.1), (600, 0.2), (10_000, 0.05)])
def test_the_exact_test_shows_that_difference_four_times_in_five(videos, share):
    rng = np.random.default_rng(videos)
    smallest = paired_power(*outcomes(rng, videos, share / 2, share / 2)).smallest
    gained, lost = (share + smallest) / 2, (share - smallest) / 2
    shown = [paired_test(*outcomes(rng, videos, gained, lost)).p < 0.05 for _ in range(600)]
    assert np.mean(shown) == pytest.approx(POWER, abs=0.06)


def test_two_videos_of_a_group_that_agree_count_once():
    rng = np.random.default_rng(3)
    first, second = outcomes(rng, 500, 0.1, 0.1)
    groups = np.repeat(np.arange(500), 2)
    single, paired = paired_power(first, second), paired_power(np.repeat(first, 2), np.repeat(second, 2), groups)
    assert paired.groups == 500
    assert paired.smallest == pytest.approx(single.smallest, rel=0.02)


def test_results_that_agree_everywhere_show_nothing():
    same = np.array([1, 0, 1, 1], np.int8)
    power = paired_power(same, same)
    assert math.isnan(power.smallest)
    assert power.videos_for(0.01) > 0


def test_videos_without_a_score_are_left_out():
    first, second = np.array([1, -1, 0, 1], np.int8), np.array([0, 1, -1, 1], np.int8)
    assert paired_power(first, second).videos == 2
    with pytest.raises(ValueError, match="no video"):
        paired_power(first[1:2], second[1:2])


@pytest.mark.parametrize("difference", [0, -0.1, 1.5, math.nan])
def test_differences_are_fractions(difference):
    with pytest.raises(ValueError, match="fraction"):
        paired_power(np.array([1], np.int8), np.array([0], np.int8)).videos_for(difference)
