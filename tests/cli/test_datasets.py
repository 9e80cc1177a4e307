from tests.layouts.test_published import TEST_LIST, UCF_CLASSES


def test_lists_and_shows_what_a_data_set_is_read_from(gsmbench):
    listed = gsmbench("datasets", "list", "--format", "csv")
    assert listed.status == 0
    assert {"ucf101", "kinetics-400", "jester", "epic-100"} <= {line.split(",")[0] for line in listed.out.splitlines()}
    shown = gsmbench("datasets", "show", "ucf101")
    assert shown.status == 0
    assert "ucfTrainTestlist/testlist01.txt" in shown.out
    assert gsmbench("datasets", "show", "ucf").status == 1


def test_checks_the_lists_that_are_there(gsmbench, workspace):
    data = workspace.root / "ucf"
    data.mkdir()
    missing = gsmbench("datasets", "check", "ucf101", "--data", str(data))
    assert missing.status == 1
    assert "gsmbench datasets show ucf101" in missing.err
    nowhere = gsmbench("datasets", "check", "ucf101", "--data", str(data / "nosuch"))
    assert (nowhere.status, "no directory of ucf101 here" in nowhere.err) == (1, True)
    names = UCF_CLASSES + "".join(f"{number} Class{number}\n" for number in range(4, 102))
    (data / "classInd.txt").write_text(names)
    (data / "testlist01.txt").write_text(TEST_LIST)
    checked = gsmbench("datasets", "check", "ucf101", "--data", str(data), "--format", "csv")
    assert checked.status == 0
    assert "test1,3,3783,0..2," in checked.out


def test_lists_of_several_files_are_found(gsmbench, workspace):
    data = workspace.root / "hmdb"
    for at in range(51):
        text = f"v{at}_0.avi 1 \nv{at}_1.avi 2 \nv{at}_2.avi 0 \n"
        place = data / "testTrainMulti_7030_splits" / f"class{at:02d}_test_split3.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    checked = gsmbench("datasets", "check", "hmdb51", "--data", str(data), "--format", "csv")
    assert checked.status == 0
    assert "test3,51,1530,0..50,class00/v0_1," in checked.out
    assert "train3,51,3570,0..50,class00/v0_0," in checked.out
    assert "test1" not in checked.out


def test_a_directory_of_splits_is_no_split_itself(gsmbench, workspace):
    data = workspace.root / "mine"
    for name in ("train/clap", "train/wave", "val/wave"):
        (data / name).mkdir(parents=True)
        (data / name / "video.mp4").touch()
    checked = gsmbench("datasets", "check", "folder", "--data", str(data), "--format", "csv")
    assert checked.status == 0, checked.err
    assert [line.split(",")[0] for line in checked.out.splitlines()] == ["split", "train", "val"]
    alone = gsmbench("datasets", "check", "folder", "--data", str(data / "train"), "--format", "csv")
    assert alone.out.splitlines()[1].startswith("all,2,")
