"""Files for the EPIC-KITCHENS servers as members of ensembles, beside score files."""

import json

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.errors import AlignmentError, DumpError
from gsm_bench.scorefile import ClipScores, read, views_array, write
from tests.epic_files import CLASSES_55, write_epic_55, write_epic_100
from tests.importers.server_files import IDS_55, IDS_100, document, results, write_zip

LEVELS = ("--sls-pt", 1, "--sls-tl", 3, "--sls-td", 3)


@pytest.fixture
def epic(workspace):
    write_epic_55(workspace.data / "epic-55")
    write_epic_100(workspace.data / "epic-100")
    return workspace


def save(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def values(content, task, ids):
    return np.array([list(content["results"][name][task].values()) for name in ids])


def test_fields_are_averaged_by_segment_and_can_be_submitted_again(epic, gsmbench):
    one, two = document(seed=1, sls_pt=2, sls_tl=3, sls_td=3), document(ids=IDS_100[::-1], seed=2)
    write_zip(epic.root / "one.zip", {"test.json": one})
    save(epic.root / "two.json", two)
    ran = gsmbench("ensemble", "--members", "one.zip,two.json", "--weights", "3,1", "--out", "both.h5")
    assert ran.status == 0, ran.err
    assert "mean of logits" in ran.out
    assert "note: one: verb scores are logits: they are of both signs" in ran.err
    fused = read("both.h5")
    assert list(fused.ids) == list(IDS_100)
    for task in ("verb", "noun"):
        expected = (3 * values(one, task, IDS_100) + values(two, task, IDS_100)) / 4
        assert np.allclose(fused.scores[task][:, 0], expected, atol=1e-5)
    ran = gsmbench("submit", "epic100", "--scores", "both.h5", *LEVELS)
    assert ran.status == 0, ran.err
    again = gb.Bench().scores(ran.out.strip())
    assert np.argsort(again.scores["noun"][:, 0]).tolist() == np.argsort(fused.scores["noun"][:, 0]).tolist()


def test_files_of_one_name_are_told_apart(epic, gsmbench):
    for folder in ("a", "b"):
        save(epic.root / folder / "test.json", document(seed=ord(folder)))
    ran = gsmbench("ensemble", "--members", "a/test.json,b/test.json", "--format", "json")
    assert ran.status == 0, ran.err
    assert [row["label"] for row in json.loads(ran.out)["rows"]] == ["a/test", "b/test", "ensemble"]


def test_unlike_kinds_need_a_space(epic):
    one, two = document(seed=1), document(seed=2, kind="probabilities")
    save(epic.root / "one.json", one)
    save(epic.root / "two.json", two)
    bench = gb.Bench()
    with pytest.raises(AlignmentError, match="one holds logits, two holds probabilities"):
        bench.ensemble("one.json,two.json")
    bench.ensemble(["one.json", "two.json"], space="probabilities", out="both.h5")
    logits = values(one, "verb", IDS_100)
    expected = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True) + values(two, "verb", IDS_100)) / 2
    assert np.allclose(read("both.h5").scores["verb"][:, 0], expected, atol=1e-6)


def test_missing_segments_are_named(epic, gsmbench):
    save(epic.root / "one.json", document())
    save(epic.root / "few.json", document(ids=IDS_100[:-1]))
    ran = gsmbench("ensemble", "--members", "one.json,few.json", "--out", "both.h5")
    assert ran.status == 3
    assert "few: rows were matched to epic-100/test by video id; 1 of its videos are not in the source" in ran.err
    assert read("both.h5").status.tolist() == [0, 0, 0, 0, 2]
    (epic.data / "epic-100").rename(epic.data / "elsewhere")
    ran = gsmbench("ensemble", "--members", "one.json,few.json", "--out", "other.h5")
    assert ran.status == 1
    assert "1 are only in one (such as P01_101_4)" in ran.err
    ran = gsmbench("ensemble", "--members", "one.json,one.json", "--out", "other.h5")
    assert ran.status == 0, ran.err
    assert "no accuracy" in ran.err


def test_unlike_versions_and_splits(epic):
    save(epic.root / "old.json", document("epic-55"))
    save(epic.root / "new.json", document())
    save(epic.root / "s2.json", document("epic-55", ids=("200", "203")))
    bench = gb.Bench()
    with pytest.raises(AlignmentError, match=r"different servers: old.json for epic-55, new.json for epic-100"):
        bench.ensemble("old.json,new.json")
    with pytest.raises(AlignmentError, match="of epic-55/s1 and of epic-55/s2"):
        bench.ensemble("old.json,s2.json")
    with pytest.raises(AlignmentError, match="is for epic-100, not for epic-55"):
        bench.evaluate("new.json", dataset="epic-55")
    with pytest.raises(AlignmentError, match="@2 is impossible"):
        bench.ensemble("old.json@2")


