"""Accuracy per class and confusions, hand-made and against scikit-learn."""

import numpy as np
import pytest

from gsm_bench.evaluation.per_class import confusion_matrix, evaluate_classes
from gsm_bench.evaluation.predictions import Predictions

NAMES = ("ape", "bee", "cat")
LABELS = np.array([0, 0, 0, 1, 1, 2, -1, 2])
BEST = np.array([0, 1, 1, 1, 0, 2, 0, -1])
RANKS = np.array([0, 1, 6, 0, 1, 0, -1, -1])


@pytest.fixture
def evaluation():
    return evaluate_classes("mine", "8x2", "action", Predictions(BEST, RANKS), LABELS, NAMES, None)


def test_hand_made(evaluation):
    ape, bee, cat = evaluation.classes
    assert (ape.name, ape.videos, ape.top1, ape.top5) == ("ape", 3, pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert (ape.confused_with, ape.confused, ape.precision) == ("bee", 2, 0.5)
    assert (bee.top1, bee.precision, bee.confused_with) == (0.5, pytest.approx(1 / 3), "ape")
    assert (cat.videos, cat.top1, cat.confused_with, cat.confused) == (
        1,
        1.0,
        None,
        0,
    )  # the unscored video is left out
    assert ape.top1_interval.low < 1 / 3 < ape.top1_interval.high


def test_confusions_are_sorted_by_frequency(evaluation):
    pairs = [(c.true, c.predicted, c.videos, c.of_class, c.reverse) for c in evaluation.confusions()]
    assert pairs == [("ape", "bee", 2, 3, 1), ("bee", "ape", 1, 2, 2)]
    assert [c.share for c in evaluation.confusions()] == pytest.approx([2 / 3, 1 / 2])
    assert len(evaluation.confusions(1)) == 1
    assert evaluation.errors.diagonal().tolist() == [0, 0, 0]


def test_classes_that_do_not_occur_have_no_row():
    evaluation = evaluate_classes("mine", "8", "action", Predictions(BEST[:3], RANKS[:3]), LABELS[:3], NAMES, None)
    assert [accuracy.name for accuracy in evaluation.classes] == ["ape"]


def test_the_matrix_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, best = rng.integers(0, 7, 500), rng.integers(0, 7, 500)
    assert (confusion_matrix(best, labels, 7) == metrics.confusion_matrix(labels, best, labels=range(7))).all()
