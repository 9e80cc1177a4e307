import json
from dataclasses import replace

import pytest

from gsm_bench.entries import DatasetEntry, SplitEntry
from gsm_bench.errors import SplitError
from gsm_bench.manifest import load_manifest
from gsm_bench.splits import ids_sha256, read_split


@pytest.fixture
def something(workspace):
    return load_manifest(workspace).dataset("something-v1")


def small(layout="something-v1", order="alphabetical", **more):
    splits = {"validation": SplitEntry(("val_videofolder.txt", "validation.csv", "test.json"))}
    return DatasetEntry(
        "small",
        "Small",
        layout,
        3,
        order,
        "{id}/{frame:05d}.jpg",
        splits,
        (".",),
        ("category.txt", "labels.csv", "vocab.json"),
        **more,
    )


def test_reference_list(something, reference):
    split = read_split(something, "validation", reference / "e2e")
    assert split.ids == ("10001", "10002", "10003", "10004")
    assert split.num_frames.tolist() == [12, 25, 40, 61]
    assert split.labels["action"].tolist() == [3, 17, 86, 173]
    assert split.full_size == 11522
    assert split.sha256 == ids_sha256(["10001", "10002", "10003", "10004"])


def test_csv_numbers_classes_by_sorted_names(tmp_path):
    (tmp_path / "labels.csv").write_text("Pushing it\nClosing it\nOpening it\n")
    (tmp_path / "validation.csv").write_text("7;Pushing it\n9;Closing it\n")
    split = read_split(small(), "validation", tmp_path)
    assert split.class_names["action"] == ("Closing it", "Opening it", "Pushing it")
    assert split.labels["action"].tolist() == [2, 0]
    assert split.num_frames.tolist() == [0, 0]


def test_csv_without_labels(tmp_path):
    (tmp_path / "validation.csv").write_text("7\n9\n")
    split = read_split(small(), "validation", tmp_path)
    assert split.labels == {}
    assert split.ids == ("7", "9")


def test_diving48_json(tmp_path):
    rows = [
        {"vid_name": "a_00", "label": 2, "start_frame": 0, "end_frame": 90},
        {"vid_name": "b_01", "label": 0, "start_frame": 0, "end_frame": 10},
    ]
    (tmp_path / "test.json").write_text(json.dumps(rows))
    (tmp_path / "vocab.json").write_text(json.dumps([["Back", "15som"], ["Back", "25som"], ["Inward", "Free"]]))
    split = read_split(small("diving48", "file"), "validation", tmp_path)
    assert split.labels["action"].tolist() == [2, 0]
    assert split.class_names["action"] == ("Back+15som", "Back+25som", "Inward+Free")


def test_plain_lists_with_and_without_labels(tmp_path):
    (tmp_path / "val_videofolder.txt").write_text("a b 12 0\nc 3 2\n")
    split = read_split(small("list"), "validation", tmp_path)
    assert split.ids == ("a b", "c")
    assert split.num_frames.tolist() == [12, 3]
    (tmp_path / "val_videofolder.txt").write_text("a 12\nc 3\n")
    assert read_split(small("list"), "validation", tmp_path).labels == {}
    (tmp_path / "val_videofolder.txt").write_text("a\nc\n")
    assert read_split(small("list"), "validation", tmp_path).num_frames.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 12 0\na 3 1\n", "duplicate id 'a'"),
        ("a 12 0\nb 3 3\n", "class 3 of video 'b' is not among 0..2"),
        ("a 12 0\nb three 1\n", "expected <id> <frames> <class>"),
        ("a 12 0\nb 0 1\n", "line 2"),
        ("", "empty"),
        ("a 99999999999999999999 0\n", "frames in one video"),
        ("a 12 99999999999999999999\n", "not among 0..2"),
    ],
)
def test_bad_lists(tmp_path, text, message):
    (tmp_path / "val_videofolder.txt").write_text(text)
    with pytest.raises(SplitError, match=message):
        read_split(small("list"), "validation", tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path):
    (tmp_path / "val_videofolder.txt").write_bytes("\ufeffa 12 0\n".encode())
    assert read_split(small("list"), "validation", tmp_path).ids == ("a",)


@pytest.mark.parametrize(
    ("name", "content"), [("validation.csv", b""), ("test.json", b"[]"), ("validation.csv", b"\xff\xfe7;a")]
)
def test_empty_and_binary_lists(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SplitError, match=r"empty|not a text file"):
        read_split(small("diving48" if name.endswith("json") else "something-v1"), "validation", tmp_path)


def test_unsorted_category_file_is_refused(tmp_path):
    (tmp_path / "val_videofolder.txt").write_text("a 12 0\n")
    (tmp_path / "category.txt").write_text("b\na\nc\n")
    with pytest.raises(SplitError, match="alphabetical"):
        read_split(small(), "validation", tmp_path)


def test_wrong_number_of_class_names(tmp_path):
    (tmp_path / "val_videofolder.txt").write_text("a 12 0\n")
    (tmp_path / "category.txt").write_text("a\nb\n")
    with pytest.raises(SplitError, match="2 different class names, but small has 3"):
        read_split(small(), "validation", tmp_path)


def test_label_that_is_no_class(tmp_path):
    (tmp_path / "labels.csv").write_text("a\nb\nc\n")
    (tmp_path / "validation.csv").write_text("7;a\n9;z\n")
    with pytest.raises(SplitError, match="'z' is not one of the 3 class names"):
        read_split(small(), "validation", tmp_path)


def test_nothing_there_names_what_was_looked_for(tmp_path, something):
    with pytest.raises(SplitError, match=r"val_videofolder\.txt, validation_videofolder\.txt"):
        read_split(something, "validation", tmp_path)
    with pytest.raises(SplitError, match="--data DIR"):
        read_split(something, "validation", tmp_path / "none")
    with pytest.raises(SplitError, match="train, validation, test"):
        read_split(something, "val", tmp_path)


def test_groups(tmp_path):
    (tmp_path / "val_videofolder.txt").write_text("a 12 0\nb 9 1\nc 9 1\n")
    entry = small("list")
    grouped = replace(entry, splits={"validation": replace(entry.splits["validation"], groups="clips.csv:video")})
    assert read_split(grouped, "validation", tmp_path).groups is None, "the file is optional"
    (tmp_path / "clips.csv").write_text("id,video\nc,x\nb,y\na,x\n")
    found = read_split(grouped, "validation", tmp_path).groups
    assert found[0] == found[2] != found[1]
    (tmp_path / "clips.csv").write_text("id,video\na,x\n")
    with pytest.raises(SplitError, match="video 'b' has no video"):
        read_split(grouped, "validation", tmp_path)
    (tmp_path / "clips.csv").write_text("id,participant\na,x\n")
    with pytest.raises(SplitError, match="lacks the column id or video"):
        read_split(grouped, "validation", tmp_path)


def test_head(something, reference):
    split = read_split(something, "validation", reference / "e2e").head(2)
    assert len(split) == len(split.labels["action"]) == 2
