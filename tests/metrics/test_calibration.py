import numpy as np
import pytest

from gsm_bench.metrics.calibration import calibration, calibration_of
from gsm_bench.metrics.folds import folds_of
from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.metrics.temperature import fit_temperature, fit_temperatures, held_out_temperatures, in_memory


def drawn(clips=2000, classes=6, sharp=1.0, seed=0):
    """Logits and labels drawn from their softmax; then the logits are multiplied, so that T = `sharp` mends them."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((clips, classes))
    labels = (rng.random(clips)[:, None] > np.exp(log_softmax(logits)).cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return sharp * logits, labels


def test_hand_made():
    """Four clips, two bins: sure of 0.9 twice and right once, sure of 0.4 twice and right both times."""
    rows = np.log([[0.9, 0.05, 0.05], [0.9, 0.05, 0.05], [0.3, 0.4, 0.3], [0.3, 0.4, 0.3]])
    found = calibration(rows, np.array([0, 1, 1, 1]), bins=2)
    assert found.ece == pytest.approx(0.5 * 0.4 + 0.5 * 0.6)
    assert found.adaptive_ece == pytest.approx(0.5)
    assert found.nll == pytest.approx(-(np.log(0.9) + np.log(0.05) + 2 * np.log(0.4)) / 4)
    assert found.brier == pytest.approx((0.015 + (0.81 + 0.9025 + 0.0025) + 2 * (0.36 + 0.18)) / 4)
    assert (found.accuracy, found.confidence, found.videos) == (0.75, pytest.approx(0.65), 4)
    assert [(bin_.videos, bin_.accuracy) for bin_ in found.bins] == [(2, 1.0), (2, 0.5)]


def test_equals_a_plain_loop():
    logits, labels = drawn(sharp=2.0)
    found = calibration(log_softmax(logits), labels, bins=10)
    probabilities = np.exp(log_softmax(logits))
    gap = 0.0
    for number in range(10):
        inside = [
            (row.max(), row.argmax() == label)
            for row, label in zip(probabilities, labels, strict=True)
            if number / 10 < row.max() <= (number + 1) / 10
        ]
        gap += abs(sum(sure for sure, _ in inside) - sum(right for _, right in inside)) / len(labels)
    assert found.ece == pytest.approx(gap)


def test_equals_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    logits, labels = drawn(sharp=3.0)
    probabilities = np.exp(log_softmax(logits))
    found = calibration(log_softmax(logits), labels)
    assert found.nll == pytest.approx(metrics.log_loss(labels, probabilities))
    one_hot = np.eye(6)[labels]
    expected = sum(metrics.brier_score_loss(one_hot[:, c], probabilities[:, c]) for c in range(6))
    assert found.brier == pytest.approx(expected)


@pytest.mark.parametrize("sharp", [0.2, 1.0, 4.0, 30.0])
def test_temperature_is_found(sharp):
    logits, labels = drawn(20_000, sharp=sharp)
    assert fit_temperature(logits, labels) == pytest.approx(sharp, rel=0.05)


def test_temperature_equals_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    logits, labels = drawn(500, sharp=2.5, seed=3)

    def nll(temperature):
        return -log_softmax(logits / temperature)[np.arange(500), labels].mean()

    expected = optimize.minimize_scalar(nll, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(logits, labels) == pytest.approx(expected, rel=1e-5)


def test_temperature_of_labels_that_are_always_right_or_always_wrong():
    logits, _ = drawn(200)
    assert fit_temperature(logits, logits.argmax(axis=1)) == pytest.approx(1e-3, rel=0.01)
    assert fit_temperature(logits, logits.argmin(axis=1)) == pytest.approx(1e3, rel=0.01)


def test_log_of_nought():
    scores = np.array([[0.0, -np.inf], [-1.0, -0.5], [0.0, -3.0]])
    assert np.isfinite(fit_temperature(scores, np.array([0, 1, 1])))


def test_held_out_temperature_mends_and_knows_nothing_of_its_own_clips():
    logits, labels = drawn(3000, sharp=5.0)
    folds = folds_of(3000, None)
    temperatures = held_out_temperatures(logits, labels, folds)
    before, after = (
        calibration(log_softmax(logits), labels),
        calibration(log_softmax(logits / temperatures[:, None]), labels),
    )
    true = calibration(log_softmax(logits / 5.0), labels)
    assert after.nll == pytest.approx(true.nll, abs=0.002)
    assert after.ece < before.ece / 5
    assert after.accuracy == before.accuracy
    changed = labels.copy()
    changed[folds == 0] = 0
    assert (held_out_temperatures(logits, changed, folds)[folds == 0] == temperatures[folds == 0]).all()


def test_blocks_and_their_order_change_nothing_but_rounding(monkeypatch):
    logits, labels = drawn(500, sharp=3.0)
    folds = folds_of(500, None)
    whole = fit_temperatures(in_memory(logits), labels, folds)

    def backwards(work):
        for start in range(480, -1, -20):
            yield work(logits[start : start + 20].copy(), np.arange(start, start + 20))

    parts = fit_temperatures(backwards, labels, folds)
    assert parts[0] == pytest.approx(whole[0], rel=1e-8)
    assert parts[1] == pytest.approx(whole[1], rel=1e-8)
    assert calibration_of(backwards, labels, whole[1][folds]) == calibration_of(
        in_memory(logits), labels, whole[1][folds]
    )


def test_each_fold_is_left_out_of_its_own_fit():
    logits, labels = drawn(600, sharp=2.0)
    folds = folds_of(600, None, 3)
    found = fit_temperatures(in_memory(logits), labels, folds)
    assert found[0] == pytest.approx(fit_temperature(logits, labels), rel=1e-9)
    for fold in range(3):
        others = folds != fold
        assert found[1][fold] == pytest.approx(fit_temperature(logits[others], labels[others]), rel=1e-9)


def test_one_fold_has_no_others_to_fit_on():
    logits, labels = drawn(50, sharp=2.0)
    assert held_out_temperatures(logits, labels, np.zeros(50, np.int64)).tolist() == [1.0] * 50
