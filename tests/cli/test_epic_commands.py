"""Verbs, nouns and actions through the command line."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.scorefile import NOT_SCORED, read
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
    assert "applies only to scores of verbs and nouns" in ran.err


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
    assert "a class that is never predicted" in " ".join(ran.out.split())


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


def compared(gsmbench, *arguments):
    ran = gsmbench("compare", *arguments, "--format", "json")
    assert ran.status == 0, ran.err
    document = json.loads(ran.out)
    return {row["what"]: row for row in document["rows"]}, document


@pytest.fixture
def noisy_pair(epic, save_epic):  # noqa: F811
    """Two score files of the EPIC-55 training list whose best verb and noun are sometimes the labelled ones."""
    verbs, nouns = np.array([3, 0, 0, 0]), np.array([2, 1, 10, 1])

    def guided(right):
        def change(content):
            for task, labels in (("verb", verbs), ("noun", nouns)):
                rows = np.flatnonzero(right)
                content.scores[task][rows, :, labels[rows]] += 20
            return content

        return change

    return [
        save_epic("epic-55", "train", name, seed=seed, offsets=(0.5,), change=guided(np.array(right)), head=head)
        for name, seed, right, head in (("a", 1, [1, 1, 0, 1], False), ("b", 2, [1, 0, 0, 0], False), ("c", 3, [0, 1, 1, 0], True))
    ]  # fmt: skip


def test_compare_derives_actions_as_ensemble_does(noisy_pair, gsmbench):
    one, other, _ = noisy_pair
    found, document = compared(gsmbench, one, other)
    assert list(found) == [f"{task} top-{k}" for task in ("verb", "noun", "action") for k in (1, 5)]
    assert (found["action top-1"]["first"], found["action top-1"]["second"]) == (0.75, 0.25)
    assert (found["action top-1"]["gained"], found["action top-1"]["lost"]) == (2, 0)
    assert "Actions of a from verb x noun (a has no action head), of b from verb x noun" in document["notes"][0]
    for side, path in (("first", one), ("second", other)):
        (row,) = rows(gsmbench("evaluate", path, "--format", "json"))
        for task in ("verb", "noun", "action"):
            for k in (1, 5):
                assert found[f"{task} top-{k}"][side] == row[f"{task}_top{k}"]


def test_compare_equals_a_brute_force_over_all_pairs(noisy_pair, gsmbench):
    found, _ = compared(gsmbench, *noisy_pair[:2])
    for side, path in (("first", noisy_pair[0]), ("second", noisy_pair[1])):
        scores = {task: values.mean(1).astype(np.float64) for task, values in read(path).scores.items()}
        sums = scores["verb"][:, :, None] + scores["noun"][:, None, :]  # [N, 125, 352]
        wanted = sums[np.arange(4), [3, 0, 0, 0], [2, 1, 10, 1]]
        ranks = (sums > wanted[:, None, None]).sum((1, 2))
        for k in (1, 5):
            assert found[f"action top-{k}"][side] == (ranks < k).mean()


def test_compare_with_and_without_an_action_head(noisy_pair, gsmbench):
    """Either order; each side as `evaluate` shows it, and both alike with --actions."""
    _, other, headed = noisy_pair
    for pair in ((other, headed), (headed, other)):
        found, document = compared(gsmbench, *pair, "--why")
        for side, path in zip(("first", "second"), pair, strict=True):
            (row,) = rows(gsmbench("evaluate", path, "--format", "json"))
            assert found["action top-5"][side] == row["action_top5"]
        assert "from the action head (every member has one)" in document["notes"][0]
        assert "actions" in [row["setting"] for row in document["tables"]["why"]["rows"]]
    found, document = compared(gsmbench, other, headed, "--actions", "verb-noun")
    assert document["notes"][0] == "Actions from verb x noun (as requested)."
    assert found["action top-1"]["second"] == 0.5
    ran = gsmbench("compare", other, headed, "--actions", "head")
    assert ran.status == 1
    assert "b has no action scores" in ran.err


def test_compare_names_actions_by_their_verb_and_noun(noisy_pair, gsmbench):
    _, document = compared(gsmbench, *noisy_pair[:2], "--videos")
    listed = [row for row in document["tables"]["videos"]["rows"] if row["task"] == "action"]
    assert {(row["id"], row["true"]) for row in listed} == {("1", "verb 0, noun 1"), ("5", "verb 0, noun 1")}
    _, document = compared(gsmbench, *noisy_pair[:2])
    flipped = [row for row in document["tables"]["classes"]["rows"] if row["task"] == "action"]
    assert sum(row["videos"] for row in flipped) == 2
    assert {row["of_class"] for row in flipped} == {2}


def test_compare_without_labels_still_compares_actions(epic, save_epic, gsmbench):  # noqa: F811
    one, other = save_epic("epic-55", "s1", "one"), save_epic("epic-55", "s1", "other", seed=1)
    ran = gsmbench("compare", one, other)
    assert ran.status == 0, ran.err
    assert "The action predictions differ on" in ran.out
    assert "No labels" in ran.out


def test_cascade_never_chooses_a_task_silently(noisy_pair, gsmbench):
    ran = gsmbench("cascade", ",".join(map(str, noisy_pair[:2])))
    assert ran.status == 2
    assert "--task verb or --task noun" in ran.err


def test_search_of_derived_actions_equals_the_ensembles(noisy_pair, gsmbench):
    """Every subset's top-1 and top-5 are what `ensemble` prints of it; members with and without a head together."""
    paths = [str(path) for path in noisy_pair]
    for metric in ("top1", "top5"):
        ran = gsmbench("search", *paths, "--folds", "2", "--quiet", "--metric", metric, "--format", "json")
        assert ran.status == 0, ran.err
        assert "actions from verb x noun (a, b have no action head)" in ran.err
        found = json.loads(ran.out)
        assert found["title"].startswith("Search of 3 choices: action, ")
        for row in found["rows"]:
            names = ",".join(path for path in paths if path.rsplit("/", 1)[1][0] in row["members"].split(" + "))
            told = rows(gsmbench("ensemble", "--members", names, "--actions", "verb-noun", "--format", "json"))[-1]
            assert (row["top1"], row["top5"]) == (told["action_top1"], told["action_top5"])
    best = max(
        rows(gsmbench("ensemble", "--members", ",".join(some), "--actions", "verb-noun", "--format", "json"))[-1]["action_top1"]
        for count in (1, 2, 3)
        for some in itertools.combinations(paths, count)
    )  # fmt: skip
    ran = gsmbench("search", *paths, "--folds", "2", "--quiet", "--format", "json")
    assert max(row["top1"] for row in json.loads(ran.out)["rows"]) == best


