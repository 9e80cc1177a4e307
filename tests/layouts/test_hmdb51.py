"""Lists of HMDB51 as published, one file per class and split, and as strangers have them."""

from dataclasses import replace

import pytest

from gsm_bench.errors import SplitError
from gsm_bench.manifest import shipped_dataset
from gsm_bench.splits import read_list, read_split

HMDB = replace(shipped_dataset("hmdb51"), classes=3)
LISTS = {
    "brush_hair": "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \nApril_09_brush_hair_u_nm_np1_ba_goo_1.avi 1 \n"
    "My_Hair_brush_hair_h_nm_np1_le_goo_0.avi 2 \nother.avi 0 \n",
    "clap": "#20_Rhythm_clap_u_nm_np1_fr_goo_1.avi 2 \n(HQ)_Clap!_clap_u_nm_np1_fr_med_0.avi 1 \n",
    "wave": "20060723sfjffbartsinger_wave_f_cm_np1_ba_med_0.avi 2 \n20060723sfjffbartsinger_wave_f_cm_np1_ba_med_1.avi 2 \n",
}
TEST = [
    "brush_hair/My_Hair_brush_hair_h_nm_np1_le_goo_0",
    "clap/#20_Rhythm_clap_u_nm_np1_fr_goo_1",
    "wave/20060723sfjffbartsinger_wave_f_cm_np1_ba_med_0",
    "wave/20060723sfjffbartsinger_wave_f_cm_np1_ba_med_1",
]


def write(folder, change=lambda text: text, lists=LISTS, ending="_test_split1.txt"):
    folder.mkdir(parents=True, exist_ok=True)
    for action, text in lists.items():
        changed = change(text)
        (folder / f"{action}{ending}").write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    return folder


def test_rows_marked_2_are_the_test_list_and_rows_marked_1_the_training_list(tmp_path):
    write(tmp_path)
    test, train = read_split(HMDB, "test1", tmp_path), read_split(HMDB, "train1", tmp_path)
    assert list(test.ids) == TEST
    assert test.labels["action"].tolist() == [0, 1, 2, 2]
    assert test.class_names["action"] == ("brush_hair", "clap", "wave")
    assert len(train) == 3
    assert train.labels["action"].tolist() == [0, 0, 1]
    assert not set(train.ids) & set(test.ids)


def test_videos_of_one_source_are_a_group(tmp_path):
    assert read_split(HMDB, "test1", write(tmp_path)).groups.tolist() == [2, 0, 1, 1]


def test_every_file_that_was_read_is_in_the_fingerprint(tmp_path):
    split = read_split(HMDB, "test1", write(tmp_path))
    assert sorted(split.list_files) == [f"{action}_test_split1.txt" for action in LISTS]


def test_each_split_has_its_own_files(tmp_path):
    other = write(
        write(tmp_path), lambda text: text.replace(" 2 ", " 0 ").replace(" 1 ", " 2 "), ending="_test_split2.txt"
    )
    assert list(read_split(HMDB, "test1", other).ids) == TEST
    assert list(read_split(HMDB, "test2", other).ids) == list(read_split(HMDB, "train1", other).ids)


@pytest.mark.parametrize("folder", ["testTrainMulti_7030_splits", "test_train_splits/testTrainMulti_7030_splits"])
def test_lists_may_stay_in_the_folders_of_the_release(tmp_path, folder):
    write(tmp_path / folder)
    assert list(read_split(HMDB, "test1", tmp_path).ids) == TEST


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(" \n", "\n"),
        lambda text: text.replace(" \n", "\n").rstrip("\n"),
        lambda text: "\n" + text + "\n\n",
        lambda text: text.replace(".avi ", ".avi\t"),
        lambda text: text.replace(".avi ", ".AVI   "),
        lambda text: text.replace(".avi", ".mp4"),
        lambda text: text.replace(".avi", ""),
        lambda text: "".join(f"  hmdb51_org/some/{line}\n" for line in text.splitlines()),
        lambda text: "".join(f"some\\{line}\n" for line in text.splitlines()),
    ],
)
def test_lists_of_strangers_mean_the_same(tmp_path, change):
    split = read_split(HMDB, "test1", write(tmp_path, change))
    assert list(split.ids) == TEST
    assert split.labels["action"].tolist() == [0, 1, 2, 2]


def test_other_files_beside_the_lists_are_no_classes(tmp_path):
    write(tmp_path)
    for name in ("._wave_test_split1.txt", "split_readme.txt", "wave_test_split1.txt.bak", ".DS_Store"):
        (tmp_path / name).write_bytes(b"\0\1")
    assert list(read_split(HMDB, "test1", tmp_path).ids) == TEST


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(" 2 \n", "\n"), "not <video>.avi with 0, 1 or 2"),
        (lambda text: text.replace(" 2 ", " 3 "), "not <video>.avi with 0, 1 or 2"),
        (lambda text: text.replace(" 2 ", " test "), "not <video>.avi with 0, 1 or 2"),
        (lambda text: text.replace(" 2 ", " 02 "), "not <video>.avi with 0, 1 or 2"),
        (lambda text: text + text.replace(" 2 ", " 1 "), "is listed twice|is marked 2 and 1"),
        (lambda text: text + text.replace(".avi", ".mp4"), "duplicate id: .* is listed twice"),
        (lambda text: "\n\n", "empty"),
        (lambda text: b"v_\xe9.avi 1\n", "not UTF-8"),
    ],
)
def test_lists_that_mean_something_else_are_refused(tmp_path, change, message):
    with pytest.raises(SplitError, match=message) as error:
        read_split(HMDB, "test1", write(tmp_path, change))
    assert "_test_split1.txt" in str(error.value.where)
    assert error.value.fix


def test_a_video_with_two_marks_is_refused(tmp_path):
    write(tmp_path)
    with (tmp_path / "wave_test_split1.txt").open("a") as file:
        file.write("20060723sfjffbartsinger_wave_f_cm_np1_ba_med_0.avi 1\n")
    with pytest.raises(SplitError, match="is marked 2 and 1"):
        read_split(HMDB, "train1", tmp_path)


def test_a_missing_or_unknown_class_is_refused(tmp_path):
    write(tmp_path)
    with pytest.raises(SplitError, match="lists of 3 of the 51 classes"):
        read_split(shipped_dataset("hmdb51"), "test1", tmp_path)
    (tmp_path / "classes.txt").write_text("brush_hair\nclap\nwalk\n")
    with pytest.raises(SplitError, match="'walk' has no list here"):
        read_split(HMDB, "test1", tmp_path)
    (tmp_path / "classes.txt").write_text("brush_hair\nclap\nwave\n")
    assert list(read_split(HMDB, "test1", tmp_path).ids) == TEST


def test_a_file_of_another_split_is_refused(tmp_path):
    write(tmp_path, ending="_test_split2.txt")
    with pytest.raises(SplitError, match="not a list of this split"):
        read_list(HMDB, "test1", tmp_path / "wave_test_split2.txt")
    with pytest.raises(SplitError, match="no list of hmdb51/test1"):
        read_split(HMDB, "test1", tmp_path)
    assert list(read_list(HMDB, "test2", tmp_path / "wave_test_split2.txt").ids) == TEST
