"""Logits, probabilities, their sums and their logarithms are told apart by their values."""

import numpy as np
import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.kinds import settle_kind
from gsm_bench.scorefile import read
from tests.importers.dumps import softmax

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((50, 3, 20)).astype(np.float32) * 3
PROBABILITIES = softmax(LOGITS)


def settle(scores, told=None, usual=None):
    return settle_kind(np.asarray(scores, np.float32), "action", told, usual, "x.pkl")


def test_each_kind_by_its_values():
    assert settle(LOGITS).kind == "logits"
    assert settle(PROBABILITIES).kind == "probabilities"
    assert settle(PROBABILITIES.astype(np.float16)).kind == "probabilities"
    assert settle(np.log(PROBABILITIES)).kind == "log_probabilities"
    assert settle(LOGITS - 100).kind == "logits", "all negative, but their exponentials do not sum to 1"
    assert settle(np.eye(5)[:, None]).kind == "probabilities"


def test_sums_of_softmax_become_means():
    total = PROBABILITIES.sum(1, keepdims=True)
    found = settle(total, usual="probabilities")
    assert (found.kind, found.summed) == ("probabilities", 3)
    assert np.allclose(found.scores, PROBABILITIES.mean(1, keepdims=True), atol=1e-7)
    assert "sums of the softmax of 3 views" in found.note


def test_rows_of_unlike_numbers_of_views():
    total = np.concatenate([PROBABILITIES[:25].sum(1, keepdims=True), PROBABILITIES[25:, :2].sum(1, keepdims=True)])
    found = settle(total)
    assert "2 to 3 views" in found.note
    assert np.allclose(found.scores.sum(-1), 1, atol=1e-6)


def test_the_source_is_contradicted_aloud():
    found = settle(LOGITS, usual="probabilities")
    assert found.kind == "logits"
    assert "usually writes probabilities" in found.note


def test_what_is_neither_has_to_be_told():
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    with pytest.raises(DumpError, match="neither logits nor probabilities") as caught:
        settle(sigmoid)
    assert "--kind" in str(caught.value)
    assert settle(sigmoid, told="logits").kind == "logits"
    assert settle(np.abs(LOGITS), usual="logits").kind == "logits"


@pytest.mark.parametrize(
    ("told", "scores"), [("probabilities", LOGITS), ("softmax_sums", LOGITS), ("log_probabilities", LOGITS)]
)
def test_what_is_told_may_not_contradict_the_values(told, scores):
    with pytest.raises(DumpError, match=f"are said to be {told}, but"):
        settle(scores, told=told)


def test_rows_without_scores_do_not_decide():
    holes = PROBABILITIES.copy()
    holes[3] = np.nan
    assert settle(holes).kind == "probabilities"
    total = holes.sum(1, keepdims=True)
    assert np.isnan(settle(total).scores[3]).all()
    with pytest.raises(DumpError, match="no row of the action scores is whole"):
        settle(np.full((2, 1, 3), np.nan))


def test_told_on_the_command_line(gsmbench, workspace):
    scores = 1 / (1 + np.exp(-LOGITS[:, 0]))
    np.savez("x.npz", ids=np.arange(50), scores=scores)
    assert gsmbench("import", "x.npz").status == 1
    assert gsmbench("import", "x.npz", "--kind", "logits").status == 0
    assert read("scores/imported/x.h5").kinds == {"action": "logits"}