def test_search_of_derived_actions_wrongly(noisy_pair, gsmbench, monkeypatch):
    from gsm_bench.selection import action_subsets

    ran = gsmbench("search", *noisy_pair, "--method", "greedy")
    assert ran.status == 2
    assert "--method exact" in ran.err
    assert gsmbench("search", *noisy_pair, "--task", "verb", "--folds", "2").status == 0
    monkeypatch.setattr(action_subsets, "MOST_SUBSETS", 6)
    ran = gsmbench("search", *noisy_pair)
    assert ran.status == 1
    assert "3 choices have 7 subsets" in ran.err
    assert "--task verb" in ran.err


def test_calibrate_members_with_and_without_an_action_head(noisy_pair, gsmbench):
    _, other, headed = noisy_pair
    found = rows(gsmbench("calibrate", f"{headed},{other}", "--folds", "2", "--format", "json"))
    assert [row["task"] for row in found] == ["verb", "verb", "noun", "noun"]


@pytest.mark.parametrize("number", ["-3", "97"])
def test_a_tail_class_that_does_not_exist(epic, save_epic, gsmbench, number):  # noqa: F811
    """A negative one would have counted from the other end."""
    path = save_epic("epic-100", "validation", "mine")
    tail = epic.data / "epic-100" / "EPIC_100_tail_verbs.csv"
    tail.write_text(tail.read_text() + f"{number}\n")
    ran = gsmbench("evaluate", path, "--parts")
    assert ran.status == 1
    assert f"verb {number} is not among 0..96" in ran.err
    assert "EPIC_100_tail_verbs.csv, line 3" in ran.err