def test_a_zip_of_two_splits(epic):
    both = {"seen.json": document("epic-55"), "unseen.json": document("epic-55", ids=("200", "203"))}
    write_zip(epic.root / "both.zip", both)
    bench = gb.Bench()
    with pytest.raises(DumpError, match="this zip holds seen"):
        bench.scores("both.zip")
    assert list(bench.scores("both.zip", split="s2").ids) == ["200", "203"]


def with_lists(seed, lists):
    rows = results(IDS_55, "epic-55", seed=seed, kind="probabilities")
    for row, listed in zip(rows.values(), lists, strict=True):
        row["action"] = listed
    return document("epic-55", rows=rows)


ONE = [{"0,1": 0.5, "3,4": 0.25}, {"3,4": 0.75}, {"9,9": 0.5}, {"0,1": 0.5, "3,4": 0.25, "9,9": 0.125}]
TWO = [{"0,1": 0.25, "7,8": 0.5}, {"3,4": 0.25}, {"9,9": 0.25, "7,8": 0.25}, {"0,1": 0.75}]


def test_listed_actions_are_averaged_as_by_hand(epic):
    save(epic.root / "one.json", with_lists(1, ONE))
    save(epic.root / "two.json", with_lists(2, TWO))
    result = gb.Bench().ensemble("one.json,two.json", out="both.h5")
    assert any("actions are averaged over 4 listed ones" in message for message in result.messages)
    fused = read("both.h5")
    assert fused.kinds["action"] == "probabilities"
    names = fused.class_names["action"]
    assert names == ("0,1", "3,4", "7,8", "9,9")
    expected = [[(a.get(n, 0) + b.get(n, 0)) / 2 for n in names] for a, b in zip(ONE, TWO, strict=True)]
    assert fused.scores["action"][:, 0].tolist() == expected


def test_logarithms_of_lists(epic):
    def logarithms(lists):
        return [{name: float(np.log(value)) for name, value in listed.items()} for listed in lists]

    save(epic.root / "one.json", with_lists(1, logarithms(ONE)))
    save(epic.root / "two.json", with_lists(2, logarithms(TWO)))
    gb.Bench().ensemble("one.json,two.json", out="both.h5")
    action = read("both.h5").scores["action"][:, 0]
    assert action[0, 0] == pytest.approx(np.log([0.5, 0.25]).mean(), abs=1e-6)
    assert action[0].argmax() == 0, "an action that one list lacks comes behind those that both have"


def test_lists_are_left_out_where_a_member_has_none(epic):
    save(epic.root / "one.json", with_lists(1, ONE))
    save(epic.root / "bare.json", document("epic-55", seed=5, kind="probabilities"))
    result = gb.Bench().ensemble("one.json,bare.json", out="both.h5")
    assert "note: not all members have actions, so listed actions are left out" in result.messages
    assert set(read("both.h5").kinds) == {"verb", "noun"}


@pytest.fixture
def save_head(epic):
    """A score file of S1 with an action head of the given names, its scores probabilities."""

    def save(name, names):
        rng = np.random.default_rng(3)
        classes = {**CLASSES_55, "action": len(names)}
        scores = {task: rng.random((len(IDS_55), 1, count)).astype(np.float32) for task, count in classes.items()}
        scores = {task: values / values.sum(-1, keepdims=True) for task, values in scores.items()}
        content = ClipScores(
            ids=IDS_55, kinds=dict.fromkeys(classes, "probabilities"), classes_per_task=classes,
            views=views_array((0.5,), 1), status=np.zeros(len(IDS_55), np.uint8),
            provenance={"model": name, "dataset": "epic-55", "split": "s1"}, class_names={"action": names}, scores=scores,
        )  # fmt: skip
        write(epic.root / f"{name}.h5", content)
        return content

    return save


def test_lists_beside_an_action_head(epic, save_head):
    save(epic.root / "one.json", with_lists(1, ONE))
    head = save_head("head", ("9,9", "1,1", "3,4", "0,1"))
    gb.Bench().ensemble("head.h5,one.json", out="both.h5")
    fused = read("both.h5")
    assert fused.class_names["action"] == head.class_names["action"]
    listed = [[row.get(name, 0) for name in head.class_names["action"]] for row in ONE]
    assert np.allclose(fused.scores["action"][:, 0], (head.scores["action"][:, 0] + np.array(listed)) / 2, atol=1e-7)
    save_head("small", ("9,9", "3,4"))
    result = gb.Bench().ensemble("small.h5,one.json", out="verbs.h5")
    assert any("for which other members have no column" in message for message in result.messages)
    assert set(read("verbs.h5").kinds) == {"verb", "noun"}


