"""Counts of more columns than a byte can count."""

import numpy as np

from gsm_bench.metrics.topk import label_ranks


def test_ranks_beyond_a_byte():
    scores = np.tile(np.arange(2000, 0, -1.0), (3, 1))
    labels = np.array([0, 255, 1999])
    assert label_ranks(scores, labels).tolist() == [0, 255, 1999]
    assert label_ranks(np.zeros((3, 2000)), labels).tolist() == [0, 255, 1999]  # all tied: the lower class first
