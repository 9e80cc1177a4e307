"""Files for the EPIC-KITCHENS servers, read as score dumps."""

import json
import zipfile

import numpy as np
import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.convert import import_dump
from gsm_bench.importers.listed_actions import ListedActions
from gsm_bench.importers.orders import ImportRequest, ReadOptions
from tests.importers.server_files import IDS_55, IDS_100, document, results, write_zip


def imported(path, split=None):
    return import_dump(ImportRequest((path,), "x", options=ReadOptions(split=split)))


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_zip_and_its_json_hold_the_same_scores(tmp_path):
    content = document(sls_pt=2, sls_tl=3, sls_td=4)
    one = imported(write_zip(tmp_path / "a.zip", {"test.json": content}))
    other = imported(written(tmp_path / "b.json", content))
    assert list(one.content.ids) == list(IDS_100)
    for task in ("verb", "noun"):
        expected = [list(row[task].values()) for row in content["results"].values()]
        assert np.array_equal(one.content.scores[task][:, 0], np.float32(expected))
        assert np.array_equal(other.content.scores[task], one.content.scores[task])
    assert one.content.kinds == {"verb": "logits", "noun": "logits"}
    assert "test.json is for EPIC-KITCHENS-100, version 0.2" in one.assumptions
    assert any("sls_pt 2" in line and "sls_td 4" in line for line in one.assumptions)
    assert not any("sls" in line for line in imported(written(tmp_path / "c.json", document())).assumptions)


def test_kinds_are_those_that_the_values_show(tmp_path):
    sums = results(IDS_100, kind="probabilities")
    for row in sums.values():
        for task in row:
            row[task] = {key: 3 * value for key, value in row[task].items()}
    read = imported(written(tmp_path / "a.json", document(rows=sums)))
    assert set(read.content.kinds.values()) == {"probabilities"}
    assert any("sums of the softmax of 3 views" in line for line in read.assumptions)
    cosines = results(IDS_100)
    for row in cosines.values():
        row["verb"] = {key: 1 / (1 + np.exp(-value)) for key, value in row["verb"].items()}
    with pytest.raises(DumpError, match="the kind of the verb scores is not clear"):
        imported(written(tmp_path / "b.json", document(rows=cosines)))


def test_listed_actions_become_columns(tmp_path):
    rows = results(IDS_55, "epic-55")
    lists = [{"0,1": 2.0, "3,4": -1.0}, {"3,4": 0.5, "124,351": 1.5}, {"0,1": 1.0}, {"0,1": 0.25, "3,4": 3.0}]
    for row, listed in zip(rows.values(), lists, strict=True):
        row["action"] = listed
    read = imported(written(tmp_path / "seen.json", document("epic-55", rows=rows)))
    assert read.content.class_names["action"] == ("0,1", "3,4", "124,351")
    inf = np.inf
    assert read.content.scores["action"][:, 0].tolist() == [
        [2, -1, -inf], [-inf, 0.5, 1.5], [1, -inf, -inf], [0.25, 3, -inf],
    ]  # fmt: skip
    assert read.content.kinds["action"] == "logits"
    assert any("lists 1 to 2 actions, 3 different ones" in line for line in read.assumptions)


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ([0.5, 0.25, 0.75], "probabilities"),
        ([0.5, 0.75, 0.75], "logits"),
        ([-1.0, -0.5, -0.25], "log_probabilities"),
        ([-0.1, -0.1, -0.1], "logits"),
        ([-1.0, 2.0, -0.25], "logits"),
    ],
)
def test_kinds_of_lists(scores, kind):
    pairs = np.array([[0, 0], [0, 1], [0, 0]])
    assert ListedActions(np.array([0, 0, 1]), pairs, np.array(scores)).kind(2) == kind


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_lists_of_products_are_left_out(tmp_path, kind):
    rows = results(IDS_55, "epic-55", kind=kind)
    for row in rows.values():
        verb, noun = (np.array(list(row[task].values())) for task in ("verb", "noun"))
        table = np.add.outer(verb, noun) if kind == "logits" else np.multiply.outer(verb, noun)
        best = np.argsort(-table, axis=None)[:100]
        row["action"] = {f"{at // 352},{at % 352}": round(float(table.flat[at]), 6) for at in best}
    read = imported(written(tmp_path / "seen.json", document("epic-55", rows=rows)))
    assert set(read.content.kinds) == {"verb", "noun"}
    assert any("products of verb and noun" in line for line in read.assumptions)
    for row in rows.values():  # a head of its own
        row["action"] = dict(zip(row["action"], reversed(row["action"].values()), strict=True))
    assert "action" in imported(written(tmp_path / "head.json", document("epic-55", rows=rows))).content.kinds


