import numpy as np
import pytest

from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.agreement import agreement
from gsm_bench.evaluation.class_order import confused_order
from gsm_bench.evaluation.predictions import Predictions


@pytest.mark.parametrize("seed", range(5))
def test_pairs_that_are_confused_are_adjacent(seed):
    """174 classes in pairs that are predicted for each other, in random order."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(174)
    matrix = np.diag(rng.integers(20, 40, 174))
    for one, other in place.reshape(-1, 2):
        matrix[one, other], matrix[other, one] = rng.integers(10, 20, 2)
    order = confused_order(matrix)
    assert sorted(order) == list(range(174))
    where = np.argsort(order)
    assert all(abs(where[one] - where[other]) == 1 for one, other in place.reshape(-1, 2))


def test_classes_that_do_not_occur_are_left_out():
    matrix = np.zeros((6, 6), np.int64)
    matrix[1, 1], matrix[4, 2] = 3, 1
    assert set(confused_order(matrix).tolist()) == {1, 2, 4}
    assert confused_order(np.zeros((3, 3), np.int64)).tolist() == []


def test_without_confusions_there_is_an_order():
    assert sorted(confused_order(np.diag([1, 2, 3, 4])).tolist()) == [0, 1, 2, 3]


def predictions(best, labels):
    best, labels = np.array(best), np.array(labels)
    return Predictions(best, np.where(best < 0, -1, np.where(best == labels, 0, 1)))


def test_agreement_by_hand():
    """Four videos, the last without a score in the second result."""
    labels = [0, 1, 2, 3]
    result = agreement(["a", "b"], [predictions([0, 1, 0, 3], labels), predictions([0, 2, 0, -1], labels)])
    assert result.videos == 3
    assert result.same.tolist() == [[1.0, 2 / 3], [2 / 3, 1.0]]
    assert result.top1 == (2 / 3, 1 / 3)


def test_agreement_without_labels_and_without_common_videos():
    unknown = Predictions(np.array([0, 1]), np.array([-1, -1]))
    assert agreement(["a", "b"], [unknown, unknown]).top1 == (None, None)
    with pytest.raises(GsmBenchError, match="no video has a score in every result"):
        agreement(["a", "b"], [predictions([0, -1], [0, 0]), predictions([-1, 0], [0, 0])])
