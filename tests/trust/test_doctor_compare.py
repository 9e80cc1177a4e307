import json
import shutil

import pytest
from PIL import Image

from tests.trust.planted import pictures, write

DATA = ("doctor", "data", "--workers", "1", "--frames")


@pytest.fixture
def two(workspace):
    """Folders of eight equal videos, mine and theirs."""
    for at in range(8):
        write(workspace.root / "mine" / f"v{at}", pictures(at, 6))
    shutil.copytree(workspace.root / "mine", workspace.root / "theirs")
    return workspace.root


def compared(gsmbench, *, theirs="theirs"):
    gsmbench(*DATA, theirs, "--out", "theirs.json", "--force")
    return gsmbench(*DATA, "mine", "--compare", "theirs.json", "--format", "json")


def kinds(ran):
    return {row["kind"]: (row["videos"], row["first"]) for row in json.loads(ran.out)["rows"]}


def test_equal_frames_have_no_difference(gsmbench, two):
    ran = compared(gsmbench)
    assert (ran.status, kinds(ran)) == (0, {})
    mine, theirs = (gsmbench(*DATA, name).out.splitlines()[-1] for name in ("mine", "theirs"))
    assert mine == theirs
    assert mine.startswith("Fingerprint: videos ")


def again(path, size=None, quality=60):
    for frame in path.iterdir():
        with Image.open(frame) as picture:
            picture.resize(size or picture.size).save(frame, "JPEG", quality=quality)


def test_every_difference_is_named(gsmbench, two):
    shutil.rmtree(two / "mine" / "v0")
    shutil.rmtree(two / "theirs" / "v1")
    (two / "theirs" / "v2" / "00006.jpg").unlink()
    again(two / "theirs" / "v3", (96, 72))
    again(two / "theirs" / "v4")
    shutil.rmtree(two / "theirs" / "v5")
    write(two / "theirs" / "v5", pictures(99, 6))
    for frame in (two / "mine" / "v6").iterdir():
        frame.write_bytes(b"")
    ran = compared(gsmbench)
    assert ran.status == 3
    assert kinds(ran) == {
        "only-theirs": (1, "v0"), "only-yours": (1, "v1"), "unreadable-here": (1, "v6"), "frames": (1, "v2"),
        "size": (1, "v3"), "content": (1, "v5"), "encoded": (1, "v4"),
    }  # fmt: skip
    assert "1 video without a difference." in json.loads(ran.out)["notes"]


def test_one_frame_is_enough_for_another_fingerprint(gsmbench, two):
    before = gsmbench(*DATA, "mine").out.splitlines()[-1]
    (two / "mine" / "v7" / "00006.jpg").unlink()
    after = gsmbench(*DATA, "mine").out.splitlines()[-1]
    parts = [line.removeprefix("Fingerprint: ").split(", ") for line in (before, after)]
    assert [one == other for one, other in zip(*parts, strict=True)] == [True, False, True, False]


def test_the_order_of_videos_does_not_count(gsmbench, two):
    from gsm_bench.trust.data_report import fingerprint_of
    from gsm_bench.trust.report_files import read_report

    gsmbench(*DATA, "mine", "--out", "mine.json")
    report = read_report(two / "mine.json")
    assert fingerprint_of(reversed(report.videos)) == report.fingerprint


def test_a_report_is_compared_without_reading_frames(gsmbench, two):
    for name in ("mine", "theirs"):
        gsmbench(*DATA, name, "--out", f"{name}.json")
        shutil.rmtree(two / name)
    ran = gsmbench("doctor", "data", "--report", "mine.json", "--compare", "theirs.json")
    assert (ran.status, "8 videos without a difference" in ran.out) == (0, True)


ODD = {
    "missing.json": None,
    "empty.json": b"",
    "cut.json": b'{"format": "gsm_bench.frames_report", "vers',
    "text.json": b"all is well",
    "csv.json": b"id,kind\nv0,gap\n",
    "other.json": b'{"rows": [], "notes": []}',
    "list.json": b"[1, 2, 3]",
    "marked.json": b"\xef\xbb\xbf{}",
    "latin.json": b'{"dataset": "caf\xe9"}',
    "deep.json": b"[" * 100_000,
    "number.json": b'{"fingerprint": {"videos": 1, "counts": 2, "sizes": 3, "pixels": 4}, "videos": []}',
}


@pytest.mark.parametrize("name", ODD)
def test_odd_reports_are_one_error(gsmbench, two, name):
    if ODD[name] is not None:
        (two / name).write_bytes(ODD[name])
    ran = gsmbench(*DATA, "mine", "--compare", name)
    assert ran.status == 1
    assert "is no report of doctor data" in ran.err and name in ran.err and "Traceback" not in ran.err
    assert not list((two / "reports").rglob("*.json"))  # refused before the examination


def test_a_directory_and_a_later_version(gsmbench, two):
    ran = gsmbench(*DATA, "mine", "--compare", "theirs")
    assert (ran.status, "Is a directory" in ran.err) == (1, True)
    gsmbench(*DATA, "mine", "--out", "mine.json")
    report = json.loads((two / "mine.json").read_text())
    (two / "later.json").write_text(json.dumps(report | {"version": 2, "more": 1}))
    ran = gsmbench(*DATA, "mine", "--compare", "later.json")
    assert (ran.status, "has version 2" in ran.err) == (1, True)


def test_reports_of_other_videos(gsmbench, two):
    write(two / "others" / "x", pictures(5, 4))
    gsmbench(*DATA, "others", "--out", "others.json")
    ran = gsmbench(*DATA, "mine", "--compare", "others.json")
    assert (ran.status, "no video in common: yours begins with 'v0', theirs with 'x'" in ran.err) == (1, True)


def test_marks_that_are_no_hashes(gsmbench, two):
    gsmbench(*DATA, "mine", "--out", "mine.json")
    text = (two / "mine.json").read_text()
    look = json.loads(text)["videos"][0]["marks"][0]["look"]
    (two / "odd.json").write_text(text.replace(look, "no hash").replace('"pixels":"', '"pixels":"x'))
    ran = gsmbench("doctor", "data", "--report", "mine.json", "--compare", "odd.json")
    assert ran.status == 1
    assert "is no report of doctor data" in ran.err
