import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.metrics.top_actions import top_actions
from gsm_bench.submit.rescore import readings_differ, rescore
from gsm_bench.submit.server_scores import ServerScores, rounded
from tests.conftest import reference_module


def server_scores(verb, noun, actions=None):
    verb, noun = log_softmax(np.asarray(verb, np.float64)), log_softmax(np.asarray(noun, np.float64))
    return ServerScores(tuple(f"c{row}" for row in range(len(verb))), verb, noun, actions)


def decimals(value):
    text = np.format_float_positional(value, trim="-")
    return len(text.partition(".")[2])


def test_five_decimals_where_they_keep_the_order():
    result = rounded(server_scores([[0.0, 1.0, 2.5]], [[1.0, 3.0]]))
    assert max(map(decimals, result.verb[0])) == 5
    assert result.verb[0] == pytest.approx(server_scores([[0.0, 1.0, 2.5]], [[1.0, 3.0]]).verb[0], abs=5e-6)


def test_a_row_gets_the_decimals_that_its_closest_scores_need_and_no_other_row_does():
    result = rounded(server_scores([[0.0, 1.0, 1.0 + 3e-8], [0.0, 1.0, 2.0]], [[1.0, 3.0], [1.0, 3.0]]))
    assert max(map(decimals, result.verb[0])) in (8, 9)
    assert result.verb[0].argmax() == 2
    assert max(map(decimals, result.verb[1])) == 5


def test_equal_scores_stay_equal():
    result = rounded(server_scores([[1.0, 1.0, 0.0]], [[2.0, 2.0]]))
    assert result.verb[0, 0] == result.verb[0, 1]
    assert max(map(decimals, result.verb[0])) == 5


def test_actions_that_are_close_only_in_their_sums_need_decimals_too():
    """Verbs and nouns are far apart, but v0 + n1 and v1 + n0 differ by 1e-7."""
    result = rounded(server_scores([[0.0, 1.0]], [[0.0, 1.0 + 1e-7]]))
    assert max(map(decimals, result.noun[0])) >= 7
    assert result.verb[0, 1] + result.noun[0, 0] < result.verb[0, 0] + result.noun[0, 1]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.01, 1.0, 30.0, 300.0]), st.booleans())
def test_rankings_survive_rounding(seed, scale, whole_numbers):
    rng = np.random.default_rng(seed)
    verb, noun = rng.standard_normal((6, 20)) * scale, rng.standard_normal((6, 30)) * scale
    exact = server_scores(np.round(verb), np.round(noun)) if whole_numbers else server_scores(verb, noun)
    for reading, result in rescore(rounded(exact), exact).items():
        assert result.changed == (), reading
    if not whole_numbers:
        kept = rounded(exact)
        assert np.array_equal(np.argsort(-kept.verb, axis=1), np.argsort(-exact.verb, axis=1))


def test_rescoring_notices_what_a_server_would_misread():
    """Probabilities instead of log-probabilities: softmax flattens them and most sets of 100 change."""
    noisy = reference_module("scores").noisy_logits
    labels = np.arange(40) % 90
    exact = server_scores(noisy(labels, 97, 1), noisy(labels, 300, 2))
    wrong = ServerScores(exact.ids, np.exp(exact.verb), np.exp(exact.noun))
    assert len(rescore(wrong, exact)["row-wise"].changed) > 20


def test_rescoring_notices_rows_of_different_offset():
    """Raw logits are right row by row, and wrong where one softmax goes over the whole file."""
    rng = np.random.default_rng(0)
    verb, noun = rng.standard_normal((30, 97)), rng.standard_normal((30, 300))
    verb[3] -= 800
    exact = server_scores(verb, noun)
    raw = ServerScores(exact.ids, verb, noun)
    readings = rescore(raw, exact)
    assert readings["row-wise"].changed == ()
    assert readings["whole-file"].faint == 1
    assert readings_differ(raw) == ("c3",)
    assert readings_differ(exact) == ()


def test_listed_actions_are_compared_in_their_order():
    rng = np.random.default_rng(1)
    verb, noun = rng.standard_normal((3, 20)), rng.standard_normal((3, 30))
    exact = server_scores(verb, noun, top_actions(verb, noun))
    assert rescore(rounded(exact), exact)["row-wise"].changed == ()
    other = rounded(exact)
    other.actions.scores[1, :2] = other.actions.scores[1, 1::-1]
    assert rescore(other, exact)["whole-file"].changed == ("c1",)


def test_the_digest_does_not_depend_on_the_order():
    one = server_scores([[0.0, 1.0], [2.0, 0.5]], [[0.0, 1.0], [2.0, 0.5]])
    turned = ServerScores(one.ids[::-1], one.verb[::-1], one.noun[::-1])
    assert one.digest == turned.digest
    assert one.digest != ServerScores(one.ids, one.verb, one.noun, sls={"sls_pt": 1}).digest


def near_ties(tied, gap, below):
    """Verbs [1, 97] and nouns [1, 300]: `tied` pairs tie from the 100th place on, and `below` pairs lie `gap` lower."""
    verb, noun = -20 - 0.01 * np.arange(97.0), -20 - 0.01 * np.arange(300.0)
    verb[:3] = 0, -1, -2.5
    noun[200:220] = 2.8 + 0.01 * np.arange(20)  # above the tie with three verbs: 60 pairs
    noun[100 : 100 + tied - 1] = 1.25  # ties with verb 1, above it with verb 0
    noun[50] = 0.25  # ties with verb 0
    noun[299 - 2 * np.arange(below)] = 2.75 - gap  # the near tie with verb 2, above with verbs 0 and 1
    filled = 40 - tied - 2 * below
    noun[230 : 230 + filled] = 1.02 + 0.004 * np.arange(filled)  # above with verb 0
    return verb[None], noun[None]


@pytest.mark.parametrize("tied", [2, 3, 10, 20])
@pytest.mark.parametrize("gap", [1e-6, 2e-7, 3e-9, 4e-11])
@pytest.mark.parametrize("below", [1, 5, 10])
def test_a_tie_at_the_last_place_with_near_ties_below(tied, gap, below):
    verb, noun = near_ties(tied, gap, below)
    exact = server_scores(verb, noun)
    for reading, result in rescore(rounded(exact), exact).items():
        assert not result.changed, reading
