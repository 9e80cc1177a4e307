"""Answers of test sets as their owners publish them, and as strangers have them."""

import json
from dataclasses import replace

import pytest

from gsm_bench.errors import SplitError
from gsm_bench.manifest import shipped_dataset
from gsm_bench.splits import read_list, read_split

V2 = replace(shipped_dataset("something-v2"), classes=3)
JESTER = replace(shipped_dataset("jester"), classes=3)
KINETICS = replace(shipped_dataset("kinetics-400"), classes=3)
NAMES = ["Holding something", "Putting something, something and something on the table", "Tearing something"]
ANSWERS = f"1420;{NAMES[2]}\n7;{NAMES[0]}\n33;{NAMES[1]}\n"


@pytest.fixture
def v2(tmp_path):
    """The folder `labels` of the release; a function that writes the answers and reads the split."""
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "labels.json").write_text(json.dumps({name: str(at) for at, name in enumerate(NAMES)}))
    (folder / "test.json").write_text(json.dumps([{"id": "7"}, {"id": "1420"}, {"id": "33"}]))

    def read(answers):
        (folder / "test-answers.csv").write_bytes(answers if isinstance(answers, bytes) else answers.encode())
        return read_split(V2, "test", tmp_path)

    return read


def test_answers_are_the_labels_of_the_list_beside_them(v2, tmp_path):
    before = read_split(V2, "test", tmp_path)
    assert not before.labels
    split = v2(ANSWERS)
    assert list(split.ids) == ["7", "1420", "33"]
    assert split.labels["action"].tolist() == [0, 2, 1]
    assert split.sha256 == before.sha256, "scores that were made before the answers came stay those of this split"


def test_answers_alone_are_a_list(v2, tmp_path):
    v2(ANSWERS)
    (tmp_path / "labels" / "test.json").unlink()
    split = read_split(V2, "test", tmp_path)
    assert list(split.ids) == ["1420", "7", "33"]
    assert split.labels["action"].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: "id;label\n" + text,
        lambda text: text.replace("something", "[something]"),
        lambda text: text.replace(";", "; ").replace("\n", "  \n"),
        lambda text: "".join('{};"{}"\n'.format(*line.split(";")) for line in text.splitlines()),
        lambda text: "".join('{},"{}"\n'.format(*line.split(";")) for line in text.splitlines()),
        lambda text: text + f"99999;{NAMES[0]}\n7;{NAMES[0]}\n",
    ],
)
def test_answers_of_strangers_mean_the_same(v2, change):
    assert v2(change(ANSWERS)).labels["action"].tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ANSWERS.replace("7;", "8;"), "1 of the 3 videos in test.json have no answer, first '7'"),
        ("", "3 of the 3 videos"),
        (ANSWERS.replace(NAMES[2], "Tearing nothing"), "'Tearing nothing' is not one of the 3 class names"),
        (ANSWERS.replace(NAMES[2], "2"), "'2' is not one of the 3 class names"),
        (ANSWERS.replace(f"7;{NAMES[0]}", "7"), "'7' is not <id>;<class name>"),
        (ANSWERS.replace(NAMES[0], f"{NAMES[0]};x"), "is not <id>;<class name>"),
        (ANSWERS.replace("7;", ";"), "is not <id>;<class name>"),
        (ANSWERS + f"7;{NAMES[1]}\n", "video '7' has two answers"),
        (ANSWERS.replace(";Holding", ';"Holding'), "quotes that are not closed"),
        (ANSWERS.encode().replace(b"Tearing", b"T\xe9aring"), "not UTF-8"),
    ],
)
def test_answers_that_mean_something_else_are_refused(v2, text, message):
    with pytest.raises(SplitError, match=message) as raised:
        v2(text)
    assert "test-answers.csv" in str(raised.value.where)


def test_answers_need_the_class_names(v2, tmp_path):
    (tmp_path / "labels" / "labels.json").unlink()
    with pytest.raises(SplitError, match="class names of these answers are missing"):
        v2(ANSWERS)


def test_jester_in_both_layouts(tmp_path):
    rows = "9;No gesture\n4;Swiping Left\n"
    for folder, prefix, labels in (
        (tmp_path, "jester-v1-", "jester-v1-labels.csv"),
        (tmp_path / "labels", "", "labels.csv"),
    ):
        folder.mkdir(exist_ok=True)
        (folder / labels).write_text("Swiping Left\nDoing other things\nNo gesture\n")
        (folder / f"{prefix}test.csv").write_text("4\n9\n")
        (folder / f"{prefix}test-answers.csv").write_text(rows)
        split = read_list(JESTER, "test", folder / f"{prefix}test.csv")
        assert split.labels["action"].tolist() == [2, 1]
    for name in ("jester-v1-test.csv", "jester-v1-test-answers.csv"):
        (tmp_path / name).unlink()
    assert read_split(JESTER, "test", tmp_path).list_path.name == "test.csv"


KINETICS_JSON = {
    "--07WQ2iBlw": {"annotations": {"label": "test drive", "segment": [1.0, 11.0]}, "duration": 10.0, "subset": "test"},
    "0wR5jVB-WPk": {"annotations": {"label": "abseiling", "segment": [417, 427]}, "subset": "test", "url": "x"},
    "3caPS4FHFF8": {"annotations": {"label": "zumba", "segment": [36.0, 46.0]}, "subset": "test"},
}


def test_the_json_of_kinetics_is_its_csv(tmp_path):
    (tmp_path / "test.json").write_text(json.dumps(KINETICS_JSON))
    split = read_split(KINETICS, "test", tmp_path)
    assert list(split.ids) == ["--07WQ2iBlw_000001_000011", "0wR5jVB-WPk_000417_000427", "3caPS4FHFF8_000036_000046"]
    assert split.labels["action"].tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "not an object"),
        ({}, "no column 'youtube_id'"),
        ({**KINETICS_JSON, "x": {"subset": "test"}}, "video 'x' has no annotations"),
        ({**KINETICS_JSON, "x": {"annotations": {"label": "zumba", "segment": [1]}}}, "video 'x' has no annotations"),
        ({**KINETICS_JSON, "x": {"annotations": {"label": "zumba", "segment": [1.5, 11]}}}, "whole seconds"),
        ({**KINETICS_JSON, "x": {"annotations": {"segment": [1, 11]}}}, "no label, but others do"),
        ({**KINETICS_JSON, "x": 3}, "video 'x' has no annotations"),
    ],
)
def test_odd_json_of_kinetics_is_one_error(tmp_path, document, message):
    (tmp_path / "test.json").write_text(json.dumps(document))
    with pytest.raises(SplitError, match=message):
        read_split(KINETICS, "test", tmp_path)
