"""Data sets without lists: a folder per split, in it a folder per class."""

from dataclasses import replace

import pytest

from gsm_bench.errors import SplitError
from gsm_bench.manifest import shipped_dataset
from gsm_bench.splits import read_list, read_split

FOLDER = shipped_dataset("folder")


def make(root, *names):
    for name in names:
        place = root / name
        if name.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"")
    return root


@pytest.fixture
def data(tmp_path):
    return make(
        tmp_path / "mine",
        *(
            f"{split}/{action}/{split}{at}.mp4"
            for split in ("train", "val")
            for action in ("wave", "clap", "brush hair")
            for at in (1, 0)
        ),
    )


def test_classes_are_the_sorted_folders_and_ids_the_paths_without_suffix(data):
    split = read_split(FOLDER, "val", data)
    assert list(split.ids) == [f"val/{action}/val{at}" for action in ("brush hair", "clap", "wave") for at in (0, 1)]
    assert split.labels["action"].tolist() == [0, 0, 1, 1, 2, 2]
    assert split.class_names["action"] == ("brush hair", "clap", "wave")
    assert read_list(FOLDER, "val", data / "val").ids == split.ids


def test_a_data_set_without_splits_is_read_whole(data):
    split = read_split(FOLDER, "all", data / "val")
    assert list(split.ids)[:2] == ["brush hair/val0", "brush hair/val1"]
    assert split.labels["action"].tolist() == [0, 0, 1, 1, 2, 2]


def test_the_training_split_numbers_the_classes_of_a_split_that_lacks_some(data):
    (data / "val" / "clap" / "val0.mp4").unlink()
    (data / "val" / "clap" / "val1.mp4").unlink()
    (data / "val" / "clap").rmdir()
    assert read_split(FOLDER, "val", data).labels["action"].tolist() == [0, 0, 2, 2]


def test_a_class_file_names_classes_without_a_folder(data):
    make(data, "classes.txt").joinpath("classes.txt").write_bytes(
        b"\xef\xbb\xbfwave\r\nbrush hair\r\nclap\r\nboxing\r\n"
    )
    split = read_split(FOLDER, "val", data)
    assert split.class_names["action"] == ("boxing", "brush hair", "clap", "wave")
    assert split.labels["action"].tolist() == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    "names",
    [
        (".DS_Store", "val/.DS_Store", "val/wave/.DS_Store", "val/wave/._val0.mp4", "__MACOSX/", "val/__MACOSX/x"),
        ("val/wave/Thumbs.db", "val/wave/desktop.ini"),
        ("README.txt", "val/list.csv", "val/wave.zip"),
        ("val/wave/val0/img_00001.jpg",),
    ],
)
def test_files_of_other_programs_and_second_forms_of_a_video_change_nothing(data, names):
    before = read_split(FOLDER, "val", data)
    after = read_split(FOLDER, "val", make(data, *names))
    assert after.ids == before.ids
    assert after.class_names == before.class_names


def test_videos_may_be_files_of_any_kind_and_folders_of_frames(data):
    make(data, "val/wave/a.b.MKV", "val/wave/c.tar", "val/wave/d.1/img_00001.jpg", "val/wave/Ünal #1.avi")
    assert {"val/wave/a.b", "val/wave/c", "val/wave/d.1", "val/wave/Ünal #1"} <= set(
        read_split(FOLDER, "val", data).ids
    )


def test_an_accent_has_one_name_however_it_is_written(tmp_path):
    make(tmp_path, "train/cafe\u0301/a.mp4", "train/zoo/b.mp4", "val/caf\u00e9/c.mp4")
    assert read_split(FOLDER, "val", tmp_path).labels["action"].tolist() == [0]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("val/boxing/x.mp4",), "'boxing' is not one of the 3 classes of .*train"),
        (("val/wave/img_00001.jpg",), "'img_00001.jpg' is no video"),
        (("val/wave/notes.txt",), "'notes.txt' is no video"),
        (("val/wave/video",), "'video' is no video"),
        (("val/wave/val0.avi",), "duplicate id: two files of the video 'val0'"),
        (("train/cafe\u0301/a.mp4", "train/caf\u00e9/a.mp4"), "two folders have one name"),
    ],
)
def test_folders_that_mean_something_else_are_refused(data, names, message):
    with pytest.raises(SplitError, match=message) as error:
        read_split(FOLDER, "val", make(data, *names))
    assert error.value.fix
    assert error.value.where


def test_empty_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(SplitError, match="no list of folder/val"):
        read_split(FOLDER, "val", tmp_path)
    with pytest.raises(SplitError, match="no folders of classes"):
        read_split(FOLDER, "val", make(tmp_path, "val/"))
    with pytest.raises(SplitError, match="no videos"):
        read_split(FOLDER, "val", make(tmp_path, "val/wave/"))


def test_a_known_number_of_classes_is_checked(data):
    assert len(read_split(replace(FOLDER, classes=3), "val", data)) == 6
    with pytest.raises(SplitError, match="3 folders of classes, but folder has 4 classes"):
        read_split(replace(FOLDER, classes=4), "val", data)


def test_a_link_that_leads_nowhere_is_no_video(data):
    (data / "val" / "wave" / "gone.mp4").symlink_to(data / "nowhere.mp4")
    with pytest.raises(SplitError, match=r"'gone.mp4' is no video"):
        read_split(FOLDER, "val", data)


def test_a_split_may_be_a_link_to_another_place(data, tmp_path):
    (data / "train" / "zoo").mkdir()
    (data / "val").rename(tmp_path / "elsewhere")
    (data / "val").symlink_to(tmp_path / "elsewhere")
    split = read_split(FOLDER, "val", data)
    assert split.class_names["action"] == ("brush hair", "clap", "wave", "zoo")
    assert split.ids[0] == "val/brush hair/val0"


def test_folders_of_splits_are_not_taken_for_classes(data):
    with pytest.raises(SplitError, match="'train' is the folder of a split"):
        read_split(FOLDER, "all", data)
    (data / "classes.txt").write_text("train\nval\n")
    assert read_split(FOLDER, "all", data).class_names["action"] == ("train", "val")


def test_a_file_in_the_place_of_the_folders_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("a 1 0\n")
    with pytest.raises(SplitError, match="a folder per class has no list"):
        read_list(FOLDER, "val", tmp_path / "list.txt")
