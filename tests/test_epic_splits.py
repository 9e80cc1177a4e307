"""EPIC-KITCHENS annotations: small files of the same layout everywhere, the organisers' own where they are."""

from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.actions import NO_COLUMN, action_columns, parse_pairs
from gsm_bench.errors import SplitError
from gsm_bench.evaluation.ground_truth import ground_truth_for
from gsm_bench.layouts.epic import training_pairs
from gsm_bench.layouts.verb_noun import read_verb_noun
from gsm_bench.manifest import load_manifest
from gsm_bench.splits import read_split
from tests.epic_files import write_epic_55, write_epic_100


@pytest.fixture
def manifest(workspace):
    return load_manifest(workspace)


def test_segments_of_a_small_set(manifest, tmp_path):
    write_epic_55(tmp_path)
    split = read_split(manifest.dataset("epic-55"), "s1", tmp_path)
    clip = split.video(1)
    assert (clip.id, clip.video, clip.participant, clip.start, clip.num_frames) == ("101", "P01_11", "P01", 20, 31)
    assert split.labels == {}
    assert split.head(1).video(0) == split.video(0)
    assert split.groups.tolist() == [0, 0, 1, 2]


def test_action_columns_are_the_pairs_of_the_training_csv_ascending(manifest, tmp_path):
    write_epic_55(tmp_path)
    split = read_split(manifest.dataset("epic-55"), "train", tmp_path)
    assert split.class_names["action"] == ("0,1", "0,10", "3,2")
    assert split.labels["action"].tolist() == [2, 0, 1, 0]
    assert split.class_names["verb"][:2] == ("verb 0", "verb 1")


def test_a_pair_without_a_column_is_known_to_be_wrong_and_an_unknown_one_is_not():
    pairs = parse_pairs(["0,1", "0,10", "3,2"])
    verbs, nouns = np.array([3, 0, 1, -1]), np.array([2, 10, 1, 4])
    assert action_columns(pairs, verbs, nouns).tolist() == [2, 1, NO_COLUMN, -1]


def test_a_pandas_pickle_is_refused_with_the_name_of_the_csv(manifest, tmp_path):
    (tmp_path / "EPIC_test_s2_timestamps.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(SplitError, match="pandas pickle") as caught:
        read_split(manifest.dataset("epic-55"), "s2", tmp_path)
    assert caught.value.fix.startswith("use EPIC_test_s2_timestamps.csv")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("1,40", "41,40", "a segment from frame 41 to 40"),
        ("1,40", "0,40", "a segment from frame 0 to 40"),
        ("1,40", "one,40", "'one' in the column start_frame is not a number"),
        ("start_frame", "begin", "no column 'start_frame'"),
        ("101,P01", "100,P01", "duplicate id"),
        (",20,50", "", "cut short"),
    ],
)
def test_damaged_lists_are_named(manifest, tmp_path, before, after, said):
    write_epic_55(tmp_path)
    path = tmp_path / "EPIC_test_s1_timestamps.csv"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(SplitError, match=said) as caught:
        read_split(manifest.dataset("epic-55"), "s1", tmp_path)
    assert str(path) in caught.value.where


def test_line_ends_of_windows_and_odd_characters_in_a_narration(manifest, tmp_path):
    write_epic_55(tmp_path)
    path = tmp_path / "EPIC_train_action_labels.csv"
    plain = read_split(manifest.dataset("epic-55"), "train", tmp_path)
    text = (
        path.read_text()
        .replace("wash cup", "wash\x0b\x85 the\u2028cup")
        .replace('"take pot, then lid"', '"take pot,\nthen lid"')
    )
    path.write_bytes(text.replace("\n", "\r\n").encode())
    found = read_split(manifest.dataset("epic-55"), "train", tmp_path)
    assert (found.ids, found.num_frames.tolist()) == (plain.ids, plain.num_frames.tolist())


def test_class_files_of_another_release_are_refused(manifest, tmp_path):
    write_epic_55(tmp_path)
    path = tmp_path / "EPIC_verb_classes.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(SplitError, match=r"not the classes 0\.\.124 in order"):
        read_split(manifest.dataset("epic-55"), "s1", tmp_path)


