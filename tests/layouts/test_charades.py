"""Lists of Charades as published and as strangers have them, and results on them."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.errors import AlignmentError, LabelError, SplitError
from gsm_bench.manifest import shipped_dataset
from gsm_bench.metrics.average_precision import mean_average_precision
from gsm_bench.scorefile import write
from gsm_bench.splits import read_list, read_split
from tests.conftest import clip_scores

CHARADES = replace(shipped_dataset("charades"), classes=3)
HEADER = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
ROWS = (
    '46GP8,HR43,Kitchen,6,7,Yes,"A person, cooking.",food;stove,"Cooks; ""well"".",c002 11.90 21.20;c001 0.00 12.60;c002 24.30 30.00,30.13\n'
    "N11GT,0KZ7,Stairs,5,7,No,Runs.,,Runs.,,12.00\n"
    "0IH69,6RE8,Living room,6,7,Yes,Sits.,phone,Sits.,c000 3.50 10.70,29.71\n"
)
CLASSES = "c000 Holding some clothes\nc001 Putting clothes somewhere\nc002 Taking some clothes from somewhere\n"
SETS = [[False, True, True], [False, False, False], [True, False, False]]


def read(folder, text=HEADER + ROWS, classes=CLASSES, entry=CHARADES):
    if classes is not None:
        (folder / "Charades_v1_classes.txt").write_text(classes)
    (folder / "Charades_v1_test.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_list(entry, "test", folder / "Charades_v1_test.csv")


def test_a_video_has_a_set_of_classes(tmp_path):
    split = read(tmp_path)
    assert list(split.ids) == ["46GP8", "N11GT", "0IH69"]
    assert split.label_sets.tolist() == SETS
    assert split.labels == {}
    assert split.class_names["action"][2] == "Taking some clothes from somewhere"
    assert split.head(1).label_sets.tolist() == SETS[:1]


def test_lists_may_lie_in_the_folder_of_the_release(tmp_path):
    (tmp_path / "Charades").mkdir()
    read(tmp_path / "Charades")
    assert read_split(CHARADES, "test", tmp_path).label_sets.tolist() == SETS


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n",
        lambda text: text.replace(";c001", " ; c001"),
        lambda text: text.replace("30.00,", "30.00;,"),
        lambda text: text.replace("c000 3.50 10.70", "C000"),
        lambda text: text.replace("46GP8,", " 46GP8 ,"),
        lambda text: re.sub(r"(\.\d\d)\n", r"\1,No\n", text.replace("length\n", "length,egocentric\n")),
        lambda text: text.replace("cooking.", "cooking.\nThen eating."),
    ],
)
def test_lists_of_strangers_mean_the_same(tmp_path, change):
    split = read(tmp_path, change(HEADER + ROWS))
    assert list(split.ids) == ["46GP8", "N11GT", "0IH69"]
    assert split.label_sets.tolist() == SETS


def test_a_list_without_actions_has_no_labels(tmp_path):
    assert read(tmp_path, "id,subject\n46GP8,HR43\n").label_sets is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROWS.replace("c001 0", "c003 0"), "'c003 0.00 12.60' is not"),
        (HEADER + ROWS.replace("c001 0.00 12.60", "putting"), "'putting' is not"),
        (HEADER + ROWS.replace("c000 3.50 10.70", "c000 3.50"), "'c000 3.50' is not"),
        (HEADER + ROWS + ROWS, "duplicate id '46GP8'"),
        (ROWS, "no column 'id'"),
        (HEADER, "no column 'id'"),
        (HEADER + ROWS.replace(",29.71", ""), "cut short"),
        (HEADER + ROWS.replace("0IH69,", ","), "no id"),
        (b"id,actions\n\xe9,c000\n", "not UTF-8"),
    ],
)
def test_lists_that_mean_something_else_are_refused(tmp_path, text, message):
    with pytest.raises(SplitError, match=message) as error:
        read(tmp_path, text)
    assert "Charades_v1_test.csv" in str(error.value.where)


@pytest.mark.parametrize(
    "classes", [CLASSES.replace("c001", "c003"), CLASSES[26:], CLASSES + CLASSES, "Holding\nPutting\nTaking\n"]
)
def test_other_class_files_are_refused(tmp_path, classes):
    with pytest.raises(SplitError, match="not the classes c000 to c002"):
        read(tmp_path, classes=classes)
    (tmp_path / "Charades_v1_classes.txt").unlink()
    assert read(tmp_path, classes=None).class_names == {}


MANIFEST = """
[datasets.acts]
like = "charades"
title = "Acts"
classes = 3
"""


@pytest.fixture
def store(workspace):
    (workspace.root / "manifests" / "acts.toml").write_text(MANIFEST)
    (workspace.root / "data" / "acts").mkdir(parents=True)
    read(workspace.root / "data" / "acts")

    def call(model, scores, **options):
        path = workspace.root / f"{model}.h5"
        content = clip_scores(
            np.asarray(scores, float), ["46GP8", "N11GT", "0IH69"], model=model, dataset="acts", split="test", **options
        )
        write(path, content)
        return path

    return call


def test_evaluate_gives_mean_average_precision(store, gsmbench):
    scores = np.random.default_rng(0).standard_normal((3, 2, 3))
    path = store("one", scores)
    result = gb.Bench().evaluate(path)
    expected = [mean_average_precision(scores[:, 1].astype(np.float32), np.array(SETS)).value]
    expected.append(mean_average_precision(scores.astype(np.float32).mean(axis=1), np.array(SETS)).value)
    assert [row["mean_ap"] for row in result.rows] == pytest.approx(expected)
    assert result.mean_ap == pytest.approx(expected[1])
    low, high = result.interval
    assert 0 <= low <= result.mean_ap <= high <= 1
    assert any("jackknife over videos" in note for note in result.tables[0].notes)
    assert any("1 video without a class left out" in note for note in result.tables[0].notes)
    assert not any("no labels" in message for message in result.messages)
    ran = gsmbench("evaluate", path, "--format", "json")
    assert ran.status == 0, ran.err
    assert json.loads(ran.out)["rows"][1]["mean_ap"] == pytest.approx(expected[1])
    assert "top1" not in json.loads(ran.out)["rows"][1]


def test_an_ensemble_is_ranked_by_the_mean_of_its_scores(store):
    rng = np.random.default_rng(1)
    scores = [rng.standard_normal((3, 1, 3)) for _ in range(2)]
    files = [store(name, one, offsets=(0.5,)) for name, one in zip(("one", "two"), scores, strict=True)]
    result = gb.Bench().ensemble(files)
    expected = mean_average_precision(np.mean(scores, axis=0)[:, 0], np.array(SETS)).value
    assert result.mean_ap == pytest.approx(expected)
    assert result.rows[0]["mean_ap"] == pytest.approx(mean_average_precision(scores[0][:, 0], np.array(SETS)).value)


def test_scores_are_not_converted_by_a_softmax(store):
    one = store("one", np.zeros((3, 1, 3)), offsets=(0.5,))
    two = store("two", np.full((3, 1, 3), 0.5), offsets=(0.5,), kind="probabilities")
    with pytest.raises(AlignmentError, match="multi-label"):
        gb.Bench().ensemble([one, two], space="probabilities")


def test_scores_of_other_classes_are_refused(store):
    with pytest.raises(LabelError, match="the scores have 4 classes, the list has 3"):
        gb.Bench().evaluate(store("one", np.zeros((3, 1, 4)), offsets=(0.5,)))


def test_videos_without_scores_are_left_out_and_said(store):
    path = store("one", np.random.default_rng(0).random((3, 1, 3)), offsets=(0.5,), status=[0, 0, 2])
    result = gb.Bench().evaluate(path)
    assert result.row["videos"] == "1"
    assert any("1 video without a score" in note for note in result.tables[0].notes)
    assert not result.complete


def test_a_comparison_says_that_there_are_no_accuracies(store):
    files = [store(name, np.random.default_rng(0).random((3, 1, 3)), offsets=(0.5,)) for name in ("one", "two")]
    notes = gb.Bench().compare(*files).tables[0].notes
    assert any("A video may have several classes (evaluate gives the mAP of each result)" in note for note in notes)
