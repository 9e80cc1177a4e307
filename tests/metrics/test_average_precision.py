import numpy as np
import pytest

from gsm_bench.metrics.average_precision import jackknife_interval, mean_average_precision, values_without
from gsm_bench.metrics.intervals import t_quantile, wilson


def by_hand(scores, sets):
    """Video after video, as Charades_v1_classify.m counts, with videos without a class at minus infinity."""
    scores = np.where(sets.any(axis=1)[:, None], scores, -np.inf)
    values = []
    for column in range(sets.shape[1]):
        ranked = sorted(range(len(scores)), key=lambda row: (-scores[row, column], row))
        right, total = 0, 0.0
        for rank, row in enumerate(ranked, start=1):
            if sets[row, column]:
                right += 1
                total += right / rank
        values.append(total / right if right else np.nan)
    return values


def random_case(seed, videos=60, classes=7, levels=None):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((videos, classes))
    if levels:
        scores = np.round(scores * levels) / levels
    sets = rng.random((videos, classes)) < 0.2
    sets[:2] = False
    return scores, sets


def test_hand_made():
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    sets = np.array([[True], [False], [True], [False]])
    sets = np.hstack([sets, ~sets])  # every video has a class
    precision = mean_average_precision(np.hstack([scores, scores]), sets)
    assert precision.per_class.tolist() == pytest.approx([(1 / 1 + 2 / 3) / 2, (1 / 2 + 2 / 4) / 2])
    assert precision.value == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert (precision.videos, precision.without_class, precision.absent) == (4, 0, 0)


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_published_definition_with_and_without_ties(seed, levels):
    scores, sets = random_case(seed, levels=levels)
    assert mean_average_precision(scores, sets).per_class.tolist() == pytest.approx(by_hand(scores, sets))


def test_equals_scikit_learn_where_no_scores_are_equal():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, sets = random_case(1, videos=500)
    some = sets.any(axis=1)
    expected = metrics.average_precision_score(sets[some], scores[some], average="macro")
    assert mean_average_precision(scores, sets).value == pytest.approx(expected)


def test_a_class_that_no_video_has_is_left_out_and_counted():
    scores, sets = random_case(2)
    sets[:, 3] = False
    precision = mean_average_precision(scores, sets)
    assert np.isnan(precision.per_class[3])
    assert precision.absent == 1
    assert precision.value == pytest.approx(np.mean(np.delete(precision.per_class, 3)))


def test_videos_without_a_class_change_nothing():
    scores, sets = random_case(3)
    some = sets.any(axis=1)
    assert mean_average_precision(scores, sets).value == mean_average_precision(scores[some], sets[some]).value
    assert mean_average_precision(scores, sets).without_class == int((~some).sum()) > 0


def test_without_any_class_it_is_unknown():
    precision = mean_average_precision(np.zeros((3, 2)), np.zeros((3, 2), bool))
    assert np.isnan(precision.value)
    assert precision.videos == 0


@pytest.mark.parametrize("levels", [None, 2])
def test_values_without_each_video_are_those_of_shorter_lists(levels):
    scores, sets = random_case(4, videos=40, levels=levels)
    sets[:, 0] = False
    sets[5] = [True] + 6 * [False]  # the only video of its class, and it has no other
    scores, sets = scores[sets.any(axis=1)], sets[sets.any(axis=1)]
    order = np.argsort(-scores, axis=0, kind="stable")
    without = values_without(order, np.take_along_axis(sets, order, axis=0))
    shorter = [
        mean_average_precision(np.delete(scores, row, 0), np.delete(sets, row, 0)).value for row in range(len(sets))
    ]
    assert without == pytest.approx(np.array(shorter), abs=1e-12)


def test_of_a_mean_the_jackknife_error_is_that_of_the_mean():
    """Hand-made: the error of a share of 100 videos is that of a share of 99, as the variance is divided by N - 1."""
    hits = np.array([1.0] * 30 + [0.0] * 70)
    without = (hits.sum() - hits) / 99
    interval, expected = jackknife_interval(0.3, without), wilson(29.7, 99, t_quantile(99))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    in_pairs = jackknife_interval(0.3, np.repeat(without, 2) / 2 + 0.15, np.repeat(np.arange(100), 2))
    assert (in_pairs.low, in_pairs.high) == pytest.approx((interval.low, interval.high))
    assert in_pairs.groups == 100


def test_the_interval_covers_the_value_of_other_test_sets():
    """200 test sets of 150 videos and 12 classes; a bootstrap covers less, see docs/datasets.md."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(200):
        shared = rng.standard_normal((150, 1))
        sets = 0.5 * shared + rng.standard_normal((150, 12)) > np.linspace(0.9, 2.2, 12)
        drawn.append(mean_average_precision(sets + rng.standard_normal((150, 12)), sets))
    value = np.mean([one.value for one in drawn])
    covered = sum(one.interval.low <= value <= one.interval.high for one in drawn)
    assert 183 <= covered <= 200  # 95% is 190


def test_the_interval_of_few_videos():
    scores, sets = np.eye(3), np.eye(3, dtype=bool)
    assert mean_average_precision(scores[:1], sets[:1]).interval.high == 1
    assert mean_average_precision(scores[:1], sets[:1]).interval.low == 0
    perfect = mean_average_precision(scores, sets)
    assert perfect.value == perfect.interval.high == 1
    assert 0 < perfect.interval.low < 0.5
    assert np.isnan(mean_average_precision(scores, np.zeros((3, 3), bool)).interval.low)
