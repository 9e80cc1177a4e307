import json

import numpy as np
import pytest

from gsm_bench.metrics.paired import mcnemar
from tests.conftest import reference_module

NAMES = ("ape", "bee", "cat", "dog", "elk")


def one_hot(answers):
    """Logits [60, 2, 5] whose best class is the given one in both clips."""
    return np.repeat(np.eye(5, dtype=np.float32)[answers][:, None], 2, axis=1)


@pytest.fixture
def pair(toy_labels, save_scores):
    """a is right but for 10 clips; b is wrong on these and 8 more, each time by answering the next class."""
    answers = {"a": toy_labels.copy(), "b": toy_labels.copy()}
    answers["a"][:10] = (toy_labels[:10] + 1) % 5
    answers["b"][4:18] = (toy_labels[4:18] + 1) % 5
    signatures = {"a": 'network=x; input={"size":224}; batch=2', "b": 'network=x; input={"size":256}; batch=2'}
    for name, classes in answers.items():
        save_scores(name, one_hot(classes), names=NAMES, provenance={"signature": signatures[name]})
    return answers


def documents(ran):
    found = json.loads(ran.out)
    return found["rows"], found["tables"]


A, B = "scores/toy/val/a.h5", "scores/toy/val/b.h5"


def test_hand_made(gsmbench, pair):
    ran = gsmbench("compare", A, B, "--format", "json")
    assert ran.status == 0
    (top1, top5), tables = documents(ran)
    assert (top1["gained"], top1["lost"]) == (8, 4)
    assert top1["first"] - top1["second"] == pytest.approx(top1["difference"]) == pytest.approx(4 / 60)
    assert top1["difference_low"] < 4 / 60 < top1["difference_high"]
    assert top1["p"] == pytest.approx(mcnemar(8, 4))
    assert top5["difference"] == 0
    assert sum(row["videos"] for row in tables["classes"]["rows"]) == 12


def test_classes_are_true_and_what_the_other_said(gsmbench, pair, toy_labels):
    _, tables = documents(gsmbench("compare", A, B, "--format", "json"))
    for row in tables["classes"]["rows"]:
        assert NAMES.index(row["predicted"]) == (NAMES.index(row["true"]) + 1) % 5
        rows = slice(10, 18) if row["right_in"] == "a" else slice(0, 4)
        assert row["videos"] == (toy_labels[rows] == NAMES.index(row["true"])).sum()


def test_clips_are_listed(gsmbench, pair):
    _, tables = documents(gsmbench("compare", A, B, "--videos", "--format", "json"))
    listed = {(row["id"], row["right_in"]) for row in tables["videos"]["rows"]}
    assert listed == {(f"v{row}", "a") for row in range(10, 18)} | {(f"v{row}", "b") for row in range(4)}


def test_two_that_answer_alike_have_no_table_of_flips(gsmbench, pair, save_scores):
    ran = gsmbench("compare", A, A)
    assert ran.status == 0
    assert "predictions differ on 0" in ran.out
    assert "Videos that flip" not in ran.out
    assert documents(gsmbench("compare", A, A, "--format", "json"))[1]["classes"]["rows"] == []


def test_why_names_the_setting_and_what_it_flips(gsmbench, pair):
    ran = gsmbench("compare", A, B, "--why", "--format", "json")
    _, tables = documents(ran)
    changes = [(row["setting"], row["first"], row["second"]) for row in tables["why"]["rows"]]
    assert changes == [("input.size", "224", "256")]
    assert tables["why"]["notes"] == [
        "Together they change 12 of 60 predictions: 8 are right only in a, 4 only in b, 0 wrong in both."
    ]
    same = documents(gsmbench("compare", A, A, "--why", "--format", "json"))[1]["why"]
    assert same["rows"] == []
    assert "No setting that could change a number" in same["notes"][0]