def test_metrics_without_their_files_are_left_out_aloud(epic, save_epic, gsmbench):  # noqa: F811
    path = save_epic("epic-100", "validation", "mine", offsets=(0.5,))
    (epic.data / "epic-100" / "EPIC_100_tail_verbs.csv").unlink()
    document = json.loads(gsmbench("evaluate", path, "--parts", "--format", "json").out)
    assert [row["metric"] for row in document["rows"]] == ["Top-1", "Top-5", "Top-1, unseen participants"]
    assert "Metrics that need EPIC_100_tail_verbs.csv are left out: not beside the list." in document["notes"]
    (epic.data / "epic-100" / "EPIC_100_unseen_participant_ids_validation.csv").unlink()
    document = json.loads(gsmbench("evaluate", path, "--parts", "--format", "json").out)
    assert [row["metric"] for row in document["rows"]] == ["Top-1", "Top-5"]


def test_a_damaged_training_csv_is_named_not_called_absent(epic, save_epic, gsmbench):  # noqa: F811
    path = save_epic("epic-55", "s1", "mine")
    train = epic.data / "epic-55" / "EPIC_train_action_labels.csv"
    train.write_text(train.read_text().replace("wash,3,", "wash,three,"))
    ran = gsmbench("evaluate", path, "--offline", "epic-55", "--actions", "prior")
    assert ran.status == 1
    assert "'three' in the column verb_class is not a number" in ran.err
    assert "EPIC_train_action_labels.csv, line 2" in ran.err


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("0,1", "0,10", "3,352"), "no verb and noun for '3,352'"),
        (("0,1", "0,1", "3,2"), "duplicate pair '0,1'"),
    ],
)
def test_action_columns_that_are_named_wrongly(epic, save_epic, gsmbench, names, said):  # noqa: F811
    def renamed(content):
        return replace(content, class_names={**content.class_names, "action": names})

    path = save_epic("epic-55", "s1", "mine", head=True, change=renamed)
    ran = gsmbench("submit", "epic", "--split", "s1", "--scores", path)
    assert ran.status == 1
    assert said in ran.err


def test_action_names_that_are_words_leave_verb_x_noun(epic, save_epic, gsmbench):  # noqa: F811
    def renamed(content):
        return replace(content, class_names={**content.class_names, "action": ("0,1", "0,10", "wash cup")})

    path = save_epic("epic-55", "s1", "mine", head=True, change=renamed)
    ran = gsmbench("submit", "epic", "--split", "s1", "--scores", path)
    assert ran.status == 0, ran.err
    assert "actions from verb x noun (no column names)" in ran.err


def test_unscored_clips_are_named_beside_the_parts(epic, save_epic, gsmbench):  # noqa: F811
    def holes(content, rows):
        for values in content.scores.values():
            values[rows] = np.nan
        content.status[rows] = NOT_SCORED
        return content

    sound = save_epic("epic-100", "validation", "sound", offsets=(0.5,))
    path = save_epic("epic-100", "validation", "mine", offsets=(0.5,), change=lambda content: holes(content, [1]))
    ran = gsmbench("evaluate", path, "--parts", "--format", "json")
    assert ran.status == 3
    document = json.loads(ran.out)
    assert "1 segment without a score: P01_11_1. All numbers are over the scored segments." in document["notes"]
    assert document["rows"][0]["over"] == "2"
    path = save_epic(
        "epic-100", "validation", "none", offsets=(0.5,), change=lambda content: holes(content, slice(None))
    )
    ran = gsmbench("compare", sound, path)
    assert ran.status == 3
    assert "No video has a label and both scores: accuracies cannot be compared" in ran.out
