import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.errors import FrameError, RunConflictError  # noqa: E402
from gsm_bench.frames import pack as packing_room  # noqa: E402
from gsm_bench.frames.pack import Packing, pack  # noqa: E402
from gsm_bench.frames.sources.discover import discover  # noqa: E402
from gsm_bench.frames.sources.hdf5 import Hdf5Reader  # noqa: E402
from gsm_bench.scorefile import content_hash, read  # noqa: E402
from tests.frames.forms import as_tar, make_video  # noqa: E402
from tests.frames.test_sources import FORMS, VIDEOS, change_form, folders, score  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402
from tests.waiting import until  # noqa: E402

ROOT = Path(__file__).parents[2]


@pytest.fixture
def toys(workspace):
    make_clips(workspace, VIDEOS)
    make_checkpoint(workspace)
    return workspace


def pack_it(source, target, **choices):
    return pack(Packing(source, target, **choices), discover(source))


@pytest.mark.parametrize("form", FORMS)
def test_scores_stay_to_the_bit_and_a_run_may_change_over(toys, form):
    data = toys.data / "toy"
    before = score(toys, limit=VIDEOS, out=toys.root / "before.h5")
    expected = content_hash(before.path), read(before.path).provenance.signature
    change_form(data, form)
    place = next(path for path in data.iterdir() if path.stem == "frames")
    packed = pack_it(place, toys.root / "packed.h5")
    assert (packed.videos, packed.bad) == (VIDEOS, {})
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    after = score(toys, frames=toys.root / "packed.h5", out=toys.root / "after.h5")
    assert (content_hash(after.path), read(after.path).provenance.signature) == expected
    assert not (toys.root / "packed.h5.parts").exists()


def test_missing_frames_stay_missing(toys):
    data = toys.data / "toy"
    video = next(folder for folder in folders(data) if len(list(folder.iterdir())) > 6)
    (video / "00002.jpg").unlink()
    packed = pack_it(data / "frames", toys.root / "packed.h5")
    assert packed.bad == {}
    folder, file = discover(data / "frames")[video.name], Hdf5Reader(toys.root / "packed.h5", video.name)
    assert file.count() == folder.count()
    assert file.numbers() == folder.numbers()
    assert "frame 2 is missing" in next(file.pictures([2]))[1].what
    again = pack_it(toys.root / "packed.h5", toys.root / "again.h5")
    assert again.bad == {}
    assert Hdf5Reader(toys.root / "again.h5", video.name).numbers() == folder.numbers()


@pytest.fixture
def videos(toys):
    frames = toys.data / "toy/frames"
    shutil.rmtree(frames)
    frames.mkdir()
    for video in range(VIDEOS):
        make_video(
            frames / f"v{video}.{('mp4', 'webm', 'avi')[video % 3]}",
            ("libx264", "libvpx", "mpeg4")[video % 3],
            seed=video,
        )
    (toys.data / "toy/val.txt").write_text("".join(f"v{video} 40 0\n" for video in range(VIDEOS)))
    return toys


def test_videos_without_loss_are_the_videos(videos):
    direct = score(videos, out=videos.root / "direct.h5")
    assert direct.bad == {}
    pack_it(videos.data / "toy/frames", videos.root / "png.h5", quality=None)
    packed = score(videos, frames=videos.root / "png.h5", out=videos.root / "packed-scores.h5")
    assert content_hash(packed.path) == content_hash(direct.path)
    assert read(packed.path).provenance.signature == read(direct.path).provenance.signature


def test_videos_with_loss_are_another_run(videos):
    score(videos)
    pack_it(videos.data / "toy/frames", videos.root / "jpeg.h5", quality=90)
    with pytest.raises(RunConflictError, match=r"frames: there video decoded .*, now JPEG quality 90 of video decoded"):
        score(videos, frames=videos.root / "jpeg.h5")
    assert (videos.root / "jpeg.h5").stat().st_size > 0