def test_why_of_ensembles_names_members_weights_and_clips(gsmbench, pair):
    _, tables = documents(gsmbench("compare", f"{A},{B}", f"{A}", "--why", "--format", "json"))
    assert ("member", "b", "-") in [(row["setting"], row["first"], row["second"]) for row in tables["why"]["rows"]]
    assert ("a: weight", "0.5", "1") in [(row["setting"], row["first"], row["second"]) for row in tables["why"]["rows"]]
    _, tables = documents(gsmbench("compare", f"{A}@2", A, "--why", "--format", "json"))
    assert [row["setting"] for row in tables["why"]["rows"]] == ["clip offsets in ticks"]


def test_equals_what_the_ensemble_command_prints(gsmbench, toy_labels, save_scores):
    noisy = reference_module("scores").noisy_logits
    for seed, name in enumerate("abc"):
        save_scores(name, np.stack([noisy(toy_labels, 5, 2 * seed + view) for view in range(2)], axis=1))
    (top1, top5), _ = documents(gsmbench("compare", f"{A}@2,scores/toy/val/c.h5", B, "--format", "json"))
    fused = json.loads(gsmbench("ensemble", "--members", f"{A}@2,scores/toy/val/c.h5", "--format", "json").out)["rows"][
        -1
    ]
    single = json.loads(gsmbench("evaluate", B, "--format", "json").out)["rows"][0]
    assert (top1["first"], top5["first"]) == (fused["top1"], fused["top5"])
    assert (top1["second"], top5["second"]) == (single["top1"], single["top5"])


def test_unscored_clips_count_for_neither(gsmbench, pair, save_scores):
    holes, status = one_hot(pair["b"]), np.zeros(60, int)
    holes[:4], status[:4] = np.nan, 2
    save_scores("holes", holes, status=status)
    ran = gsmbench("compare", A, "scores/toy/val/holes.h5", "--format", "json")
    assert ran.status == 3
    assert documents(ran)[0][0]["videos"] == 56
    assert documents(ran)[0][0]["lost"] == 0


def test_without_labels_only_answers_are_compared(gsmbench, pair, workspace):
    (workspace.data / "toy" / "val.txt").write_text("\n".join(f"v{row} 9" for row in range(60)))
    ran = gsmbench("compare", A, B)
    assert ran.status == 0
    assert "predictions differ on 12 of the 60 videos" in ran.out
    assert "No labels" in ran.out


def test_wrong_use(gsmbench, pair, save_scores):
    assert "no model 'nosuch'" in gsmbench("compare", A, "nosuch").err
    save_scores("other", one_hot(pair["a"])[:50])
    ran = gsmbench("compare", A, "scores/toy/val/other.h5")
    assert ran.status == 1
    assert "scores of different videos" in ran.err


def test_rows_without_ids_are_said_to_be_unverified(gsmbench, workspace, toy_labels):
    from dataclasses import replace

    from gsm_bench.scorefile import write
    from tests.conftest import clip_scores

    for seed, name in enumerate("ab"):
        scores = reference_module("scores").noisy_logits(toy_labels, 5, seed)[:, None]
        content = clip_scores(scores, ids=[f"row-{row:05d}" for row in range(60)], offsets=(0.5,))
        labels = {"action": toy_labels.astype(np.int32)}
        write(workspace.root / f"{name}.h5", replace(content, order="unverified", labels=labels))
    for command in (
        ["compare", "a.h5", "b.h5"],
        ["search", "a.h5", "b.h5"],
        ["search", "a.h5", "b.h5", "--method", "weights"],
        ["cascade", "a.h5,b.h5"],
        ["calibrate", "a.h5"],
    ):
        ran = gsmbench(*command)
        assert ran.status == 0, ran.err
        assert "Order unverified: rows were matched by position" in ran.out
    assert "points at" in gsmbench("cascade", "a.h5,b.h5").out
    assert "nan" not in gsmbench("cascade", "a.h5,b.h5").out


def test_a_name_that_is_no_model_leads_to_its_score_file(gsmbench, workspace):
    path = workspace.scores / "imported" / "mine.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert "by its path: scores/imported/mine.h5" in gsmbench("compare", "mine", "mine").err
    assert "did you mean toy_4f" in gsmbench("compare", "toy_4", "mine").err
