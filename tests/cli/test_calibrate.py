import json

import numpy as np
import pytest

from gsm_bench.metrics.calibration import calibration
from gsm_bench.metrics.softmax import log_softmax
from tests.conftest import reference_module

A, B = "scores/toy/val/a.h5", "scores/toy/val/b.h5"


@pytest.fixture
def scored(toy_labels, save_scores):
    noisy = reference_module("scores").noisy_logits
    arrays = {}
    for seed, name in enumerate("ab"):
        arrays[name] = np.stack([noisy(toy_labels, 5, 2 * seed + view, signal=1.0) for view in range(2)], axis=1)
        save_scores(name, arrays[name], names=("ape", "bee", "cat", "dog", "elk"))
    return arrays


def document(ran):
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


def test_calibrate(gsmbench, scored, toy_labels):
    rows = document(gsmbench("calibrate", f"{A}@2", f"{A},{B}", "--format", "json"))["rows"]
    expected = calibration(log_softmax(scored["a"].astype(float).mean(axis=1)), toy_labels)
    assert (rows[0]["ece"], rows[0]["nll"]) == pytest.approx((expected.ece, expected.nll))
    assert [row["how"] for row in rows] == ["unscaled", "scaled"] * 2
    assert rows[0]["top1"] == rows[1]["top1"]
    assert rows[1]["nll"] < rows[0]["nll"]


def test_spaces_and_reliability(gsmbench, scored):
    found = document(gsmbench("calibrate", f"{A},{B}", "--space", "probabilities", "--reliability", "--format", "json"))
    assert found["rows"][0]["space"] == "probabilities"
    bins = [row for row in found["tables"]["reliability"]["rows"] if row["how"] == "unscaled"]
    assert sum(row["videos"] for row in bins) == 60
    assert all(row["low"] < row["confidence"] <= row["high"] for row in bins)


def test_per_class_and_confusions(gsmbench, scored, toy_labels):
    metrics = pytest.importorskip("sklearn.metrics")
    found = document(gsmbench("evaluate", A, "--per-class", "--confusions", "--format", "json"))
    best = scored["a"].astype(float).mean(axis=1).argmax(axis=1)
    matrix = metrics.confusion_matrix(toy_labels, best, labels=range(5))
    classes = found["tables"]["per-class"]["rows"]
    assert [row["top1"] for row in classes] == pytest.approx((matrix.diagonal() / matrix.sum(axis=1)).tolist())
    assert np.mean([row["top1"] for row in classes]) == pytest.approx(found["rows"][1]["mean_class"])
    names = ("ape", "bee", "cat", "dog", "elk")
    pairs = {(row["true"], row["predicted"]): row["videos"] for row in found["tables"]["confusions"]["rows"]}
    assert pairs == {(names[t], names[s]): matrix[t, s] for t in range(5) for s in range(5) if t != s and matrix[t, s]}
    few = document(gsmbench("evaluate", A, B, "--confusions", "--most", 2, "--format", "json"))["tables"]
    assert [len(table["rows"]) for table in few.values()] == [2, 2]
    assert list(few) == ["confusions", "confusions-2"]


def test_without_labels(gsmbench, scored, workspace):
    (workspace.data / "toy" / "val.txt").write_text("\n".join(f"v{row} 9" for row in range(60)))
    ran = gsmbench("calibrate", A)
    assert ran.status == 1
    assert "no video has a label" in ran.err
    assert gsmbench("evaluate", A, "--per-class").status == 0
