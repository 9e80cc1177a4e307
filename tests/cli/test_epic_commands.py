"""Verbs, nouns and actions through the command line."""

import json

import numpy as np
import pytest

from gsm_bench.scorefile import read
from tests.submit.conftest import epic, save_epic  # noqa: F401


def rows(ran):
    assert ran.status == 0, ran.err
    return json.loads(ran.out)["rows"]


def test_evaluate_three_tasks(epic, save_epic, gsmbench):  # noqa: F811
    path = save_epic("epic-100", "validation", "mine")
    (row,) = [row for row in rows(gsmbench("evaluate", path, "--format", "json")) if row["frames"] == "?x2"]
    scores = {task: values.mean(1) for task, values in read(path).scores.items()}
    verbs, nouns = [0, 1, 4], [2, 2, 5]
    assert row["verb_top1"] == pytest.approx(np.mean(scores["verb"].argmax(1) == verbs))
    assert row["noun_top1"] == pytest.approx(np.mean(scores["noun"].argmax(1) == nouns))
    both = (scores["verb"].argmax(1) == verbs) & (scores["noun"].argmax(1) == nouns)
    assert row["action_top1"] == pytest.approx(both.mean())


def test_parts_of_epic_100(epic, save_epic, gsmbench):  # noqa: F811
    path = save_epic("epic-100", "validation", "mine", offsets=(0.5,))
    found = {row["metric"]: row for row in rows(gsmbench("evaluate", path, "--parts", "--format", "json"))}
    assert set(found) == {"Top-1", "Top-5", "Top-1, tail classes", "Top-1, unseen participants"}
    assert found["Top-1, tail classes"]["over"] == "1"
    assert found["Top-1, unseen participants"]["over"] == "1"


def test_a_model_with_and_one_without_action_head_fuse(epic, save_epic, gsmbench):  # noqa: F811
    one = save_epic("epic-55", "train", "one", head=True)
    other = save_epic("epic-55", "train", "other", seed=2)
    ran = gsmbench("ensemble", "--members", f"{one},{other}", "--format", "json")
    table = rows(ran)
    assert "actions from verb x noun (other has no action head)" in ran.err
    assert {"verb_top1", "noun_top1", "action_top1"} <= set(table[-1])
    ran = gsmbench("ensemble", "--members", f"{one},{other}", "--actions", "head")
    assert ran.status == 1
    assert "other has no action scores" in ran.err
    assert gsmbench("ensemble", "--members", f"{one},{one}", "--actions", "head").status == 0


def test_an_action_that_training_never_saw_is_wrong_not_unknown(epic, save_epic, gsmbench):  # noqa: F811
    """Of the three validation actions (0,2), (1,2) and (4,5) the second has no column; a perfect head has 2 of 3."""
    folder = epic.data / "epic-100"
    header = (folder / "EPIC_100_validation.csv").read_text().splitlines()[0]
    pairs = [
        f"P01_01_{at},P01,P01_01,0,0,0,1,9,x,v,{verb},n,{noun},[],[]"
        for at, (verb, noun) in enumerate([(4, 5), (0, 2)])
    ]
    (folder / "EPIC_100_train.csv").write_text("\n".join([header, *pairs]) + "\n")

    def perfect(content):
        content.scores["action"][:] = np.array([[1.0, 0], [1, 0], [0, 1]])[:, None]
        return content

    path = save_epic("epic-100", "validation", "mine", head=True, offsets=(0.5,), change=perfect)
    (row,) = rows(gsmbench("evaluate", path, "--format", "json"))
    assert row["total"] == row["scored"] == 3
    assert row["action_top1"] == pytest.approx(2 / 3)
    (parts,) = [r for r in rows(gsmbench("evaluate", path, "--parts", "--format", "json")) if r["metric"] == "Top-1"]
    assert parts["action"] == pytest.approx(2 / 3)


