"""Logits, probabilities, their sums and their logarithms are told apart by their values."""

import numpy as np
import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.kinds import infer_kind
from gsm_bench.scorefile import read
from tests.importers.dumps import softmax

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((50, 3, 20)).astype(np.float32) * 3
PROBABILITIES = softmax(LOGITS)


def commit(scores, told=None, usual=None):
    return infer_kind(np.asarray(scores, np.float32), "action", told, usual, "x.pkl")


def test_each_kind_by_its_values():
    assert commit(LOGITS).kind == "logits"
    assert commit(PROBABILITIES).kind == "probabilities"
    assert commit(PROBABILITIES.astype(np.float16)).kind == "probabilities"
    assert commit(np.log(PROBABILITIES)).kind == "log_probabilities"
    assert commit(LOGITS - 100).kind == "logits", "all negative, but their exponentials do not sum to 1"
    assert commit(np.eye(5)[:, None]).kind == "probabilities"


def test_sums_of_softmax_become_means():
    total = PROBABILITIES.sum(1, keepdims=True)
    found = commit(total, usual="probabilities")
    assert (found.kind, found.summed) == ("probabilities", 3)
    assert np.allclose(found.scores, PROBABILITIES.mean(1, keepdims=True), atol=1e-7)
    assert "sums of the softmax of 3 views" in found.note


def test_rows_of_unlike_numbers_of_views():
    total = np.concatenate([PROBABILITIES[:25].sum(1, keepdims=True), PROBABILITIES[25:, :2].sum(1, keepdims=True)])
    found = commit(total)
    assert "2 to 3 views" in found.note
    assert np.allclose(found.scores.sum(-1), 1, atol=1e-6)


def test_the_source_is_contradicted_aloud():
    found = commit(LOGITS, usual="probabilities")
    assert found.kind == "logits"
    assert "usually writes probabilities" in found.note


def test_what_is_neither_has_to_be_told():
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    with pytest.raises(DumpError, match="neither logits nor probabilities") as caught:
        commit(sigmoid)
    assert "--kind" in str(caught.value)
    assert commit(sigmoid, told="logits").kind == "logits"
    assert commit(np.abs(LOGITS), usual="logits").kind == "logits"


@pytest.mark.parametrize(
    ("told", "scores"), [("probabilities", LOGITS), ("softmax_sums", LOGITS), ("log_probabilities", LOGITS)]
)
def test_what_is_told_may_not_contradict_the_values(told, scores):
    with pytest.raises(DumpError, match=f"are said to be {told}, but"):
        commit(scores, told=told)


def test_rows_without_scores_do_not_decide():
    holes = PROBABILITIES.copy()
    holes[3] = np.nan
    assert commit(holes).kind == "probabilities"
    total = holes.sum(1, keepdims=True)
    assert np.isnan(commit(total).scores[3]).all()
    with pytest.raises(DumpError, match="no row of the action scores is whole"):
        commit(np.full((2, 1, 3), np.nan))


def test_told_on_the_command_line(gsmbench, workspace):
    scores = 1 / (1 + np.exp(-LOGITS[:, 0]))
    np.savez("x.npz", ids=np.arange(50), scores=scores)
    assert gsmbench("import", "x.npz").status == 1
    assert gsmbench("import", "x.npz", "--kind", "logits").status == 0
    assert read("scores/imported/x.h5").kinds == {"action": "logits"}
