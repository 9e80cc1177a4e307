import numpy as np
import pytest

from gsm_bench.metrics.average_precision import mean_average_precision


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
