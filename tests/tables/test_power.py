"""The table of what a comparison can show."""

import json

import numpy as np
import pytest

from gsm_bench.metrics.power import POWER, POWER_QUANTILE, paired_power


@pytest.fixture
def scored(toy_labels, save_scores):
    """a: wrong on 6 videos; b: wrong on 12 others of 60."""
    for name, rows in (("a", slice(0, 6)), ("b", slice(10, 22))):
        best = toy_labels.copy()
        best[rows] = (best[rows] + 1) % 5
        save_scores(name, np.repeat(np.eye(5, dtype=np.float32)[best][:, None], 2, 1))


def test_the_quantile_is_that_of_the_power():
    from statistics import NormalDist

    assert NormalDist().inv_cdf(POWER) == pytest.approx(POWER_QUANTILE, abs=1e-14)


def test_compare_power(gsmbench, scored):
    arguments = ["compare", "scores/toy/val/a.h5", "scores/toy/val/b.h5", "--power", "--points", "3"]
    ran = gsmbench(*arguments, "--format", "json")
    assert ran.status == 0, ran.err
    (row,) = json.loads(ran.out)["tables"]["power"]["rows"]
    first = np.repeat([1, 0, 1], [12, 6, 42]).astype(np.int8)
    second = np.repeat([0, 1, 1], [12, 6, 42]).astype(np.int8)
    power = paired_power(first, second)
    assert (row["videos"], row["groups"], row["differing"], row["observed"]) == (60, None, 0.3, 0.1)
    assert row["smallest"] == power.smallest
    assert [row[f"videos_for_{points}"] for points in ("0.5", "1", "2", "3", "5")] == [
        power.videos_for(points / 100) for points in (0.5, 1, 2, 3, 5)
    ]
    assert "Videos for" in gsmbench(*arguments).out
    assert gsmbench("compare", "a.h5", "b.h5", "--points", "3").status == 2


def test_a_table_with_ties_says_what_its_videos_can_show(gsmbench, scored):
    out = gsmbench("evaluate", "scores/toy/val/a.h5", "scores/toy/val/b.h5").out
    assert "points on with 80% power" in out
