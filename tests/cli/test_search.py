import json

import numpy as np
import pytest

from gsm_bench.manifest import load_manifest
from tests.conftest import reference_module


@pytest.fixture
def scored(toy_labels, save_scores):
    """Scores of both toy models, two clips each."""
    noisy = reference_module("scores").noisy_logits
    for seed, (name, macs) in enumerate((("toy_4f", 1_000_000_000), ("toy_bninc", 2_000_000_000))):
        scores = np.stack([noisy(toy_labels, 5, seed * 2 + view, signal=1.0) for view in range(2)], axis=1)
        save_scores(name, scores, provenance={"params": 10, "macs_paper_per_view": macs})


def document(ran):
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


def test_rows_equal_the_ensemble_command(gsmbench, scored):
    rows = document(gsmbench("search", "toy_*", "--format", "json"))["rows"]
    assert rows
    for row in rows:
        members = row["members"].replace(" + ", ",")
        fused = document(gsmbench("ensemble", "--members", members, "--format", "json"))["rows"][-1]
        assert (row["top1"], row["top5"], row["macs"]) == (fused["top1"], fused["top5"], fused["macs_paper"])
        assert row["top1_low95"] < row["top1"] < row["top1_high95"]
        assert row["optimism"] == pytest.approx(row["top1"] - row["held_out"])
    assert [row["macs"] for row in rows] == sorted(row["macs"] for row in rows)


def test_the_pool_may_be_named_in_several_ways(gsmbench, scored):
    title = "Search of 4 choices"
    for pool in (["toy_*"], ["toy_4f", "toy_bninc"], ["toy_4f@1,toy_4f@2", "--members", "toy_bninc"]):
        assert title in gsmbench("search", *pool).out
    assert "Search of 2 choices" in gsmbench("search", "toy_4f@1", "scores/toy/val/toy_bninc.h5@2").out


def test_the_best_is_saved_as_an_ensemble(gsmbench, scored, workspace):
    ran = gsmbench("search", "toy_*", "--save", "mine", "--format", "json")
    best = next(row for row in document(ran)["rows"] if row["best"])
    assert "gsmbench ensemble mine" in ran.err
    entry = load_manifest(workspace).ensemble("mine")
    assert len(entry.members) == best["members"].count("+") + 1
    assert document(gsmbench("ensemble", "mine", "--format", "json"))["rows"][-1]["top1"] == best["top1"]
    again = gsmbench("search", "toy_*", "--save", "mine")
    assert again.status == 1
    assert "--force" in again.err
    assert gsmbench("search", "toy_*", "--save", "mine", "--force").status == 0


def test_budget(gsmbench, scored):
    rows = document(gsmbench("search", "toy_*", "--budget", 2, "--format", "json"))["rows"]
    assert max(row["macs"] for row in rows) <= 2e9


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["search"], 2, "name a pool"),
        (["search", "inv3_*"], 1, "gsmbench score --model inv3_8f"),
        (["search", "nosuch_*"], 1, "no model"),
        (["search", "toy_*", "--budget", "0.1"], 1, "the cheapest costs 1.00 GFLOPs"),
        (["search", "toy_*", "--task", "verb"], 2, "these scores are of action"),
        (["search", "scores/toy/val/toy_4f.h5", "--save", "x"], 1, "an entry names models"),
    ],
)
def test_wrong_use(gsmbench, scored, arguments, status, message):
    ran = gsmbench(*arguments)
    assert ran.status == status
    assert message in ran.err


def test_videos_that_one_member_lacks_are_left_out(gsmbench, scored, save_scores):
    holes, status = np.full((60, 2, 5), np.nan), np.zeros(60, int)
    holes[4:] = 1.0
    status[:4] = 2
    save_scores("holes", holes, status=status)
    ran = gsmbench("search", "toy_4f", "scores/toy/val/holes.h5")
    assert ran.status == 3
    assert "4 videos without a label or without a score" in ran.err
    assert "over 56 videos" in ran.out


def test_without_costs_the_front_is_by_members(gsmbench, toy_labels, save_scores):
    noisy = reference_module("scores").noisy_logits
    for seed in range(3):
        save_scores(f"m{seed}", noisy(toy_labels, 5, seed, signal=1.0)[:, None], offsets=(0.5,))
    rows = document(gsmbench("search", *(f"scores/toy/val/m{seed}.h5" for seed in range(3)), "--format", "json"))[
        "rows"
    ]
    assert {row["front"] for row in rows} == {"members"}
    assert {row["macs"] for row in rows} == {None}


@pytest.mark.parametrize("method", ["greedy", "weights"])
def test_weights_are_saved_and_give_the_same_accuracy(gsmbench, scored, workspace, method):
    rows = document(gsmbench("search", "toy_*", "--method", method, "--save", "w", "--format", "json"))["rows"]
    members = [row for row in rows if row.get("weight")]
    assert sum(row["weight"] for row in members) == pytest.approx(1)
    assert {row["what"] for row in members} <= {"toy_4f@2", "toy_bninc@2"}
    entry = load_manifest(workspace).ensemble("w")
    assert [member.weight for member in entry.members] == pytest.approx(
        [row["weight"] for row in sorted(members, key=lambda row: row["what"])]
    )
    fused = document(gsmbench("ensemble", "w", "--format", "json"))["rows"][-1]
    assert fused["top1"] == rows[-1]["top1"]
    assert gsmbench("search", "toy_*", "--method", method, "--budget", 1).status == 2


def test_temperatures_are_saved_and_applied(gsmbench, scored, workspace):
    ran = gsmbench("search", "toy_*", "--temperatures", "--space", "probabilities", "--save", "t", "--format", "json")
    best = next(row for row in document(ran)["rows"] if row["best"])
    assert "scores of toy_4f divided by" in ran.err
    assert all(member.temperature != 1 for member in load_manifest(workspace).ensemble("t").members)
    assert document(gsmbench("ensemble", "t", "--format", "json"))["rows"][-1]["top1"] == best["top1"]
    assert "scores divided by" in gsmbench("ensemble", "t", "--explain").out
