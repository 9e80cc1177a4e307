"""Quantised scores: what they keep, and what a page makes of them."""

import numpy as np
import pytest

from gsm_bench import Bench
from gsm_bench.api.report_playground import FusedResult, reported_playground
from gsm_bench.report.playground import DEEPEST, LEVELS, distances, quantised


def scores(videos=400, classes=20, seed=0):
    return np.random.default_rng(seed).normal(0, 3, (videos, classes))


@pytest.mark.parametrize("levels", LEVELS)
def test_codes_are_nearest_at_the_top_and_never_far(levels):
    values = scores()
    codes = quantised(values, levels)
    distance = values.max(axis=1, keepdims=True) - values
    error = np.abs(distances(levels)[codes] - np.minimum(distance, DEEPEST))
    step = 2 * np.sqrt(DEEPEST * np.minimum(distance, DEEPEST)) / (levels - 1) + DEEPEST / (levels - 1) ** 2
    assert (error <= 0.6 * step).all()
    assert (codes[np.arange(len(codes)), values.argmax(axis=1)] == 0).all()
    assert codes.dtype == np.uint8
    assert codes.max() == levels - 1 or distance.max() < DEEPEST


def fused_hits(playground, labels, members, space):
    """Top-1 and top-5 as a page counts them, in plain numpy; members are (number, weight, temperature)."""
    depth = distances(playground.levels)
    total = 0
    used = []
    for number, weight, temperature in members:
        layers = playground.members[number].layers
        used += layers
        for layer in layers:
            term = -depth[playground.codes[layer]] / temperature
            if space == "probabilities":
                term = np.exp(term) / np.exp(term).sum(axis=1, keepdims=True)
            total = total + weight / len(layers) * term
    rows = np.flatnonzero(playground.scored[used].all(axis=0) & (labels >= 0))
    own = total[rows, labels[rows]][:, None]
    before = np.arange(total.shape[1]) < labels[rows][:, None]
    ranks = ((total[rows] > own) | ((total[rows] == own) & before)).sum(axis=1)
    return int((ranks < 1).sum()), int((ranks < 5).sum()), len(rows)


def results_of(workspace, *names):
    bench = Bench(workspace.root)
    results = []
    for name in names:
        evaluation = bench.table(None, rows=[name]).evaluations[0]
        results.append(FusedResult(name, bench.source(name), evaluation))
    return results


@pytest.fixture
def stored(workspace, toy_labels, save_scores):
    rng = np.random.default_rng(3)
    base = 2 * np.eye(5)[toy_labels][:, None] + rng.normal(0, 1, (60, 2, 5))
    for name in ("a", "b"):
        save_scores(name, base + rng.normal(0, 1, (60, 2, 5)), status=[2] * 2 + [0] * 58 if name == "b" else None)
    soft = np.exp(base) / np.exp(base).sum(axis=2, keepdims=True)
    save_scores("p", soft, kind="probabilities")
    return workspace


def playground_of(workspace, *names):
    results = results_of(workspace, *names)
    evaluation = results[0].evaluation
    return reported_playground(results, evaluation.ids, "action"), results, evaluation.truth.labels["action"]


def test_every_member_and_ensemble_is_near_the_library(stored):
    names = ["A", "A@2", "B@2", "A@2,B@2", "A,B@2"]
    names = [name.replace("A", "scores/toy/val/a.h5").replace("B", "scores/toy/val/b.h5") for name in names]
    playground, results, labels = playground_of(stored, *names)
    assert [member.name for member in playground.members] == [*names[:3]]
    assert [member.layers for member in playground.members] == [(0,), (1, 0), (2, 3)]
    for number, (member, result) in enumerate(zip(playground.members, results, strict=False)):
        accuracy = result.evaluation.accuracy["action"]
        first, five, scored = fused_hits(playground, labels, [(number, 1, 1)], "logits")
        assert (member.hits[1], member.scored) == (accuracy.hits[1], accuracy.scored)
        assert (abs(first - member.hits[1]) <= 1, abs(five - member.hits[5]) <= 1, scored) == (
            True,
            True,
            member.scored,
        )
    for saved in playground.saved:
        first, five, scored = fused_hits(playground, labels, saved.members, saved.space)
        assert abs(first - saved.hits[1]) <= 1
        assert abs(five - saved.hits[5]) <= 1
        assert scored == saved.scored


def test_probabilities_go_through_their_logarithms(stored):
    playground, results, labels = playground_of(stored, "scores/toy/val/p.h5", "scores/toy/val/p.h5@2")
    assert playground.kinds == ("probabilities",)
    for number, result in enumerate(results):
        exact = result.evaluation.accuracy["action"]
        first, _, scored = fused_hits(playground, labels, [(number, 1, 1)], "probabilities")
        assert abs(first - exact.hits[1]) <= 1
        assert scored == exact.scored


def test_scores_that_take_too_much_room_are_left_out(stored):
    names = ["scores/toy/val/a.h5", "scores/toy/val/b.h5"]
    results = results_of(stored, *names)
    ids = results[0].evaluation.ids
    whole = reported_playground(results, ids, "action")
    assert whole.levels == 256
    coarse = reported_playground(results, ids, "action", most=whole.size - 1)
    assert 0 < coarse.levels < 256
    assert coarse.size < whole.size
    none = reported_playground(results, ids, "action", most=10)
    assert (none.levels, none.codes, len(none.members)) == (0, (), 2)
    assert none.size > 10


def test_one_member_is_no_playground(stored):
    results = results_of(stored, "scores/toy/val/a.h5")
    assert reported_playground(results, results[0].evaluation.ids, "action") is None
    assert reported_playground(results, results[0].evaluation.ids, "verb") is None