def test_prior_needs_the_training_csv(epic, save_epic, gsmbench):  # noqa: F811
    path = save_epic("epic-55", "train", "mine")
    assert gsmbench("evaluate", path, "--actions", "prior").status == 0
    path = save_epic("epic-100", "validation", "mine")
    ran = gsmbench("evaluate", path, "--actions", "prior")
    assert ran.status == 1
    assert "training csv" in ran.err


def test_actions_of_other_data_sets_cannot_be_chosen(workspace, toy_labels, save_scores, gsmbench):
    path = save_scores("a", np.zeros((60, 2, 5)))
    ran = gsmbench("evaluate", path, "--actions", "head")
    assert ran.status == 1
    assert "only for scores of verbs and nouns" in ran.err


def test_a_leak_stops_an_ensemble(epic, save_epic, gsmbench):  # noqa: F811
    path = save_epic("epic-100", "validation", "mine", entry={"trained_on": ["epic-100/train", "epic-100/validation"]})
    ran = gsmbench("ensemble", "--members", f"{path},{path}")
    assert ran.status == 1
    assert "mine was trained on epic-100/validation, which overlaps epic-100/validation: the split itself" in ran.err
    assert "--allow-leak" in ran.err
    ran = gsmbench("ensemble", "--members", f"{path},{path}", "--allow-leak", "--out", "fused.h5")
    assert ran.status == 0
    assert "leak: mine was trained on" in ran.err
    ran = gsmbench("ensemble", "--members", "fused.h5,fused.h5")
    assert ran.status == 1, "a fused file remembers what its members were trained on"


def test_definitions(workspace, gsmbench):
    ran = gsmbench("evaluate", "--definitions")
    assert ran.status == 0
    assert "a class that was never taken" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "name score files"),
        (["x.h5", "--split", "s1"], 2, "belong to --offline"),
        (["scores/epic-100/validation/mine.h5", "--offline", "epic-55"], 1, "not of epic-55"),
        (["scores/epic-55/s1/mine.h5", "--parts"], 1, "no verb and noun labels"),
        (["scores/epic-55/s1/mine.h5", "--offline", "epic-55", "--annotations", "nowhere"], 1, "public labels"),
        (["scores/epic-55/s1/mine.h5", "--offline", "epic-55", "--split", "s2"], 1, "scores of epic-55/s1"),
    ],
)
def test_evaluate_wrongly(epic, save_epic, gsmbench, arguments, status, said):  # noqa: F811
    save_epic("epic-100", "validation", "mine")
    save_epic("epic-55", "s1", "mine")
    ran = gsmbench("evaluate", *arguments)
    assert ran.status == status
    assert said in ran.err


def test_table_6(epic, save_epic, gsmbench):  # noqa: F811
    ran = gsmbench("table", 6)
    assert ran.status == 1
    assert "gsmbench score --model epic_bninc_16f --split s2" in ran.err
    printed = rows(gsmbench("table", 6, "--partial", "--format", "json"))
    assert [row["source"] for row in printed] == ["printed"] * 8 + ["measured"]
    assert printed[7]["s2_action"] == pytest.approx(0.2018)
    for split in ("s1", "s2"):
        save_epic("epic-55", split, "epic_bninc_16f")
    public = epic.data / "epic-100" / "EPIC_100_validation.csv"
    public.write_text(
        public.read_text()
        + "x,P09,P09_01,0,0,0,1,40,n,verb 2,0,noun 3,0,[],[]\ny,P01,P01_11,0,0,0,20,50,n,verb 2,0,noun 3,0,[],[]\n"
    )
    ran = gsmbench("table", 6, "--format", "json")
    measured = rows(ran)[-1]
    assert measured["s1_verb"] in (0.0, 0.5, 1.0)
    assert "An estimate" in " ".join(json.loads(ran.out)["notes"])
    assert gsmbench("table", 6, "--dataset", "shapes").status == 2
