"""Tables of classes and confusions, from a hand-made evaluation."""

import numpy as np
import pytest

from gsm_bench.evaluation.per_class import evaluate_classes
from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.tables.per_class import confusions_table, per_class_table


@pytest.fixture
def evaluation():
    labels, best = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 2])
    ranks = np.where(labels == best, 0, 1)
    return evaluate_classes("mine", "8x2", "verb", Predictions(best, ranks), labels, ("ape", "bee", "cat"), None)


def test_per_class_table(evaluation):
    table = per_class_table(evaluation)
    assert table.title == "Classes of mine 8x2, verb"
    assert [(row["class"], row["videos"], row["confused_with"]) for row in table.rows] == [
        ("ape", 3, "bee (2)"),
        ("bee", 2, "ape (1)"),
        ("cat", 1, "-"),
    ]
    assert table.rows[0]["top1"] == pytest.approx(1 / 3)


def test_confusions_table(evaluation):
    table = confusions_table(evaluation, None)
    assert [(row["true"], row["predicted"], row["videos"], row["reverse"]) for row in table.rows] == [
        ("ape", "bee", 2, 1),
        ("bee", "ape", 1, 2),
    ]
    assert table.notes[0].startswith("3 of 6 videos are predicted as another class, in 2 pairs.")
    assert len(confusions_table(evaluation, 1).rows) == 1
