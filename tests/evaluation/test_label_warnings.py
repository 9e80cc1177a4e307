"""Labels that hardly belong to the scores are said, and no accuracy that a model may have is."""

import numpy as np
import pytest

from gsm_bench.evaluation.label_warnings import label_warning
from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.metrics.topk import label_ranks


def warned(scores, labels, columns=None):
    """The warning about scores [N, C] with labels [N]."""
    ranks = np.where(labels >= 0, label_ranks(scores, np.maximum(labels, 0)), -1)
    predictions = Predictions(scores.argmax(axis=1), ranks)
    return label_warning(ranks, lambda: predictions, labels, scores.shape[1])


def world(classes, videos, strength, seed=0, balanced=True):
    """Scores [N, C] and labels [N]; a strength of 3 is a good model, one of 0 noise."""
    rng = np.random.default_rng(seed)
    weights = np.ones(classes) if balanced else 1 / np.arange(1, classes + 1)
    labels = rng.choice(classes, videos, p=weights / weights.sum())
    scores = rng.standard_normal((videos, classes))
    scores[np.arange(videos), labels] += strength
    return scores, labels


SIZES = [(5, 60), (10, 200), (50, 400), (174, 2000), (300, 900)]


@pytest.mark.parametrize(("classes", "videos"), SIZES)
@pytest.mark.parametrize("strength", [2.5, 4.0])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("how", ["by one", "reversed", "any", "blocks"])
def test_other_orders_are_named(classes, videos, strength, balanced, how):
    scores, labels = world(classes, videos, strength, balanced=balanced)
    order = {
        "by one": (np.arange(classes) + 1) % classes,
        "reversed": np.arange(classes)[::-1],
        "any": np.roll(np.random.default_rng(1).permutation(classes), 1),
        "blocks": (np.arange(classes) + classes // 2) % classes,
    }[how]
    assert not warned(scores, labels)
    words = warned(scores, order[labels])
    assert words
    assert "renumbered" in words or "another order" in words or "count from 1" in words


@pytest.mark.parametrize(("classes", "videos"), SIZES)
@pytest.mark.parametrize("balanced", [True, False])
def test_labels_from_1_are_named(classes, videos, balanced):
    scores, labels = world(classes, videos, 3.0, balanced=balanced)
    kept = labels < classes - 1
    assert "count from 1" in warned(scores[kept], labels[kept] + 1)


@pytest.mark.parametrize(("classes", "videos"), SIZES)
@pytest.mark.parametrize("balanced", [True, False])
def test_negated_scores_are_named(classes, videos, balanced):
    scores, labels = world(classes, videos, 3.0, balanced=balanced)
    assert "negated" in warned(-scores, labels)


@pytest.mark.parametrize(("classes", "videos"), SIZES)
@pytest.mark.parametrize("strength", [0.0, 0.2, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_weak_models_get_no_warning(classes, videos, strength, balanced, seed):
    assert not warned(*world(classes, videos, strength, seed, balanced))


@pytest.mark.parametrize("constant", [0, 1, 7])
@pytest.mark.parametrize("balanced", [True, False])
def test_a_model_that_always_says_one_class_gets_no_warning(constant, balanced):
    scores, labels = world(20, 2000, 0.0, balanced=balanced)
    scores[:, constant] += 20
    assert not warned(scores, labels)


@pytest.mark.parametrize("videos", [1, 5, 19])
def test_few_videos_get_no_warning(videos):
    scores, labels = world(5, videos, 5.0)
    assert not warned(scores, (labels + 1) % 5)


def test_unknown_labels_are_left_out():
    scores, labels = world(10, 400, 4.0)
    moved = np.where(np.arange(400) % 3 == 0, -1, (labels + 1) % 10)
    assert "renumbered" in warned(scores, moved)


def test_the_right_class_always_second():
    """Too few videos per class to solve for an order."""
    scores, labels = world(200, 150, 6.0)
    scores[np.arange(150), (labels + 1) % 200] += 12
    assert "another order" in warned(scores, labels) or "renumbered" in warned(scores, labels)
