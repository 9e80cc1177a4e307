import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsm_bench.actions import NO_COLUMN
from gsm_bench.metrics.topk import BEYOND, accuracy_of_ranks, label_ranks, topk_accuracy
from tests.conftest import REFERENCE, reference_module


def slow_topk(scores, labels, k):
    hits = 0
    for row, label in zip(scores, labels, strict=True):
        order = sorted(range(len(row)), key=lambda c: (-row[c], c))
        hits += label in order[:k]
    return hits / len(labels)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 8), st.booleans())
def test_equals_sorting_one_row_at_a_time(seed, clips, classes, tied):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (clips, classes)) if tied else rng.standard_normal((clips, classes))
    labels = rng.integers(0, classes, clips)
    assert topk_accuracy(scores, labels, (1, 3)) == (slow_topk(scores, labels, 1), slow_topk(scores, labels, 3))


def test_hand_made():
    scores = np.array([[3, 2, 1], [1, 2, 3], [2, 2, 2], [2, 2, 2]])
    assert topk_accuracy(scores, np.array([0, 0, 0, 1]), (1, 2, 3)) == (0.5, 0.75, 1.0)


def test_equal_scores_rank_by_the_lower_class():
    assert label_ranks(np.zeros((3, 4)), np.array([0, 2, 3])).tolist() == [0, 2, 3]


def test_golden_value_of_the_noisy_classifier():
    # reference/scores.py, the value from sorting every row in plain Python
    labels = np.arange(500) % 50
    scores = reference_module("scores").noisy_logits(labels, 50, seed=3)
    assert topk_accuracy(scores, labels) == (slow_topk(scores, labels, 1), slow_topk(scores, labels, 5))
    plain = reference_module("plain")
    assert topk_accuracy(scores, labels) == plain.fuse([scores[:, None]], labels)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        (np.zeros(3), [0, 0, 0]),
        (np.zeros((2, 3)), [0, 3]),
        (np.zeros((2, 3)), [-1, 0]),
        (np.array([[np.nan, 1.0]]), [0]),
        (np.zeros((2, 3)), [0]),
    ],
)
def test_refuses(scores, labels):
    with pytest.raises(ValueError):
        topk_accuracy(scores, np.array(labels))


def test_nothing_to_count_is_not_zero_percent():
    assert all(math.isnan(value) for value in topk_accuracy(np.zeros((0, 3)), np.zeros(0, int)))


def test_hits_among_missing_and_unknown():
    scores = np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9], [9, 0, 0], [9, 0, 0]], float)
    scores[2] = np.nan
    labels = np.array([0, 0, 2, 0, -1])
    scored = np.array([True, True, False, True, True])
    accuracy = accuracy_of_ranks(label_ranks(scores, labels), labels, scored, 3, (1, 2))
    assert (accuracy.hits, accuracy.scored, accuracy.total, accuracy.missing) == ({1: 2, 2: 3}, 3, 4, 1)
    assert accuracy.top(1) == 2 / 3
    assert accuracy.bounds(1) == (2 / 4, 3 / 4)
    assert accuracy.mean_class == 2 / 3


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 7, 100])
def test_every_k_can_be_asked_for(k):
    """Also one that was not named when the hits were counted, and one above the number of classes."""
    rng = np.random.default_rng(3)
    scores, labels = rng.standard_normal((200, 7)), rng.integers(-1, 7, 200)
    labels[:3] = NO_COLUMN
    scored = rng.random(200) < 0.9
    accuracy = accuracy_of_ranks(label_ranks(scores, np.maximum(labels, 0)), labels, scored, 7)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    right = (best == labels[:, None]).any(axis=1)
    known = scored & (labels != -1)
    assert accuracy.correct_at(k).tolist() == np.where(known, right, -1).tolist()
    assert accuracy.hits_at(k) == right[known].sum()
    assert accuracy.top(k) == right[known].mean()
    assert accuracy.bounds(k)[0] == right[known].sum() / (labels != -1).sum()


def test_topk_accuracy_is_part_of_the_public_interface():
    from gsm_bench import metrics

    assert metrics.topk_accuracy is topk_accuracy


def test_mean_class_leaves_out_classes_that_do_not_occur():
    labels = np.array([0, 1, 1])
    ranks = label_ranks(np.eye(4)[[0, 0, 1]], labels)
    assert accuracy_of_ranks(ranks, labels, np.ones(3, bool), 4).mean_class == (1 + 0.5) / 2


def test_a_class_without_a_column_counts_as_wrong():
    labels = np.array([0, NO_COLUMN, NO_COLUMN, -1])
    scored = np.array([True, True, False, True])
    accuracy = accuracy_of_ranks(np.zeros(4, np.int32), labels, scored, 2)
    assert (accuracy.hits[1], accuracy.scored, accuracy.total) == (1, 2, 3)
    assert accuracy.ranks.tolist() == [0, BEYOND, -1, -1]
    assert accuracy.correct.tolist() == [1, 0, -1, -1]
    assert accuracy.class_counts.tolist() == [1, 0]


def test_reference_is_complete():
    assert {path.name for path in REFERENCE.iterdir()} >= {
        "plain.py",
        "scores.py",
        "weights.py",
        "images.py",
        "e2e",
        "logits.npz",
    }
