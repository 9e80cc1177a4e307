"""The estimate for EPIC-55 from public EPIC-100 labels."""

import numpy as np
import pytest

from gsm_bench.errors import GsmBenchError, LabelError
from gsm_bench.evaluation.epic55_estimate import epic55_public_labels
from gsm_bench.manifest import load_manifest
from gsm_bench.splits import read_split
from tests.epic_files import write_epic_55

HEADER = "narration_id,participant_id,video_id,start_frame,stop_frame,verb,verb_class,noun,noun_class"


@pytest.fixture
def s1(workspace, tmp_path):
    write_epic_55(tmp_path)
    return read_split(load_manifest(workspace).dataset("epic-55"), "s1", tmp_path)


def test_matched_by_video_and_frames_and_mapped_by_words(s1, tmp_path):
    (tmp_path / "EPIC_100_validation.csv").write_text(
        f"{HEADER}\n"
        "a,P01,P01_11,1,40,verb 7,0,noun 9,0\n"
        "b,P01,P01_11,20,51,verb 1,0,noun 1,0\n"  # another last frame: no match
        "c,P02,P02_11,7,9,verb 3,0,unheard of,0\n"
    )
    labels = epic55_public_labels(s1, tmp_path, tmp_path)
    assert labels.labels["verb"].tolist() == [7, -1, 3, -1]
    assert labels.labels["noun"].tolist() == [9, -1, -1, -1]
    assert (labels.segments, labels.public, labels.usable) == (4, 2, {"verb": 2, "noun": 1, "action": 1})
    assert labels.dropped == {"verb": (), "noun": (("unheard of", 1),)}
    assert labels.absent_files == ("EPIC_100_train.csv",)
    assert labels.noise("verb") == pytest.approx(0.069)
    assert labels.noise("action") == pytest.approx(0.087)


def test_words_that_two_classes_claim_are_left_out(s1, tmp_path):
    path = tmp_path / "EPIC_verb_classes.csv"
    path.write_text(path.read_text().replace("['verb 8']", "['verb 8', 'verb 7']"))
    (tmp_path / "EPIC_100_train.csv").write_text(f"{HEADER}\na,P01,P01_11,1,40,verb 7,0,noun 9,0\n")
    assert epic55_public_labels(s1, tmp_path, tmp_path).labels["verb"].tolist() == [-1, -1, -1, -1]


def test_without_the_public_files(s1, tmp_path):
    with pytest.raises(LabelError, match="public labels") as caught:
        epic55_public_labels(s1, tmp_path, tmp_path)
    assert "git" in caught.value.fix or "clone" in caught.value.fix


@pytest.mark.parametrize(
    ("split", "found", "usable"),
    [
        ("s1", 8_032, {"verb": 7_815, "noun": 7_741, "action": 7_542}),
        ("s2", 1_630, {"verb": 1_593, "noun": 1_567, "action": 1_534}),
    ],
)
def test_organisers_files(workspace, real, split, found, usable):
    """Golden: 8,032 of S1, and 1,630 of S2 while the training file is away; 7,542 pairs of S1 keep an EPIC-55 class."""
    listed = read_split(load_manifest(workspace).dataset("epic-55"), split, real / "epic55")
    labels = epic55_public_labels(listed, real / "epic55", real / "epic100")
    assert (labels.public, labels.usable) == (found, usable)
    assert np.all((labels.labels["verb"] >= 0) <= (labels.labels["verb"] < 125))


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("EPIC_100_validation.csv", ",1,40,", ",one,40,", "'one' in the column start_frame is not a number"),
        ("EPIC_verb_classes.csv", "\"['verb 0']\"", "verb 0", "'verb 0' is no list of words"),
        ("EPIC_verb_classes.csv", "\"['verb 0']\"", "7", "'7' is no list of words"),
    ],
)
def test_damaged_files_are_named_by_line(s1, tmp_path, file, before, after, said):
    (tmp_path / "EPIC_100_validation.csv").write_text(f"{HEADER}\na,P01,P01_11,1,40,verb 7,0,noun 9,0\n")
    path = tmp_path / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(GsmBenchError) as caught:
        epic55_public_labels(s1, tmp_path, tmp_path)
    assert said in caught.value.what
    assert caught.value.where == f"{path}, line 2"
