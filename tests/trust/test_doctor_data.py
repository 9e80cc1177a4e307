import csv
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from gsm_bench.frames.sources.readers import ReaderSource
from gsm_bench.manifest import load_manifest
from gsm_bench.splits import Video
from gsm_bench.trust.data_findings import KINDS
from gsm_bench.trust.data_work import Examination, examine_all
from gsm_bench.trust.doctor import DoctorRequest, examine_frames
from gsm_bench.workspace import Workspace
from tests.conftest import TOY_MANIFEST
from tests.frames.forms import as_hdf5, as_tar, as_zip, make_video
from tests.trust.planted import CASES, FRAMES, SOUND, Planter, pictures, write
from tests.waiting import children, running, until

DATA = ("doctor", "data", "--workers", "1")


def listed(data, counts):
    """Write the list of the toy data set."""
    rows = "".join(f"{name} {count} {at % 5}\n" for at, (name, count) in enumerate(counts.items()))
    (data / "val.txt").write_text(rows)
    (data / "classes.txt").write_text("ape\nbee\ncat\ndog\nelk\n")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The report on a data set of 90 sound videos and one of each kind of damage, and what was planted."""
    root = tmp_path_factory.mktemp("planted")
    (root / "manifests").mkdir()
    (root / "manifests" / "toy.toml").write_text(TOY_MANIFEST)
    frames = root / "data" / "toy" / "frames"
    for at in range(SOUND):
        write(frames / f"v{at:03d}", pictures(at))
    planter = Planter(frames).all()
    listed(frames.parent, {f"v{at:03d}": FRAMES for at in range(SOUND)} | planter.listed)
    before = sorted((path, path.lstat().st_mtime_ns) for path in (root / "data").rglob("*"))
    workspace = Workspace.locate(root)
    examined = examine_frames(DoctorRequest("toy", workers=2), load_manifest(workspace), workspace)
    assert sorted((path, path.lstat().st_mtime_ns) for path in (root / "data").rglob("*")) == before
    return examined, planter


def test_every_kind_of_damage_is_found(planted):
    examined, planter = planted
    kinds = {exam.id: [finding.kind for finding in exam.findings] for exam in examined.report.videos}
    missed = {name: (kind, kinds[name]) for name, kind in planter.expected.items() if kind not in kinds[name]}
    assert not missed
    assert len(planter.expected) >= 40
    assert set(KINDS) - set(planter.expected.values()) == {"crash"}  # which has a test of its own


def test_nothing_is_found_in_sound_videos(planted):
    examined, planter = planted
    wrong = {exam.id: exam.findings for exam in examined.report.wrong if exam.id not in planter.expected}
    assert not wrong


@pytest.fixture
def toy(workspace):
    """Twelve sound videos of the toy data set."""
    data = workspace.data / "toy"
    for at in range(12):
        write(data / "frames" / f"v{at:02d}", pictures(at, frames=5))
    listed(data, {f"v{at:02d}": 5 for at in range(12)})
    return data


def rows(ran):
    return {row["kind"]: row for row in json.loads(ran.out)["rows"]}


@pytest.mark.parametrize("form", ["folder", "tar", "zip", "hdf5", "file per video"])
def test_sound_frames_in_every_form(gsmbench, toy, form):
    folders = sorted((toy / "frames").iterdir())
    if form == "file per video":
        for folder in folders:
            as_zip([folder], toy / "frames" / f"{folder.name}.zip")
    elif form != "folder":
        write_all = {"tar": as_tar, "zip": as_zip, "hdf5": as_hdf5}[form]
        write_all(folders, toy / f"frames.{'h5' if form == 'hdf5' else form}")
    if form != "folder":
        for folder in folders:
            shutil.rmtree(folder)
    if form in ("tar", "zip", "hdf5"):
        (toy / "frames").rmdir()
    ran = gsmbench(*DATA, "--dataset", "toy", "--format", "json")
    assert (ran.status, rows(ran)) == (0, {}), ran.err


@pytest.mark.parametrize(
    "name",
    ["v01_plain.mp4", "v02_rot90.mp4", "v03_hflip.mp4", "w01_longlast.mp4", "title_cp1252.avi", "title_cp1252.mp4",
     "w04_flv.flv", "w04_ts.ts", "w04_wmv.wmv"],
)  # fmt: skip
def test_odd_sound_videos_are_no_findings(gsmbench, workspace, name):
    (workspace.root / "videos").mkdir()
    shutil.copy(CASES / "frames" / name, workspace.root / "videos")
    ran = gsmbench(*DATA, "--frames", "videos", "--format", "json")
    assert (ran.status, rows(ran)) == (0, {}), ran.out


def test_temporal_shapes_is_sound(gsmbench, workspace):
    """Its videos come in pairs that play each other backwards, and some stand still for most of their time."""
    assert gsmbench("shapes", "make", "data/shapes", "--videos", "28", "--workers", "1").status == 0
    ran = gsmbench(*DATA, "--dataset", "shapes", "--split", "val", "--format", "json")
    assert (ran.status, rows(ran)) == (0, {}), ran.out


def test_the_summary_names_kinds_with_first_ids(gsmbench, toy):
    (toy / "frames" / "v03" / "00002.jpg").write_bytes(b"")
    (toy / "frames" / "v05" / "00004.jpg").unlink()
    ran = gsmbench(*DATA, "--dataset", "toy", "--out", "found.json")
    assert ran.status == 3
    assert "12 videos of toy/val, 58 frames decoded" in ran.out
    assert "empty-picture" in ran.out and "v03: no bytes in frames 2" in ran.out and "v05: no frames 4" in ran.out
    report = json.loads((toy.parent.parent / "found.json").read_text())
    wrong = {video["id"]: video["findings"] for video in report["videos"] if video["findings"]}
    assert wrong == {
        "v03": [{"kind": "empty-picture", "what": "no bytes in frames 2", "frames": [2]}],
        "v05": [{"kind": "gap", "what": "no frames 4", "frames": [4]}],
    }
    assert {video["where"] for video in report["videos"]} == {f"frames/v{at:02d}" for at in range(12)}


def test_findings_as_csv(gsmbench, toy):
    (toy / "frames" / "v03" / "00002.jpg").write_bytes(b"")
    gsmbench(*DATA, "--dataset", "toy", "--out", "found.csv")
    with (toy.parent.parent / "found.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["kind"], row["frames"], row["where"]) == ("v03", "empty-picture", "2", "frames/v03")


def test_accepted_kinds_are_no_fault(gsmbench, toy):
    (toy / "frames" / "v03" / "00002.jpg").write_bytes(b"")
    assert gsmbench(*DATA, "--dataset", "toy", "--accept", "empty-picture,grey").status == 0
    ran = gsmbench(*DATA, "--dataset", "toy", "--accept", "emty")
    assert (ran.status, "'emty' is none of missing" in ran.err) == (2, True)


def test_a_report_is_not_replaced_without_force(gsmbench, toy):
    (toy.parent.parent / "found.json").write_text("mine")
    ran = gsmbench(*DATA, "--dataset", "toy", "--out", "found.json")
    assert (ran.status, "--force" in ran.err) == (1, True)
    assert not list((toy.parent.parent / "reports").rglob("*.json"))  # refused before the examination
    assert gsmbench(*DATA, "--dataset", "toy", "--out", "found.json", "--force").status == 0


def test_an_earlier_report_is_shown_without_reading(gsmbench, toy):
    gsmbench(*DATA, "--dataset", "toy", "--out", "mine.json")
    shutil.rmtree(toy)
    ran = gsmbench("doctor", "data", "--report", "mine.json")
    assert (ran.status, "12 videos of toy/val" in ran.out) == (0, True)


def test_videos_without_a_list(gsmbench, toy):
    (toy / "frames" / "v05" / "00004.jpg").unlink()
    ran = gsmbench(*DATA, "--frames", "data/toy/frames", "--format", "json")
    assert (ran.status, list(rows(ran))) == (3, ["gap"])


def test_segments_of_recordings_are_examined_by_themselves(workspace, gsmbench):
    """The second segment ends behind its recording, the third one has a gap."""
    write(workspace.root / "frames" / "P01_01", pictures(1, 30))
    (workspace.root / "frames" / "P01_01" / "00017.jpg").unlink()
    from gsm_bench.frames.sources.folder import FolderReader
    from gsm_bench.trust.data_examine import examine

    source = ReaderSource(lambda _: FolderReader(workspace.root / "frames" / "P01_01"))
    segments = [
        Video(name, 10, row, "P01_01", "P01", start)
        for row, (name, start) in enumerate({"a": 1, "b": 25, "c": 12}.items())
    ]
    exams = [examine(source, video) for video in segments]
    assert [[finding.kind for finding in exam.findings] for exam in exams] == [[], ["fewer-frames"], ["gap"]]
    assert [exam.stored for exam in exams] == [10, 6, 9]


def test_all_videos_of_another_rate_but_one(gsmbench, workspace):
    (workspace.root / "videos").mkdir()
    for at in range(11):
        make_video(workspace.root / "videos" / f"v{at}.mp4", "libx264", varying=False, seed=at, count=8)
    import av

    with av.open(str(workspace.root / "videos" / "fast.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in pictures(31, size=(64, 48)):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    ran = gsmbench(*DATA, "--frames", "videos", "--format", "json")
    assert {kind: row["example"] for kind, row in rows(ran).items()} == {
        "odd-rate": "fast: 60 frames per second; nearly all others have 25"
    }


class Killing:
    """A source of frames of which some videos end the process that reads them."""

    def __init__(self, root, deadly):
        self.root, self.deadly = root, deadly

    def __call__(self, video):
        from gsm_bench.frames.sources.folder import FolderReader

        if video.id in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return FolderReader(self.root / video.id)


def test_a_video_that_kills_its_reader_is_named_and_the_rest_is_examined(toy, tmp_path):
    videos = [Video(f"v{at:02d}", 5, at) for at in range(12)]
    source = ReaderSource(Killing(toy / "frames", {"v04", "v09"}))
    exams, _ = examine_all(Examination(source, videos, tmp_path / "kept", "key", 2), lambda *_: None)
    assert [exam.id for exam in exams] == [video.id for video in videos]
    assert {exam.id: exam.findings[0].kind for exam in exams if exam.findings} == {"v04": "crash", "v09": "crash"}
    assert sum(exam.decoded for exam in exams) == 50


STOPS_AFTER_A_CHUNK = """
import sys, time
from gsm_bench.trust import data_work
begin = data_work.write_whole