def test_bad_videos_are_named_and_added_when_they_are_fixed(toys, gsmbench):
    data = toys.data / "toy"
    complete = pack_it(data / "frames", toys.root / "complete.h5")
    for folder in folders(data)[:3]:
        as_tar([folder], folder.with_name(folder.name + ".tar"))
        shutil.rmtree(folder)
    tar = next((data / "frames").glob("*.tar"))
    sound = tar.read_bytes()
    tar.write_bytes(sound[: len(sound) // 2])
    # A tar is listed before anything is packed: a damaged one among many is named, too.
    ran = gsmbench("pack", data / "frames", "packed.h5", "--quiet", "--format", "json")
    assert ran.status == 3, ran.err
    assert f"{tar.stem}: this archive cannot be read" in ran.err
    rows = {row["what"]: row for row in json.loads(ran.out)["rows"]}
    assert rows["videos"]["after"] == VIDEOS - 1
    assert rows["files"]["before"] > rows["files"]["after"] == 1
    assert rows["frames read per second by one thread"]["after"] > 0
    assert gsmbench("pack", data / "frames", "packed.h5", "--quiet").status == 3, "nothing is fixed yet"
    tar.write_bytes(sound)
    ran = gsmbench("pack", data / "frames", "packed.h5", "--quiet")
    assert ran.status == 0, ran.err
    assert f"{VIDEOS - 1} videos were packed earlier" in ran.out
    with h5py.File("packed.h5") as packed, h5py.File("complete.h5") as expected:
        assert set(packed) == set(expected)
        for name in expected:
            assert all(np.array_equal(a, b) for a, b in zip(packed[name], expected[name], strict=True))
    assert complete.videos == VIDEOS
    ran = gsmbench("pack", data / "frames", "packed.h5", "--quiet")
    assert ran.status == 1
    assert "--force" in ran.err
    assert gsmbench("pack", data / "frames", "packed.h5", "--quiet", "--force").status == 0


def test_nothing_to_pack(tmp_path):
    with pytest.raises(FrameError, match="no frames and no videos here"):
        discover(tmp_path)
    for parent in ("a", "b"):
        (tmp_path / parent / "v1").mkdir(parents=True)
        (tmp_path / parent / "v1" / "00001.jpg").write_bytes(b"")
    with pytest.raises(FrameError, match="two videos are called 'v1'"):
        discover(tmp_path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "img_00000.jpg").write_bytes(b"x")
    assert "numbered from 0" in pack_it(tmp_path / "c", tmp_path / "c.h5").bad["c"]


def test_another_packing_was_interrupted_here(toys, monkeypatch):
    frames = toys.data / "toy/frames"
    monkeypatch.setattr(packing_room, "_merge", lambda *_: None)
    pack_it(frames, toys.root / "packed.h5")
    with pytest.raises(RunConflictError, match="was interrupted here") as failed:
        pack_it(frames, toys.root / "packed.h5", quality=50)
    assert "rm -r" in str(failed.value)


def test_killed_again_and_again_it_ends_the_same(workspace):
    make_clips(workspace, 120, lengths=(3, 6))
    frames = workspace.data / "toy/frames"
    pack_it(frames, workspace.root / "complete.h5")
    code = (
        "import sys, time; from pathlib import Path\n"
        "from gsm_bench.frames import pack as p, pack_writer as w; from gsm_bench.frames.sources.discover import discover\n"
        "w.PART_VIDEOS = 10\nadd = p.PartWriter.add\n"
        "def slowly(self, *what):\n"
        "    time.sleep(3600 if what[0] == 'v99' else 0.01)\n"  # it does not end before it is killed
        "    return add(self, *what)\n"
        "p.PartWriter.add = slowly\n"
        "p.pack(p.Packing(Path(sys.argv[1]), Path('packed.h5')), discover(Path(sys.argv[1])))\n"
    )
    parts = workspace.root / "packed.h5.parts"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for kill in range(1, 5):
        process = subprocess.Popen([sys.executable, "-c", code, str(frames)], cwd=workspace.root, env=environment)
        until(lambda finished=2 * kill: len(list(parts.glob("0*.h5"))) >= finished, "parts")
        time.sleep(0.02 * kill)  # somewhere inside a part that follows
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("0*.h5")}
    assert len(kept) >= 8
    packed = pack_it(frames, workspace.root / "packed.h5")
    assert packed.reused >= 80
    with h5py.File(workspace.root / "packed.h5") as actual, h5py.File(workspace.root / "complete.h5") as expected:
        assert set(actual) == set(expected)
        assert all(np.array_equal(a, b) for name in expected for a, b in zip(actual[name], expected[name], strict=True))
    assert not parts.exists()


@pytest.mark.parametrize("left", ["all", "card", "one part", "nothing but the folder"])
def test_a_run_killed_at_its_last_step_is_finished_by_the_next(toys, gsmbench, monkeypatch, left):
    frames, parts = toys.data / "toy/frames", toys.root / "packed.h5.parts"

    def killed(path):
        if left == "card":
            (path / "000000.h5").unlink()
        if left in ("one part", "nothing but the folder"):
            (path / "run.json").unlink()
        if left == "nothing but the folder":
            (path / "000000.h5").unlink()
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(packing_room.shutil, "rmtree", killed)
        pack_it(frames, toys.root / "packed.h5")
    assert parts.exists()
    whole = (toys.root / "packed.h5").read_bytes()
    ran = gsmbench("pack", frames, "packed.h5", "--quiet")
    assert ran.status == 0, ran.err
    assert "packed earlier" in ran.out
    assert not parts.exists()
    assert (toys.root / "packed.h5").read_bytes() == whole
    assert "this file exists" in gsmbench("pack", frames, "packed.h5", "--quiet").err


@pytest.mark.parametrize("room", [3000, 60_000, 150_000])
def test_a_disk_that_becomes_full_is_one_error(toys, room, monkeypatch):
    """Also where HDF5 meets the end in mid-write, because there seemed to be room before."""
    frames = toys.data / "toy/frames"
    code = (
        "import resource, sys\n"
        "from gsm_bench import files\n"
        "from gsm_bench.frames import pack, pack_writer\n"
        "pack.ensure_room = pack_writer.ensure_room = lambda *_: None\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        "from gsm_bench.cli import main\n"
        f"main(['pack', {str(frames)!r}, 'packed.h5', '--quiet'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 1, done.stderr
    assert "ulimit -f" in done.stderr and "Traceback" not in done.stderr
    assert not list(toys.root.rglob("*.tmp*"))
    assert pack_it(frames, toys.root / "packed.h5").videos == VIDEOS
