"""Calibration tables, from a hand-made result."""

import numpy as np
import pytest

from gsm_bench.evaluation.calibrate import Calibrated
from gsm_bench.metrics.calibration import calibration
from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.tables.calibration import calibration_table, reliability_table


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    logits, labels = 3 * rng.standard_normal((200, 4)), rng.integers(0, 4, 200)
    plain, scaled = (calibration(log_softmax(logits / t), labels, bins=10) for t in (1, 2))
    return Calibrated("a", "action", "logits", plain, scaled, 2.0)


def test_two_rows_per_result(result):
    table = calibration_table([result], folds=5)
    unscaled, scaled = table.rows
    assert (unscaled["how"], unscaled["temperature"], scaled["how"], scaled["temperature"]) == (
        "unscaled",
        1,
        "scaled",
        2,
    )
    assert (unscaled["ece"], unscaled["nll"]) == (result.plain.ece, result.plain.nll)
    assert (scaled["ece"], scaled["brier"]) == (result.scaled.ece, result.scaled.brier)
    assert unscaled["top1"] == scaled["top1"]
    assert "5 folds" in table.notes[0]
    assert "10 bins" in table.notes[1]


def test_reliability_has_a_block_per_row_and_covers_all_videos(result):
    table = reliability_table([result])
    assert len(table.blocks) == 2
    for block in table.blocks:
        assert sum(row["videos"] for row in block) == 200
        assert all(row["gap"] == row["accuracy"] - row["confidence"] for row in block)
        assert all(row["low"] < row["confidence"] <= row["high"] for row in block)


def test_other_tasks_are_named(result):
    from dataclasses import replace

    assert calibration_table([replace(result, task="verb")], 5).rows[0]["label"] == "a verb"