def write_first(path, content):
    if path.name[0] == "0" and list(path.parent.glob("0*.json")):
        time.sleep(3600)  # until it is killed
    begin(path, content)

data_work.write_whole = write_first
from gsm_bench.cli import main
main(sys.argv[1:])
"""


def test_killed_and_continued(workspace):
    """SIGKILL after the first chunk; the same command goes on with it, and no process is left behind."""
    data = workspace.data / "toy"
    for at in range(400):
        write(data / "frames" / f"v{at:03d}", pictures(at, frames=5))
    listed(data, {f"v{at:03d}": 5 for at in range(400)})
    (data / "frames" / "v399" / "00002.jpg").write_bytes(b"")
    words = ["doctor", "data", "--dataset", "toy", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", STOPS_AFTER_A_CHUNK, *words],
        cwd=workspace.root, start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    kept = workspace.reports / "doctor"
    until(lambda: list(kept.glob("*.parts/0*.json")), "a chunk")
    workers = children(process.pid)
    assert len(workers) >= 2
    process.kill()
    assert process.wait() == -signal.SIGKILL
    until(lambda: not any(map(running, workers)), "the end of the workers")
    before = {path: path.stat().st_mtime_ns for path in kept.glob("*.parts/0*.json")}
    assert before
    ran = subprocess.run(
        [sys.executable, "-m", "gsm_bench", *words, "--format", "json"],
        cwd=workspace.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 3
    assert "had been examined before the interruption" in ran.stderr
    assert [row["first"] for row in json.loads(ran.stdout)["rows"]] == ["v399"]
    assert not list(kept.glob("*.parts"))


def test_chunks_of_another_list_or_damaged_ones_are_not_used(toy, tmp_path):
    videos = [Video(f"v{at:02d}", 5, at) for at in range(12)]
    source = ReaderSource(Killing(toy / "frames", set()))
    first = Examination(source, videos, tmp_path / "kept", "key", 2)
    exams, kept = examine_all(first, lambda *_: None)
    assert kept == 0
    first.path(3).write_bytes(first.path(3).read_bytes()[:40])
    again, kept = examine_all(first, lambda *_: None)
    assert (again, kept) == (exams, 11)
    other = Examination(source, videos, tmp_path / "kept", "another key", 2)
    assert examine_all(other, lambda *_: None)[1] == 0


def test_two_examinations_of_the_same_frames_at_once(gsmbench, toy, workspace):
    import fcntl

    gsmbench(*DATA, "--dataset", "toy")
    (lock,) = (workspace.reports / "doctor").glob(".*.lock")
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ran = gsmbench(*DATA, "--dataset", "toy")
    assert (ran.status, "another process is examining these frames" in ran.err) == (1, True)


ODD = {
    "neither data set nor frames": ([], "--dataset NAME"),
    "an unknown data set": (["--dataset", "nope"], "no data set"),
    "an unknown split": (["--dataset", "toy", "--split", "nope"], "--split is one of"),
    "frames that do not exist": (["--frames", "nowhere"], "does not exist"),
    "an empty folder": (["--frames", "empty"], "no frames and no videos here"),
    "a text file": (["--frames", "notes.txt"], "no frames and no videos here"),
    "a pattern without a number": (["--frames", "data/toy/frames", "--names", "img.jpg"], "is not a pattern"),
    "an unknown suffix": (["--dataset", "toy", "--out", "report.xlsx"], "is a .json or .csv file"),
    "a directory as report": (["--dataset", "toy", "--out", "data"], "is a .json or .csv file"),
    "frames of other videos": (["--dataset", "toy", "--frames", "others"], "none of"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_requests_are_one_error(gsmbench, toy, workspace, case):
    (workspace.root / "empty").mkdir()
    (workspace.root / "notes.txt").write_text("nothing")
    write(workspace.root / "others" / "x1", pictures(1, 3))
    arguments, words = ODD[case]
    ran = gsmbench(*DATA, *arguments)
    assert ran.status == 1
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_names_that_are_no_text(gsmbench, workspace):
    frames = workspace.root / "frames"
    name = os.fsdecode(b"caf\xe9")
    write(frames / name, pictures(1, 4))
    (frames / name / "00002.jpg").write_bytes(b"")
    write(frames / "a\nb", pictures(2, 4))
    ran = gsmbench(*DATA, "--frames", "frames", "--out", "x.json")
    assert ran.status == 3
    assert "caf\\xe9" in ran.out
    assert {video["id"] for video in json.loads((workspace.root / "x.json").read_text())["videos"]} == {
        "caf\\xe9",
        "a\nb",
    }


def test_small_copies_do_not_depend_on_the_size():
    from gsm_bench.trust.data_looks import looks_of

    scene = pictures(3, 1, (64, 48))[0]
    twice = scene.repeat(2, axis=0).repeat(2, axis=1)
    assert looks_of([scene]) == looks_of([np.ascontiguousarray(twice)])