def test_without_the_training_csv_there_are_no_action_columns(manifest, tmp_path):
    write_epic_100(tmp_path)
    split = read_split(manifest.dataset("epic-100"), "validation", tmp_path)
    assert set(split.labels) == {"verb", "noun"}
    assert "action" not in split.class_names


def test_action_labels_follow_the_columns_of_the_score_file(workspace, manifest, tmp_path):
    """Whatever training csv the columns came from, and whether or not it is still here."""
    from gsm_bench.scorefile import ScoreHead, views_array

    write_epic_100(workspace.data / "epic-100")
    split = read_split(manifest.dataset("epic-100"), "validation", workspace.data / "epic-100")
    head = ScoreHead(
        ids=split.ids,
        kinds={"verb": "logits", "noun": "logits", "action": "logits"},
        classes_per_task={"verb": 97, "noun": 300, "action": 2},
        views=views_array((0.5,), 1),
        status=np.zeros(len(split), np.uint8),
        provenance={"dataset": "epic-100", "split": "validation"},
        class_names={"action": ("4,5", "0,2")},
    )
    assert ground_truth_for(head, manifest, workspace).labels["action"].tolist() == [1, NO_COLUMN, 0]


class TestOrganisersFiles:
    @pytest.mark.parametrize(
        ("dataset", "split", "folder", "clips", "first"),
        [
            ("epic-55", "train", "epic55", 28_472, "0"),
            ("epic-55", "s1", "epic55", 8_047, "1924"),
            ("epic-55", "s2", "epic55", 2_929, "15582"),
            ("epic-100", "validation", "epic100", 9_668, "P01_11_0"),
            ("epic-100", "test", "epic100", 13_092, "P01_101_0"),
        ],
    )
    def test_every_list(self, manifest, real, dataset, split, folder, clips, first):
        found = read_split(manifest.dataset(dataset), split, real / folder)
        assert (len(found), found.ids[0]) == (clips, first)
        assert {task: len(names) for task, names in found.class_names.items() if task != "action"} == {
            "verb": manifest.dataset(dataset).tasks["verb"],
            "noun": manifest.dataset(dataset).tasks["noun"],
        }

    def test_short_segments(self, manifest, real):
        lengths = read_split(manifest.dataset("epic-100"), "test", real / "epic100").num_frames
        assert ((lengths < 16).sum(), (lengths < 24).sum()) == (50, 406)

    def test_action_classes(self, real):
        pairs = training_pairs(real / "epic55" / "EPIC_train_action_labels.csv")
        assert len(pairs) == 2_513
        assert pairs == sorted(pairs)

    def test_the_pickle_in_the_release(self, manifest, real):
        from gsm_bench.splits import read_list

        with pytest.raises(SplitError, match="pandas pickle"):
            read_list(manifest.dataset("epic-55"), "s2", real / "epic55" / "EPIC_test_s2_timestamps.pkl")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("b,many,wash,cup", "'many' in the column frames is not a number"),
        ("b,9,wsh,cup", "'wsh' is not one of the 2 verbs"),
    ],
)
def test_damaged_rows_of_a_list_of_verbs_and_nouns(manifest, tmp_path, row, said):
    entry = next(entry for entry in manifest.datasets.values() if entry.layout == "verb-noun")
    entry = replace(entry, class_files=("verbs.txt", "nouns.txt", "actions.txt"))
    for name, lines in (("verbs", "wash\ntake"), ("nouns", "cup\npan"), ("actions", "wash,cup")):
        (tmp_path / f"{name}.txt").write_text(f"{lines}\n")
    path = tmp_path / "list.csv"
    path.write_text(f"id,frames,verb,noun\na,9,wash,cup\n{row}\n")
    with pytest.raises(SplitError) as caught:
        read_verb_noun(entry, path)
    assert said in caught.value.what
    assert caught.value.where == f"{path}, line 3"
