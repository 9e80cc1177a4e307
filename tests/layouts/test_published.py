"""Lists as their owners publish them, and the same lists as strangers have them."""

from dataclasses import replace

import pytest

from gsm_bench.errors import SplitError
from gsm_bench.manifest import shipped_dataset
from gsm_bench.splits import read_list

UCF = replace(shipped_dataset("ucf101"), classes=3)
KINETICS = replace(shipped_dataset("kinetics-400"), classes=3)
UCF_CLASSES = "1 ApplyEyeMakeup\n2 Biking\n3 HandstandPushups\n"
TEST_LIST = "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\nHandstandPushups/v_HandStandPushups_g01_c02.avi\nBiking/v_Biking_g01_c01.avi\n"
TRAIN_LIST = "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\nBiking/v_Biking_g08_c01.avi 2\nHandstandPushups/v_HandStandPushups_g08_c01.avi 3\n"
VAL = (
    "label,youtube_id,time_start,time_end,split\n"
    "test drive,--07WQ2iBlw,1,11,validate\nabseiling,0wR5jVB-WPk,417,427,validate\nzumba,3caPS4FHFF8,36,46,validate\n"
)


def ucf(folder, text, name="testlist01.txt", split="test1", classes=UCF_CLASSES):
    (folder / "classInd.txt").write_text(classes)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_list(UCF, split, folder / name)


def kinetics(folder, text, split="validation"):
    (folder / "val.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_list(KINETICS, split, folder / "val.csv")


def test_ucf101_lists_give_the_class_by_the_folder(tmp_path):
    split = ucf(tmp_path, TEST_LIST)
    assert list(split.ids)[1] == "HandstandPushups/v_HandStandPushups_g01_c02"
    assert split.labels["action"].tolist() == [0, 2, 1]
    assert ucf(tmp_path, TRAIN_LIST, "trainlist01.txt", "train1").labels["action"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n",
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(".avi", ""),
        lambda text: text.replace(".avi", ".AVI"),
        lambda text: text.replace("/", "\\"),
        lambda text: "".join(f"  UCF-101/{line}  \n" for line in text.splitlines()),
        lambda text: text.replace(".avi", ".mp4"),
    ],
)
def test_ucf101_lists_of_strangers_mean_the_same(tmp_path, change):
    split, odd = ucf(tmp_path, TEST_LIST), ucf(tmp_path, change(TEST_LIST))
    assert list(odd.ids) == list(split.ids)
    assert odd.labels["action"].tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TRAIN_LIST.replace(" 1\n", " 0\n").replace(" 2\n", " 1\n").replace(" 3\n", " 2\n"),
            "number 1 in the class file, not 0",
        ),
        (TRAIN_LIST.replace("Biking/", "Swimming/"), "not <class>/<video>"),
        (TRAIN_LIST.replace("Biking/", ""), "not <class>/<video>"),
        (TRAIN_LIST.replace(" 2", " two"), "not <class>/<video>"),
        (TRAIN_LIST.replace(" 2", " 2 7"), "not <class>/<video>"),
        (TEST_LIST + TEST_LIST, "duplicate id"),
        ("\n", "empty"),
        (b"Biking/v_\xe9.avi\n", "not UTF-8"),
    ],
)
def test_ucf101_lists_that_mean_something_else_are_refused(tmp_path, text, message):
    with pytest.raises(SplitError, match=message):
        ucf(tmp_path, text)


def test_ucf101_lists_need_their_class_file(tmp_path):
    (tmp_path / "testlist01.txt").write_text(TEST_LIST)
    with pytest.raises(SplitError, match="class names of this list are missing"):
        read_list(UCF, "test1", tmp_path / "testlist01.txt")


def test_kinetics_ids_are_names_of_usual_downloads_and_classes_are_sorted(tmp_path):
    split = kinetics(tmp_path, VAL)
    assert list(split.ids) == ["--07WQ2iBlw_000001_000011", "0wR5jVB-WPk_000417_000427", "3caPS4FHFF8_000036_000046"]
    assert split.class_names["action"] == ("abseiling", "test drive", "zumba")
    assert split.labels["action"].tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("test drive", '"test drive"').replace("abseiling", '"abseiling"'),
        lambda text: text.replace(",split", ",split,is_cc").replace(",validate", ",validate,0"),
        lambda text: text.replace(",1,11,", ",1.0,11.0,"),
        lambda text: text.replace("test drive", " test drive "),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n",
    ],
)
def test_kinetics_lists_of_strangers_mean_the_same(tmp_path, change):
    split = kinetics(tmp_path, change(VAL))
    assert split.ids[0] == "--07WQ2iBlw_000001_000011"
    assert split.labels["action"].tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VAL.split("\n", 1)[1], "no column 'youtube_id'"),
        (VAL.replace("zumba,3", "abseiling,3"), "2 of 3 classes"),
        (VAL.replace(",36,", ",soon,"), "not a number of whole seconds"),
        (VAL.replace(",36,", ",36.5,"), "not a number of whole seconds"),
        (VAL + VAL.split("\n", 1)[1], "duplicate id"),
        (VAL.replace("zumba,", ","), "no label, but others do"),
        (VAL.replace(",validate\nzumba", "\nzumba"), "cut short"),
    ],
)
def test_kinetics_lists_that_mean_something_else_are_refused(tmp_path, text, message):
    with pytest.raises(SplitError, match=message):
        kinetics(tmp_path, text)


def test_kinetics_lists_of_a_part_take_the_class_file(tmp_path):
    (tmp_path / "classes.txt").write_text("abseiling\ntest drive\nzumba\n")
    assert kinetics(tmp_path, "\n".join(VAL.split("\n")[:2])).labels["action"].tolist() == [1]
    with pytest.raises(SplitError, match="not one of the 3 class names"):
        kinetics(tmp_path, VAL.replace("zumba", "boxing"))


def test_kinetics_test_lists_have_no_labels(tmp_path):
    text = "\n".join(line.split(",", 1)[1] for line in VAL.splitlines())
    assert not kinetics(tmp_path, text, "test").labels


def test_jester_lists_are_sorted_by_name(tmp_path):
    entry = replace(shipped_dataset("jester"), classes=3)
    (tmp_path / "jester-v1-labels.csv").write_text("Swiping Left\nDoing other things\nNo gesture\n")
    (tmp_path / "jester-v1-validation.csv").write_text("9223;Swiping Left\n107090;No gesture\n")
    split = read_list(entry, "validation", tmp_path / "jester-v1-validation.csv")
    assert split.labels["action"].tolist() == [2, 1]


def test_ucf101_videos_with_one_number_after_g_are_a_group(tmp_path):
    split = ucf(tmp_path, TEST_LIST.replace("Biking_g01_c01", "Biking_g01_c02") + "Biking/v_Biking_g01_c01.avi\n")
    assert split.groups.tolist() == [0, 2, 1, 1]
