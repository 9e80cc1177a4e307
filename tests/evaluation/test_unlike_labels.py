"""Releases of one data set with unlike labels, as of Diving48: told apart by their content, said, and never mixed."""

import json

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.errors import AlignmentError, NoLabelsError, SplitError
from gsm_bench.manifest import load_manifest, shipped_dataset
from gsm_bench.scorefile import write
from gsm_bench.splits import read_split
from tests.conftest import clip_scores

MANIFEST = """
[datasets.dives]
title = "Dives"
layout = "diving48"
classes = 3
class_order = "file"
frame_pattern = "{id}/{frame:05d}.jpg"
splits = { test = { lists = ["dives.json", "Diving48_test.json", "Diving48_V2_test.json"], versions = { V1 = 8, V2 = 6 } } }
"""
LABELS = {"V1": [0, 0, 1, 1, 2, 2, 0, 1], "V2": [1, 1, 2, 0, 0, 0]}
IDS = {"V1": [f"-mQ_{at:05d}" for at in range(8)], "V2": [f"-mQ_{at:05d}" for at in range(2, 8)]}
CARD = {
    "dataset": "dives", "split": "test", "crops": 1,
    "published": [{"clips": 1, "top1_percent": 62.5, "source": "table 5", "version": "V1"}],
}  # fmt: skip


def write_list(folder, release="V1", name="dives.json", labels=None):
    folder.mkdir(parents=True, exist_ok=True)
    numbers = labels or LABELS[release]
    rows = [
        {"vid_name": one, "label": label, "start_frame": 0, "end_frame": 9}
        for one, label in zip(IDS[release], numbers, strict=False)
    ]
    (folder / name).write_text(json.dumps(rows))
    return folder / name


@pytest.fixture
def store(workspace):
    (workspace.root / "manifests" / "dives.toml").write_text(MANIFEST)

    def call(model, release="V1", *, listed=None, **provenance):
        place = listed or write_list(workspace.root / release, release)
        ids, labels = IDS[release], LABELS["V1"][-len(LABELS[release]) :]
        path = workspace.root / f"{model}.h5"
        scores = np.random.default_rng(len(model)).random((len(ids), 1, 3))
        scores[np.arange(len(ids)), 0, labels] += 0.5
        content = clip_scores(
            scores, ids, offsets=(0.5,), model=model, dataset="dives", split="test", list_path=str(place), **provenance
        )
        write(path, content)
        return path

    return call


def entry(workspace):
    return load_manifest(workspace).dataset("dives")


@pytest.mark.parametrize("name", ["dives.json", "Diving48_test.json"])
def test_the_number_of_videos_tells_the_release(workspace, store, name):
    for release, count in (("V1", 8), ("V2", 6)):
        write_list(workspace.root / f"{release}-{name}", release, name)
        split = read_split(entry(workspace), "test", workspace.root / f"{release}-{name}")
        assert split.version == release
        assert split.full_size == count
        assert f"{name} has {count} videos and the labels of {release}" in split.note
        assert split.head(2).version == release


def test_a_name_that_says_another_release_is_refused(workspace, store):
    write_list(workspace.root / "a", "V1", "Diving48_V2_test.json")
    with pytest.raises(SplitError, match="named V2, but has the 8 videos of V1"):
        read_split(entry(workspace), "test", workspace.root / "a")


def test_a_list_of_neither_release_is_said(workspace, store):
    write_list(workspace.root / "a", labels=[0, 1, 2])
    split = read_split(entry(workspace), "test", workspace.root / "a")
    assert split.version == ""
    assert split.note == "dives.json has 3 videos and labels of none of the releases (V1 has 8, V2 has 6)"


def test_lists_of_another_release_beside_the_one_that_is_read_are_said(workspace, store):
    write_list(workspace.root / "a", "V1", "Diving48_test.json")
    write_list(workspace.root / "a", "V2", "Diving48_V2_test.json")
    assert (
        "not read, with other labels perhaps: Diving48_V2_test.json"
        in read_split(entry(workspace), "test", workspace.root / "a").note
    )


def test_evaluate_names_the_release(store):
    assert "Labels of dives/test: V1." in gb.Bench().evaluate(store("one")).tables[0].notes
    assert "Labels of dives/test: V2." in gb.Bench().evaluate(store("two", "V2")).tables[0].notes


def test_results_on_both_releases_are_not_compared(store):
    one, two = store("one"), store("two", "V2")
    result = gb.Bench().evaluate(one, two)
    assert "Labels of dives/test: V1 for one; V2 for two." in result.tables[0].notes
    assert any("Unlike labels: those of one and two differ in 2 of 6 videos" in note for note in result.tables[0].notes)
    assert [row["top1_p"] for row in result.rows] == [None, None]
    for mixed in (lambda bench: bench.compare(one, two), lambda bench: bench.ensemble([one, two])):
        with pytest.raises(AlignmentError):
            mixed(gb.Bench())


def test_unlike_labels_of_the_same_videos_are_refused_too(store, workspace):
    one = store("one")
    other = store("other", listed=write_list(workspace.root / "c", labels=[0, 0, 1, 1, 2, 2, 0, 0]))
    result = gb.Bench().evaluate(one, other)
    assert any("differ in 1 of 8 videos" in note for note in result.tables[0].notes)
    assert [row["top1_p"] for row in result.rows] == [None, None]
    for mixed in (lambda bench: bench.compare(one, other), lambda bench: bench.ensemble([one, other])):
        with pytest.raises(AlignmentError, match="1 of 8 action labels of one and other differ"):
            mixed(gb.Bench())


def test_scores_of_one_release_take_no_labels_of_the_other(store, workspace):
    write_list(workspace.root / "b", "V2")
    with pytest.raises(NoLabelsError, match="lists other videos"):
        gb.Bench().evaluate(store("one"), data=workspace.root / "b")
    write_list(workspace.root / "a")
    with pytest.raises(NoLabelsError, match="lists other videos"):
        gb.Bench().evaluate(store("two", "V2"), data=workspace.root / "a")


def test_an_accuracy_is_not_judged_by_one_that_was_published_on_other_labels(store):
    (message,) = [text for text in gb.Bench().evaluate(store("one", entry=CARD)).messages if "published" in text]
    assert "PASS" in message or "OPEN" in message
    (message,) = [text for text in gb.Bench().evaluate(store("two", "V2", entry=CARD)).messages if "published" in text]
    assert "no verdict" in message
    assert "it is on the labels of V1, these are of V2" in message


def test_like_labels_have_no_note(store):
    notes = gb.Bench().evaluate(store("one"), store("other")).tables[0].notes
    assert not any("Unlike" in note for note in notes)


def test_the_shipped_entries_know_both_releases():
    assert shipped_dataset("diving48").splits["test"].versions == {"V1": 2096, "V2": 1970}
    assert shipped_dataset("diving48-v2").splits["test"].lists == ("Diving48_V2_test.json",)


def test_the_check_of_a_data_set_names_the_release(workspace, store, gsmbench):
    write_list(workspace.root / "a", "V2")
    ran = gsmbench("datasets", "check", "dives", "--data", workspace.root / "a", "--format", "csv")
    assert ran.status == 0
    assert ",V2," in ran.out
