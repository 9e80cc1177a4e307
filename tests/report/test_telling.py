"""Which videos are shown with frames first."""

import numpy as np

from gsm_bench.report.telling import in_turns, telling_videos


def test_each_order_gives_in_turn():
    assert in_turns([np.array([4, 2]), np.array([4, 7, 1]), np.array([3])]).tolist() == [4, 3, 2, 7, 1]
    assert in_turns([]).tolist() == []


def test_confident_errors_disagreement_late_decisions_and_hard_videos_come_first():
    ranks = np.array([[0, 3, 1, 0, 0, 9], [0, 2, 1, 0, 0, 8]])  # 1, 2 and 5 are wrong, 5 most
    classes = np.array([[0, 1, 2, 3, 4, 5], [0, 1, 2, 9, 4, 5]])  # results disagree on 3
    confidence = np.array([0.9, 0.8, 0.99, 0.5, 0.4, 0.3])
    stops = np.array([0, 0, 0, 0, 2, 0])  # 4 is decided late
    assert telling_videos(ranks, classes, confidence, stops).tolist() == [2, 3, 4, 5, 1]


def test_videos_that_tell_nothing_are_left_out():
    ranks, classes = np.zeros((2, 3), int), np.zeros((2, 3), int)
    assert telling_videos(ranks, classes, np.full(3, 0.9)).tolist() == []


def test_unknown_labels_and_scores_tell_nothing_but_disagreement():
    ranks = np.full((2, 3), -1)
    classes = np.array([[-1, 4, 4], [2, 4, 5]])
    assert telling_videos(ranks, classes, np.array([np.nan, 0.5, 0.5])).tolist() == [2]


def test_equal_videos_keep_the_order_of_the_split():
    ranks = np.full((1, 50), 2)
    rows = telling_videos(ranks, np.zeros((1, 50), int), np.full(50, 0.7))
    assert rows.tolist() == list(range(50))
