"""Ranks of actions that follow from verbs and nouns, against a sort of all pairs."""

import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.evaluation.actions import ActionRule, Prior, derived_action_accuracy, pair_codes, predict_actions
from gsm_bench.metrics.topk import BEYOND
from gsm_bench.scorefile import NOT_SCORED, ClipScores, views_array, write

CLASSES = {"verb": 6, "noun": 9}
ROWS = 700


@pytest.fixture
def fused(tmp_path):
    """Two open members whose scores collide often, the first with three rows without a score; and labels."""
    rng = np.random.default_rng(3)
    labels = {task: rng.integers(0, classes, ROWS) for task, classes in CLASSES.items()}
    labels["verb"][[5, 600]], labels["noun"][[6, 600]] = -1, -1
    specs = []
    for name in "ab":
        scores = {task: rng.integers(-9, 9, (ROWS, 2, classes)) / 4 for task, classes in CLASSES.items()}
        scores |= {"action": rng.integers(-9, 9, (ROWS, 2, 12)) / 4}
        status = np.zeros(ROWS, np.uint8)
        if name == "a":
            status[[0, 300, 699]] = NOT_SCORED
        for values in scores.values():
            values[status == NOT_SCORED] = np.nan
        names = {"action": tuple(f"{verb},{noun}" for verb, noun in PAIRS)}
        content = ClipScores(
            ids=tuple(map(str, range(ROWS))), kinds=dict.fromkeys(scores, "logits"),
            classes_per_task={task: values.shape[2] for task, values in scores.items()},
            views=views_array((0.0, 0.5), 1), status=status, provenance={}, class_names=names,
            scores={task: values.astype(np.float32) for task, values in scores.items()},
        )  # fmt: skip
        write(tmp_path / f"{name}.h5", content)
        specs.append(MemberSpec(name, tmp_path / f"{name}.h5", 2, 1.0))
    with open_members(specs) as members:
        yield members, labels


PAIRS = np.stack(np.divmod(np.arange(0, 54, 4)[:12], 9), axis=1)
RULES = {
    "verb-noun": ActionRule("verb-noun"),
    "head": ActionRule("head", PAIRS),
    "prior": ActionRule("prior", prior=Prior(PAIRS, np.arange(1, 13))),
}


def scores_of_pairs(members, source):
    """Scores [N, 54] of all pairs, -inf for those that are not ranked, by plain means."""
    means = {
        task: sum(member.file.block(task, 0, ROWS).astype(np.float64).mean(axis=1) for member in members) / 2
        for task in ("verb", "noun", "action")
    }
    products = (means["verb"][:, :, None] + means["noun"][:, None, :]).reshape(ROWS, -1)
    if source == "verb-noun":
        return products
    codes = PAIRS[:, 0] * 9 + PAIRS[:, 1]
    scores = np.full_like(products, -np.inf)
    scores[:, codes] = means["action"] if source == "head" else products[:, codes] + np.log(np.arange(1, 13))
    return scores


@pytest.mark.parametrize("source", RULES)
def test_ranks_equal_a_sort_of_all_pairs(fused, source):
    members, labels = fused
    scores = scores_of_pairs(members, source)
    order = np.argsort(-np.round(scores, 9), axis=1, kind="stable")  # equal but for rounding: the lower pair first
    codes = pair_codes(labels, 9)
    predictions = predict_actions(members, RULES[source], labels, None)
    ranked = np.isfinite(scores[1])
    unscored = np.isin(np.arange(ROWS), [0, 300, 699])
    for row in range(ROWS):
        if unscored[row]:
            assert (predictions.best[row], predictions.ranks[row]) == (-1, -1)
        else:
            assert predictions.best[row] == order[row, 0]
            rank = int(np.flatnonzero(order[row] == codes[row])[0]) if codes[row] >= 0 else -1
            assert predictions.ranks[row] == (BEYOND if codes[row] >= 0 and not ranked[codes[row]] else rank)


@pytest.mark.parametrize("source", RULES)
def test_accuracy_for_every_k_and_over_pairs(fused, source):
    members, labels = fused
    predictions = predict_actions(members, RULES[source], labels, None)
    accuracy = derived_action_accuracy(members, RULES[source], labels, None)
    counted = predictions.ranks >= 0
    assert (accuracy.scored, accuracy.total) == (counted.sum(), ROWS - 3)
    for k in (1, 2, 3, 5, 20, 54):
        assert (accuracy.correct_at(k)[counted] == (predictions.ranks[counted] < k)).all()
        assert (accuracy.correct_at(k)[~counted] == -1).all()
    assert accuracy.hits == {k: (predictions.ranks[counted] < k).sum() for k in (1, 5)}
    codes = pair_codes(labels, 9)
    ranked = counted & (predictions.ranks < BEYOND)
    shares = [(predictions.ranks[ranked & (codes == code)] == 0).mean() for code in np.unique(codes[ranked])]
    assert accuracy.mean_class == pytest.approx(np.mean(shares))
