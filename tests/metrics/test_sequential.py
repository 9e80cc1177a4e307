import math

import numpy as np
import pytest
from scipy.special import betaln

from gsm_bench.metrics.sequential import first_exclusion, is_fair_part, log_evidence


def draws(rng, p, n):
    return (rng.random(n) < p).astype(np.int8)


def test_evidence_equals_the_integral():
    """The ratio of the integrated likelihood to the likelihood of the claim, by the closed form of the beta function."""
    correct = draws(np.random.default_rng(1), 0.6, 300)
    right, seen = np.cumsum(correct), np.arange(1, 301)
    expected = betaln(0.5 + right, 0.5 + seen - right) - betaln(0.5, 0.5)
    expected -= right * math.log(0.5) + (seen - right) * math.log(0.5)
    assert np.allclose(log_evidence(correct, 0.5, 0.5), expected)


def test_a_range_of_claims_has_the_evidence_against_its_best_one():
    correct = draws(np.random.default_rng(2), 0.6, 200)
    each = [log_evidence(correct, p, p) for p in np.linspace(0.45, 0.55, 101)]
    assert np.allclose(log_evidence(correct, 0.45, 0.55), np.min(each, axis=0), atol=1e-3)


@pytest.mark.parametrize("p", [0.02, 0.49, 0.88, 0.995])
def test_a_true_claim_is_seldom_excluded_however_often_one_looks(p):
    rng = np.random.default_rng(3)
    excluded = sum(first_exclusion(draws(rng, p, 2000), p, p, 0.05) is not None for _ in range(400))
    assert excluded <= 0.05 * 400


def test_a_wrong_claim_is_excluded_soon():
    rng = np.random.default_rng(4)
    half = [first_exclusion(draws(rng, 0.25, 3000), 0.49, 0.49, 1e-4) for _ in range(50)]
    near = [first_exclusion(draws(rng, 0.44, 11_522), 0.49, 0.49, 1e-4) for _ in range(50)]
    assert max(half) < 300
    assert sum(number is not None for number in near) >= 49


def test_ends_of_the_scale():
    ones, zeros = np.ones(60, np.int8), np.zeros(60, np.int8)
    assert first_exclusion(ones, 1, 1, 1e-4) is None
    assert first_exclusion(zeros, 0, 0, 1e-4) is None
    assert first_exclusion(zeros, 1, 1, 1e-4) == 1  # impossible under the claim
    assert first_exclusion(zeros, 0.9, 0.9, 1e-4) < 10
    assert first_exclusion(np.zeros(0, np.int8), 0.5, 0.5, 1e-4) is None


def test_fair_parts():
    rng = np.random.default_rng(5)
    labels = np.sort(rng.integers(0, 174, 11_522))
    whole = np.bincount(labels, minlength=174)
    for n in (50, 700, 5000, 11_000):
        for _ in range(50):
            part = rng.permutation(labels)[:n]
            assert is_fair_part(np.bincount(part, minlength=174), whole)
        assert not is_fair_part(np.bincount(labels[:n], minlength=174), whole) or n == 11_000
    assert is_fair_part(np.array([3]), np.array([9]))
    assert is_fair_part(np.zeros(4, int), np.ones(4, int))