def test_lists_of_a_hundred_are_submitted_again(epic, gsmbench):
    rng = np.random.default_rng(0)
    lists = []
    for _ in range(2):
        pairs = [rng.choice(150, 100, replace=False) for _ in IDS_55]
        lists.append([{f"{p // 30},{p % 30}": float(rng.normal()) for p in row} for row in pairs])
    save(epic.root / "x" / "seen.json", with_lists(1, lists[0]))
    save(epic.root / "y" / "seen.json", with_lists(2, lists[1]))
    assert gsmbench("ensemble", "--members", "x/seen.json,y/seen.json", "--out", "both.h5").status == 0
    ran = gsmbench("submit", "epic", "--split", "s1", "--scores", "both.h5")
    assert ran.status == 0, ran.err
    submitted = json.loads((epic.root / ran.out.strip()).read_text())["results"]
    for name, first, second in zip(IDS_55, *lists, strict=True):
        both = {pair: first[pair] + second[pair] for pair in first.keys() & second.keys()}
        ranked = sorted(submitted[name]["action"], key=submitted[name]["action"].get, reverse=True)
        assert ranked[: len(both)] == sorted(both, key=both.get, reverse=True)


def test_accuracies_of_a_file_with_labels(epic, gsmbench):
    ids = ("P18_02_0", "P01_11_0", "P01_11_1")
    labels = {"P01_11_0": (0, 2), "P01_11_1": (1, 2), "P18_02_0": (4, 5)}
    content = document(ids=ids)
    for name, row in content["results"].items():
        row["verb"][str(labels[name][0])] = 50.0
    content["results"]["P18_02_0"]["noun"]["5"] = 50.0
    save(epic.root / "val.json", content)
    ran = gsmbench("evaluate", "val.json", "--format", "json")
    assert ran.status == 0, ran.err
    row = json.loads(ran.out)["rows"][0]
    nouns = [max(row["noun"], key=row["noun"].get) for row in content["results"].values()]
    right = np.mean([noun == str(labels[name][1]) for noun, name in zip(nouns, ids, strict=True)])
    assert (row["verb_top1"], row["noun_top1"], row["action_top1"]) == (1.0, right, right)
    parts = gsmbench("evaluate", "val.json", "--parts")
    assert parts.status == 0, parts.err
    other = document(ids=ids, seed=4)
    save(epic.root / "other.json", other)
    compared = gsmbench("compare", "val.json", "other.json")
    assert compared.status == 0, compared.err
    assert "note: val: verb scores are logits" in compared.err


def test_explain_and_the_front_door(epic):
    save(epic.root / "one.json", document())
    save(epic.root / "two.json", document(seed=2))
    bench = gb.Bench()
    assert "one.json (scores here)" in bench.explain("one.json,two.json")
    assert isinstance(bench.scores("one.json"), gb.ScoreFile)
    fused = gb.fuse([bench.scores("one.json"), bench.scores("two.json")])
    mean = (values(document(), "noun", IDS_100) + values(document(seed=2), "noun", IDS_100)) / 2
    assert np.allclose(fused.scores["noun"][:, 0], mean, atol=1e-6)


def test_files_that_are_no_submissions(epic):
    bench = gb.Bench()
    save(epic.root / "plain.json", {"v0": [0.5, 1.5], "v1": [1.0, 2.0]})
    with pytest.raises(DumpError, match="no submission of EPIC-KITCHENS") as raised:
        bench.evaluate("plain.json")
    assert raised.value.fix == "gsmbench import plain.json, then name the score file"
    squashed = results(IDS_100)
    for row in squashed.values():
        row["verb"] = {key: 1 / (1 + np.exp(-value)) for key, value in row["verb"].items()}
    save(epic.root / "odd.json", document(rows=squashed))
    with pytest.raises(DumpError, match="kind of the verb scores is not clear") as raised:
        bench.ensemble("odd.json,odd.json")
    assert raised.value.fix == "gsmbench import odd.json --kind KIND, then name the score file"
    with pytest.raises(gb.errors.MissingScoresError, match="there are no scores of absent"):
        bench.ensemble("absent.zip,odd2.json")
