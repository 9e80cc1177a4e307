import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gsm_bench.actions import parse_pairs
from gsm_bench.metrics.top_actions import top_actions, top_columns, top_known_actions
from tests.conftest import reference_module


def brute_force(verb, noun, k):
    """All pairs of one row, sorted by the sum in float64, then by (verb, noun)."""
    sums = verb.astype(np.float64)[:, None] + noun.astype(np.float64)[None, :]
    order = np.argsort(-sums.ravel(), kind="stable")[:k]
    return [tuple(map(int, divmod(at, len(noun)))) for at in order], np.sort(-sums.ravel(), kind="stable")[: k + 1]


def pairs_of(found, row):
    return list(zip(found.verbs[row].tolist(), found.nouns[row].tolist(), strict=True))


def test_by_hand():
    found = top_actions(np.log([[0.7, 0.3]]), np.log([[0.5, 0.3, 0.2]]), k=3)
    assert pairs_of(found, 0) == [(0, 0), (0, 1), (1, 0)]
    assert np.exp(found.scores[0]) == pytest.approx([0.35, 0.21, 0.15])


def test_equal_products_rank_by_verb_then_noun():
    found = top_actions(np.zeros((1, 3)), np.zeros((1, 4)), k=5)
    assert pairs_of(found, 0) == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]


@pytest.mark.parametrize("kind", ["random", "tied", "extreme", "integers"])
@pytest.mark.parametrize(("verbs", "nouns"), [(97, 300), (125, 352), (7, 9), (200, 3), (1, 1)])
def test_equals_brute_force(kind, verbs, nouns):
    rng = np.random.default_rng([7, verbs, nouns])
    draw = {
        "random": lambda c: rng.standard_normal((40, c)) * 3,
        "tied": lambda c: rng.integers(0, 3, (40, c)),
        "extreme": lambda c: rng.choice([-300, 300, 0], (40, c)) + rng.standard_normal((40, c)),
        "integers": lambda c: rng.integers(-300, 301, (40, c)),
    }[kind]
    verb, noun = draw(verbs).astype(np.float32), draw(nouns).astype(np.float32)
    found = top_actions(verb, noun)
    for row in range(40):
        wanted, _ = brute_force(verb[row], noun[row], 100)
        assert pairs_of(found, row) == wanted


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 40), st.integers(0, 10**6), st.integers(1, 5))
def test_equals_brute_force_with_many_ties_at_any_size(verbs, nouns, k, seed, values):
    rng = np.random.default_rng(seed)
    verb, noun = rng.integers(0, values, (5, verbs)), rng.integers(0, values, (5, nouns))
    found = top_actions(verb.astype(float), noun.astype(float), k=k)
    for row in range(5):
        assert pairs_of(found, row) == brute_force(verb[row], noun[row], min(k, verbs * nouns))[0]


def test_float64_scores_agree_wherever_neighbours_differ():
    """Log-probabilities are float64 and their sums are rounded: sets agree unless 100th and 101st are the same number."""
    rng = np.random.default_rng(3)
    verb, noun = rng.standard_normal((300, 97)), rng.standard_normal((300, 300))
    found, compared = top_actions(verb, noun), 0
    for row in range(300):
        wanted, best = brute_force(verb[row], noun[row], 100)
        if best[100] - best[99] > 1e-12 * abs(best[100]):
            assert set(pairs_of(found, row)) == set(wanted)
            compared += 1
    assert compared > 290


def test_scores_are_log_probabilities_and_agree_with_the_plain_code():
    plain = reference_module("plain")
    rng = np.random.default_rng(4)
    verb, noun = rng.standard_normal((30, 97)).astype(np.float32), rng.standard_normal((30, 300)).astype(np.float32)
    verbs, nouns, joint = plain.top_actions(verb, noun)
    found = top_actions(verb, noun)
    assert np.array_equal(found.verbs, verbs)
    assert np.array_equal(found.nouns, nouns)
    assert np.exp(found.scores) == pytest.approx(joint, rel=1e-12)


def test_a_prior_counts_pairs_and_forbids_unknown_ones():
    pairs = parse_pairs(["0,0", "1,1", "1,2"])
    verb, noun = np.log([[0.5, 0.5]]), np.log([[0.6, 0.2, 0.2]])
    found = top_known_actions(verb, noun, pairs, np.log([1.0, 2.0, 5.0]))
    assert pairs_of(found, 0) == [(1, 2), (0, 0), (1, 1)]
    assert np.exp(found.scores[0]) == pytest.approx([0.5, 0.3, 0.2])


def test_an_action_head_ranks_its_columns():
    pairs = parse_pairs(["0,3", "2,1", "2,2"])
    found = top_columns(np.array([[1.0, 4.0, 4.0]]), pairs, k=2)
    assert pairs_of(found, 0) == [(2, 1), (2, 2)]
    assert np.exp(found.scores[0]) == pytest.approx([1 / (2 + np.exp(-3))] * 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_numbers_are_refused(bad):
    verb = np.zeros((2, 3))
    verb[1, 2] = bad
    with pytest.raises(ValueError, match="must be finite"):
        top_actions(verb, np.zeros((2, 4)))


def test_hits():
    found = top_actions(np.log([[0.7, 0.3]] * 2), np.log([[0.5, 0.3, 0.2]] * 2), k=3)
    assert found.hits(np.array([0, 1]), np.array([1, 0]), 2).tolist() == [True, False]
    assert found.hits(np.array([0, 1]), np.array([1, 0]), 3).tolist() == [True, True]
