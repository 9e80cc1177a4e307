"""Wrong labels are candidates, and sound ones are none."""

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.errors import GsmBenchError

CLASSES, VIDEOS = 10, 600


def members(labels, strengths=(3.5, 3.5, 3.5), seed=0):
    """Logits [N, C] of several networks that know labels int [N] more or less well."""
    rng = np.random.default_rng(seed)
    scores = [rng.standard_normal((len(labels), CLASSES)) for _ in strengths]
    for values, strength in zip(scores, strengths, strict=True):
        values[np.arange(len(labels)), labels] += strength
    return scores


def files(scores, labels):
    ids = [f"v{row}" for row in range(len(labels))]
    return [gb.from_arrays(ids, values, labels, kind="logits") for values in scores]


def planted(seed):
    """True labels, listed labels, and which of these are wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, VIDEOS)
    wrong = rng.random(VIDEOS) < 0.05
    return labels, np.where(wrong, (labels + rng.integers(1, CLASSES, VIDEOS)) % CLASSES, labels), wrong


@pytest.mark.parametrize("seed", range(3))
def test_planted_errors_come_first(workspace, seed):
    labels, listed, wrong = planted(seed)
    result = gb.Bench().label_errors(*files(members(labels, seed=seed), listed))
    rows = [int(one.id[1:]) for one in result.errors.candidates]
    assert wrong[rows].mean() > 0.8
    assert wrong[rows].sum() > 0.5 * wrong.sum()
    assert wrong[rows[:10]].all()
    assert all(one.agreed == labels[int(one.id[1:])] for one in result.errors.candidates[:10])


def test_a_weak_member_has_no_vote(workspace):
    labels, listed, _ = planted(0)
    strong = gb.Bench().label_errors(*files(members(labels, (3.5, 3.5)), listed))
    result = gb.Bench().label_errors(*files(members(labels, (3.5, 3.5, 0.0)), listed))
    assert [one.id for one in result.errors.candidates] == [one.id for one in strong.errors.candidates]
    assert len(result.errors.weak) == 1


def test_names_of_members_may_be_equal_but_files_may_not(workspace, save_scores, toy_labels, gsmbench):
    path = save_scores("a", np.eye(5)[toy_labels][:, None], offsets=(0.5,))
    ran = gsmbench("evaluate", "--label-errors", path, path)
    assert ran.status == 1 and "named twice" in ran.err


def test_one_strong_member_is_no_agreement(workspace):
    labels, listed, _ = planted(1)
    with pytest.raises(GsmBenchError, match="one strong member is no agreement"):
        gb.Bench().label_errors(*files(members(labels, (4.0,)), listed))
    with pytest.raises(GsmBenchError, match="one strong member is no agreement"):
        gb.Bench().label_errors(*files(members(labels, (4.0, 0.0)), listed))


def test_videos_without_labels_or_scores_are_left_out(workspace):
    labels, listed, _ = planted(2)
    listed[:50] = -1
    result = gb.Bench().label_errors(*files(members(labels), listed))
    assert result.errors.videos == VIDEOS - 50


def test_the_command_lists_candidates(gsmbench, save_scores, toy_labels):
    rng = np.random.default_rng(0)
    wrong = toy_labels.copy()
    wrong[7] = (wrong[7] + 1) % 5
    paths = [
        save_scores(name, (6 * np.eye(5)[wrong] + rng.random((60, 5)))[:, None], offsets=(0.5,)) for name in ("a", "b")
    ]
    ran = gsmbench("evaluate", "--label-errors", *paths)
    assert ran.status == 0
    assert "Labels to look at: 1 of 60 videos" in ran.out and "v7" in ran.out
