import json

import pytest

from gsm_bench.errors import SplitError
from gsm_bench.manifest import load_manifest
from gsm_bench.splits import read_split
from gsm_bench.workspace import Workspace

LIST = [
    {
        "id": "78687",
        "label": "holding potato next to vicks",
        "template": "Class [something] 003",
        "placeholders": ["potato"],
    },
    {"id": "42326", "label": "pulling a lid", "template": "Class something 001"},
    {"id": "100904", "label": "x", "template": "Class [something] [part of something] 000"},
]


@pytest.fixture
def release(tmp_path):
    """The release's files, with 174 made-up names."""
    names = ["Class something part of something 000", *(f"Class something {at:03d}" for at in range(1, 174))]
    numbers = {name: str(at) for at, name in enumerate(sorted(names))}
    (tmp_path / "something-something-v2-labels.json").write_text(json.dumps(numbers))
    (tmp_path / "something-something-v2-validation.json").write_text(json.dumps(LIST))
    (tmp_path / "something-something-v2-test.json").write_text(json.dumps([{"id": "1"}, {"id": "2"}]))
    return tmp_path


@pytest.fixture
def entry(tmp_path):
    return load_manifest(Workspace.locate(tmp_path)).dataset("something-v2")


def test_templates_without_brackets_are_class_names(entry, release):
    split = read_split(entry, "validation", release)
    assert split.ids == ("78687", "42326", "100904")
    assert [split.class_names["action"][label] for label in split.labels["action"]] == [
        "Class something 003", "Class something 001", "Class something part of something 000",
    ]  # fmt: skip
    assert split.num_frames.tolist() == [0, 0, 0], "videos are counted"
    assert read_split(entry, "test", release).labels == {}


def test_folder_of_the_later_release(entry, release):
    (release / "labels").mkdir()
    (release / "something-something-v2-validation.json").rename(release / "labels/validation.json")
    (release / "something-something-v2-labels.json").rename(release / "labels/labels.json")
    assert len(read_split(entry, "validation", release).class_names["action"]) == 174


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("validation", [{"id": "1", "template": "Doing nothing"}], "'Doing nothing' is not one of the 174 class names"),
        ("validation", [{"name": "1"}], "not a Something-Something V2 list"),
        ("validation", {"id": "1"}, "not a list"),
        ("labels", {"a": "0", "b": "2"}, "not numbered 0..1"),
        ("labels", {"b": "0", "a": "1"}, "not in alphabetical order"),
        ("labels", {"a": "0", "b": "1"}, "2 different class names"),
    ],
)
def test_wrong_files(entry, release, file, content, message):
    (release / f"something-something-v2-{file}.json").write_text(json.dumps(content))
    with pytest.raises(SplitError, match=message):
        read_split(entry, "validation", release)


def test_without_the_label_file(entry, release):
    (release / "something-something-v2-labels.json").unlink()
    with pytest.raises(SplitError, match=r"put one of something-something-v2-labels\.json, labels\.json"):
        read_split(entry, "validation", release)