def test_a_zip_of_two_splits_needs_the_split(tmp_path):
    seen, unseen = document("epic-55"), document("epic-55", ids=("200", "203"))
    path = write_zip(tmp_path / "both.zip", {"seen.json": seen, "unseen.json": unseen})
    with pytest.raises(DumpError, match=r"seen.json \(s1\) and unseen.json \(s2\)") as raised:
        imported(path)
    assert raised.value.fix.startswith("--split s1 or s2")
    assert list(imported(path, "s2").content.ids) == ["200", "203"]


def changed(change):
    content = document()
    change(content)
    return content


def first(content):
    return next(iter(content["results"].values()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(lambda c: c.update(results={})), "has no results"),
        (changed(lambda c: c.update(results=[])), "has no results"),
        (changed(lambda c: first(c).pop("noun")), "the scores are missing"),
        (changed(lambda c: first(c)["verb"].pop("96")), "1 of 97 classes are missing, first 96"),
        (changed(lambda c: first(c)["verb"].update({"97": 0.0})), '"97" is not a class'),
        (changed(lambda c: first(c)["verb"].update({"3": "0.5"})), "a text"),
        (changed(lambda c: first(c)["verb"].update({"3": None})), "nothing"),
        (changed(lambda c: first(c)["verb"].update({"3": float("nan")})), "beyond what float64 holds"),
        (changed(lambda c: c["results"].update({"P01_101_9": [1, 2]})), "the segment has a list"),
        (changed(lambda c: [row.update(action={"0,300": 1.0}) for row in c["results"].values()]), "within the classes"),
        (changed(lambda c: [row.update(action=[1.0]) for row in c["results"].values()]), "no object of actions"),
        (changed(lambda c: [row.update(action={"0,3": True}) for row in c["results"].values()]), "no finite number"),
        (changed(lambda c: [row.update(action={}) for row in c["results"].values()]), "no object of actions"),
        ('{"challenge": "action_recognition", "results": {"a": {"verb": {"0": 1}, "verb": {"0": 1}}}}', "occurs twice"),
        ('{"version": "9", "challenge": "action_recognition", "results": {"a": {"verb": {"0": 1}, "noun": {}}}}', "9"),
        ('{"challenge": "action_recognition", "results": {"": 1}}', "version"),
    ],
)
def test_damage_is_one_error(tmp_path, content, message):
    path = written(tmp_path / "test.json", content)
    with pytest.raises(DumpError, match=message) as raised:
        imported(path)
    assert str(path) in str(raised.value.where)
    assert raised.value.fix


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"folder/test.json": document()}, "must not hold folders"),
        ({"test.json": document(), "notes.txt": "x"}, "the server reads"),
        ({"test.json": "[1, 2]"}, "holds no object"),
        ({"test.json": "<html>"}, "web page"),
        ({"test.json": "{"}, "not JSON"),
    ],
)
def test_odd_zips_are_one_error(tmp_path, members, message):
    with pytest.raises(DumpError, match=message):
        imported(write_zip(tmp_path / "x.zip", members))


def test_damaged_zips_are_one_error(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"test.json": document()})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(DumpError, match="cannot be unpacked"):
        imported(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DumpError, match=r"cut short|not a zip"):
        imported(path)


def test_what_strangers_write_means_the_same(tmp_path):
    content = document()
    expected = imported(written(tmp_path / "a.json", content)).content.scores["noun"]
    mixed = {
        name: {task: dict(sorted(scores.items())) for task, scores in reversed(row.items())}
        for name, row in content["results"].items()
    }
    for text in (
        json.dumps(content, indent=2).replace("\n", "\r\n"),
        "\ufeff" + json.dumps(content),
        json.dumps({**content, "results": mixed}),
        json.dumps({**content, "version": "0.1"}),
        json.dumps({key: value for key, value in content.items() if key != "challenge"}),
    ):
        read = imported(written(tmp_path / "b.json", text)).content
        assert np.array_equal(read.scores["noun"], expected)
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        archive.writestr("test.json", json.dumps(content))
        archive.writestr("__MACOSX/._test.json", "x")
    assert np.array_equal(imported(tmp_path / "mac.zip").content.scores["noun"], expected)


def test_the_command(gsmbench, workspace):
    from gsm_bench.scorefile import read
    from tests.epic_files import write_epic_100

    write_epic_100(workspace.data / "epic-100")
    path = write_zip(workspace.root / "theirs.zip", {"test.json": document(ids=IDS_100[::-1])})
    ran = gsmbench("import", path, "--dataset", "epic-100", "--split", "test")
    assert ran.status == 0, ran.err
    assert "a file for an EPIC-KITCHENS server" in ran.err
    assert list(read("scores/epic-100/test/theirs.h5").ids) == list(IDS_100)
    del (few := document())["results"][IDS_100[0]]
    ran = gsmbench("import", written(workspace.root / "few.json", few), "--dataset", "epic-100", "--split", "test")
    assert ran.status == 3
    assert "1 of its videos are not in the source" in ran.err
