"""Logits, probabilities, their sums and their logarithms are distinguished by their values."""

import numpy as np
import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.kinds import infer_kind
from gsm_bench.scorefile import read
from tests.importers.dumps import softmax

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((50, 3, 20)).astype(np.float32) * 3
PROBABILITIES = softmax(LOGITS)


def inferred(scores, declared=None, usual=None, *, sums=False):
    return infer_kind(np.asarray(scores, np.float32), "action", declared, usual, "x.pkl", sums=sums)


def test_each_kind_by_its_values():
    assert inferred(LOGITS).kind == "logits"
    assert inferred(PROBABILITIES).kind == "probabilities"
    assert inferred(PROBABILITIES.astype(np.float16)).kind == "probabilities"
    assert inferred(np.log(PROBABILITIES)).kind == "log_probabilities"
    assert inferred(LOGITS - 100).kind == "logits", "all negative, but their exponentials do not sum to 1"
    assert inferred(np.eye(5)[:, None]).kind == "probabilities"


def test_sums_of_softmax_become_means():
    total = PROBABILITIES.sum(1, keepdims=True)
    result = inferred(total, usual="probabilities", sums=True)
    assert (result.kind, result.summed) == ("probabilities", 3)
    assert np.allclose(result.scores, PROBABILITIES.mean(1, keepdims=True), atol=1e-7)
    assert "sums of the softmax of 3 views" in result.note


def test_rows_of_unlike_numbers_of_views():
    total = np.concatenate([PROBABILITIES[:25].sum(1, keepdims=True), PROBABILITIES[25:, :2].sum(1, keepdims=True)])
    with pytest.raises(DumpError, match="unlike numbers of views"):
        inferred(total, sums=True)
    result = inferred(total, "softmax_sums")
    assert (result.summed, "2 to 3 views" in result.note) == (3, True)
    assert np.allclose(result.scores.sum(-1), 1, atol=1e-6)


def test_the_source_is_contradicted_aloud():
    result = inferred(LOGITS, usual="probabilities")
    assert result.kind == "logits"
    assert "usually holds probabilities" in result.note


def test_what_is_neither_has_to_be_told():
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    with pytest.raises(DumpError, match="neither logits nor probabilities") as caught:
        inferred(sigmoid)
    assert "--kind" in str(caught.value)
    assert inferred(sigmoid, declared="logits").kind == "logits"
    assert inferred(np.abs(LOGITS)).kind == "logits"
    with pytest.raises(DumpError, match="no class stands out"):
        inferred(LOGITS / 1e4 + 1000)


def test_scaled_probabilities_are_no_views():
    for scale in (100, 255, 1000):
        result = inferred(PROBABILITIES * scale)
        assert (result.kind, result.summed) == ("probabilities", 1)
        assert np.allclose(result.scores, PROBABILITIES, atol=1e-6)
    result = inferred(PROBABILITIES * 30, "softmax_sums")
    assert (result.kind, result.summed) == ("probabilities", 30)


@pytest.mark.parametrize(
    ("declared", "scores"), [("probabilities", LOGITS), ("softmax_sums", LOGITS), ("log_probabilities", LOGITS)]
)
def test_what_is_declared_may_not_contradict_the_values(declared, scores):
    with pytest.raises(DumpError, match=f"are declared to be {declared}, but"):
        inferred(scores, declared=declared)


def test_rows_without_scores_do_not_decide():
    holes = PROBABILITIES.copy()
    holes[3] = np.nan
    assert inferred(holes).kind == "probabilities"
    total = holes.sum(1, keepdims=True)
    assert np.isnan(inferred(total, sums=True).scores[3]).all()
    with pytest.raises(DumpError, match="every row of the action scores holds NaN"):
        inferred(np.full((2, 1, 3), np.nan))


def test_told_on_the_command_line(gsmbench, workspace):
    scores = 1 / (1 + np.exp(-LOGITS[:, 0]))
    np.savez("x.npz", ids=np.arange(50), scores=scores)
    assert gsmbench("import", "x.npz").status == 1
    assert gsmbench("import", "x.npz", "--kind", "logits").status == 0
    assert read("scores/imported/x.h5").kinds == {"action": "logits"}
