import json

import numpy as np
import pytest

from gsm_bench.evaluation.significance import best_row, holm_p_values_vs_best, not_significant
from gsm_bench.metrics.intervals import wilson
from gsm_bench.metrics.paired import mcnemar


def right(count, clips=200):
    return (np.arange(clips) < count).astype(np.int8)


def test_every_row_is_tested_against_the_best_and_corrected():
    rows = [right(150), right(180), right(178), right(160)]
    assert best_row(rows) == 1
    chances = holm_p_values_vs_best(rows, None)
    assert chances[1] is None
    assert chances[2] == pytest.approx(mcnemar(2, 0))
    assert chances[3] == pytest.approx(2 * mcnemar(20, 0))
    assert chances[0] == pytest.approx(3 * mcnemar(30, 0))
    assert [not_significant(chance) for chance in chances] == [False, False, True, False]


def test_correction_makes_a_row_tied_that_alone_would_not_be():
    six = right(194)  # six lost, none gained: p = 0.031 alone
    assert mcnemar(6, 0) < 0.05
    assert not_significant(holm_p_values_vs_best([right(200), six, six], None)[1])


def test_rows_that_cannot_be_compared():
    assert best_row([]) is None
    assert holm_p_values_vs_best([None, right(3), np.full(200, -1, np.int8)], None) == [None, None, None]


@pytest.fixture
def three(toy_labels, save_scores):
    """Files with 60, 57 and 20 of 60 right; the second in another order of clips, the third over others."""
    for name, wrong in (("all", 0), ("most", 3), ("some", 40)):
        answers = toy_labels.copy()
        answers[:wrong] = (answers[:wrong] + 1) % 5
        order = np.arange(60)[::-1] if name == "most" else np.arange(60)
        scores = np.repeat(np.eye(5)[answers][:, None], 2, axis=1)[order]
        save_scores(name, scores, ids=[f"v{row}" for row in order])


def test_tables_show_intervals_and_what_cannot_be_told_apart(gsmbench, three):
    files = [f"scores/toy/val/{name}.h5@1" for name in ("all", "most", "some")]
    ran = gsmbench("ensemble", "--members", ",".join(files), "--format", "json")
    all_right, most, some, _ = json.loads(ran.out)["rows"]
    assert 2 * mcnemar(3, 0) <= most["top1_p"] <= 1
    assert (most["top1_tied"], some["top1_tied"], all_right["top1_tied"]) == (True, False, False)
    interval = wilson(57, 60)
    assert (most["top1_low95"], most["top1_high95"]) == pytest.approx((interval.low, interval.high))
    drawn = gsmbench("evaluate", *(file.removesuffix("@1") for file in files)).out
    assert f"≈ 95.00 [{100 * interval.low:.1f}, {100 * interval.high:.1f}]" in drawn
    assert "±: half of the 95% interval (Wilson's, over videos); brackets where it is not symmetric." in drawn
    assert "≈: no significant difference from the best row" in drawn
    assert max(map(len, drawn.splitlines())) <= 110


def test_results_over_other_clips_are_not_compared(gsmbench, three, workspace, save_scores):
    (workspace.data / "toy" / "bare.txt").write_text("\n".join(f"w{row} 9 {row % 5}" for row in range(60)))
    scores = np.repeat(np.eye(5)[np.arange(60) % 5][:, None], 2, axis=1)
    path = save_scores("other", scores, ids=[f"w{row}" for row in range(60)], provenance={"split": "bare"})
    rows = json.loads(gsmbench("evaluate", "scores/toy/val/some.h5", path, "--format", "json").out)["rows"]
    assert sorted(row["top1"] for row in rows) == [pytest.approx(1 / 3)] * 2 + [1.0] * 2
    # each pair of rows is one file's one and two clips: equal answers, tested only against each other
    assert [row["top1_p"] for row in rows] == [None, 1.0, None, 1.0]


def test_few_groups_are_marked(gsmbench, three, workspace):
    toy = (workspace.manifests / "toy.toml").read_text()
    (workspace.manifests / "toy.toml").write_text(
        toy.replace('val = { lists = ["val.txt"] }', 'val = { lists = ["val.txt"], groups = "groups.csv:video" }')
    )
    rows = "".join(f"v{row},{row // 6}\n" for row in range(60))
    (workspace.data / "toy" / "groups.csv").write_text("id,video\n" + rows)
    ran = gsmbench("evaluate", "scores/toy/val/some.h5")
    assert "bootstrap over 10 groups of videos" in ran.out
    assert "Only 10 groups of videos: intervals from fewer than 20 groups are unreliable." in ran.out
    compared = gsmbench("compare", "scores/toy/val/some.h5", "scores/toy/val/most.h5").out
    assert "Only 10 groups of videos: intervals" in compared
