"""Temperatures of members."""

import numpy as np
import pytest

from gsm_bench.ensembles.members import open_members
from gsm_bench.ensembles.spaces import scale_by_temperature
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.selection.temperatures import member_temperatures
from tests.selection.weighted_pools import noisy, pool


def test_temperature_divides_before_all_else(tmp_path):
    logits = np.array([[2.0, 0.0, -2.0]], np.float32)
    half = np.exp(logits / 2) / np.exp(logits / 2).sum()
    assert scale_by_temperature(logits, "logits", "logits", 2.0) == pytest.approx(logits / 2)
    assert scale_by_temperature(logits, "logits", "probabilities", 2.0) == pytest.approx(half)
    probabilities = (np.exp(logits) / np.exp(logits).sum()).astype(np.float32)
    assert scale_by_temperature(probabilities, "probabilities", "probabilities", 2.0) == pytest.approx(half, rel=1e-6)
    assert scale_by_temperature(probabilities, "probabilities", "log_probabilities", 2.0) == pytest.approx(
        np.log(half), rel=1e-6
    )
    with pytest.raises(ValueError, match="logits cannot be computed"):
        scale_by_temperature(probabilities, "probabilities", "logits", 2.0)


def test_member_temperatures_undo_a_scale(tmp_path, labels_400):
    plain = noisy(labels_400, 1)[0]
    with open_members(pool(tmp_path, [plain, 3 * plain])) as members:
        one, three = member_temperatures(members, "action", GroundTruth({"action": labels_400}))
    assert three == pytest.approx(3 * one, rel=1e-4)
