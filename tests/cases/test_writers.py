"""Writers: full disks and quotas, files that appear meanwhile, what killed writers leave."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gsm_bench.errors import DiskError, GsmBenchError, ScoreFileError
from gsm_bench.files import commit_new, new_file
from gsm_bench.scorefile import write
from tests.cases.shell import environment, one_error, shell
from tests.conftest import clip_scores
from tests.waiting import PATIENCE_S

A, B = (f"scores/toy/val/{name}.h5" for name in "ab")


@pytest.fixture
def files(toy_labels, save_scores):
    """a and b: score files of 60 videos."""
    for seed, name in enumerate("ab"):
        save_scores(name, np.random.default_rng(seed).standard_normal((60, 2, 5)).astype(np.float32))


@pytest.mark.parametrize("room", [0, 512, 1500, 3000])
@pytest.mark.parametrize("command", ["ensemble", "export", "import"])
def test_no_room_for_a_whole_file(files, room, command):
    """A quota in mid-write is one error; nothing is left, and nothing crashes."""
    arguments = {
        "ensemble": ["ensemble", "--members", A, "--out", "out/fused.h5"],
        "export": ["export", A, "--to", "npz", "--out", "out/scores.npz"],
        "import": ["import", "dump.npz", "--out", "out/imported.h5"],
    }[command]
    rng = np.random.default_rng(1)
    np.savez("dump.npz", ids=[f"v{row}" for row in range(90)], scores=rng.standard_normal((90, 14)))
    ran = shell(*arguments, file_size=room)
    one_error(ran)
    assert not [path for path in Path("out").rglob("*") if path.is_file()]


def exists():
    return ScoreFileError("this file exists")


def test_a_file_that_appears_while_another_is_written_is_kept(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(ScoreFileError, match="exists"), new_file(path, force=False, exists=exists()) as written:
        written.write_bytes(b"mine")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    for name, expected in (("one", True), ("two", False)):
        (tmp_path / name).write_text(name)
        assert commit_new(tmp_path / name, tmp_path / "a") is expected
    assert (tmp_path / "a").read_text() == "one"


def test_what_a_killed_writer_left_goes_with_the_next_run(tmp_path):
    with subprocess.Popen(["true"]) as ended:
        pass
    left = tmp_path / f".a.h5.{os.uname().nodename}.{ended.pid}.1.tmp"
    left.write_bytes(b"half")
    write(tmp_path / "a.h5", clip_scores(np.zeros((3, 2, 5), np.float32)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("command", ["ensemble", "import", "export"])
def test_a_writer_killed_between_its_file_and_its_end_leaves_nothing(files, gsmbench, command):
    """The file has two names for a moment; the next run refuses it as before, and takes the second name away."""
    np.savez("dump.npz", ids=[f"v{row}" for row in range(60)], scores=np.random.default_rng(1).standard_normal((60, 5)))
    arguments = {
        "ensemble": ["ensemble", "--members", A, "--out", "new.h5"],
        "export": ["export", A, "--to", "npz", "--out", "new.h5"],
        "import": ["import", "dump.npz", "--out", "new.h5"],
    }[command]
    assert gsmbench(*arguments).status == 0
    with subprocess.Popen(["true"]) as ended:
        pass
    os.link("new.h5", f".new.h5.{os.uname().nodename}.{ended.pid}.1.tmp")
    Path(".new.h5.lock").touch()
    assert "exists" in gsmbench(*arguments).err
    assert not list(Path().glob(".new*"))


@pytest.mark.parametrize("writers", [8])
def test_of_parallel_writers_one_wins_and_the_others_say_so(files, gsmbench, writers):
    from tests.cases.shell import command, environment

    arguments = command(["ensemble", "--members", f"{A},{B}", "--out", "fused.h5"])
    runs = [subprocess.Popen(arguments, env=environment(), stderr=subprocess.PIPE) for _ in range(writers)]
    errors = [run.communicate(timeout=PATIENCE_S)[1].decode() for run in runs]
    assert sorted(run.returncode for run in runs) == [0] + [1] * (writers - 1), errors
    assert all("exists" in error for run, error in zip(runs, errors, strict=True) if run.returncode)
    assert not [path for path in Path().iterdir() if path.name.startswith(".fused")]


@pytest.mark.parametrize("room", [0, 2000, 50_000, 190_000])
def test_a_large_file_that_does_not_fit_after_all(tmp_path, room):
    """Another process takes the room in mid-write: one error, no crash, nothing left, whatever HDF5 was writing."""
    code = (
        "import resource\n"
        "import numpy as np\n"
        "from gsm_bench import score_writer\n"
        "from gsm_bench.errors import DiskError\n"
        "from tests.conftest import clip_scores\n"
        "score_writer.MOST_IN_MEMORY, score_writer.ensure_room = 0, lambda *_: None\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        "try:\n"
        "    score_writer.write('a.h5', clip_scores(np.zeros((500, 2, 50), np.float32)))\n"
        "except DiskError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ulimit -f" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_large_file_meets_the_limit_before_hdf5_does(tmp_path, monkeypatch):
    monkeypatch.setattr("gsm_bench.score_writer.MOST_IN_MEMORY", 0)
    monkeypatch.setattr("resource.getrlimit", lambda _: (20_000, 20_000))
    with pytest.raises(DiskError, match="ulimit -f"):
        write(tmp_path / "a.h5", clip_scores(np.zeros((500, 2, 50), np.float32)))
    assert not list(tmp_path.iterdir())


def test_a_figure_killed_before_its_numbers_is_finished(files, gsmbench):
    """The picture is there already, and is the same."""
    pytest.importorskip("matplotlib")
    arguments = ["figure", "confusion", A, "--out", "new.svg", "--numbers", "new.csv"]
    assert gsmbench(*arguments).status == 0
    numbers = Path("new.csv").read_bytes()
    Path("new.csv").unlink()
    assert gsmbench(*arguments).status == 0
    assert Path("new.csv").read_bytes() == numbers
    assert "exists" in gsmbench(*arguments).err
    Path("new.csv").unlink()
    Path("new.svg").write_text("of somebody")
    assert "exists" in gsmbench(*arguments).err
    assert Path("new.svg").read_text() == "of somebody"


@pytest.mark.parametrize("room", ["report", "trust"])
def test_a_report_that_exists_is_refused_and_what_its_killed_writer_left_goes(tmp_path, room):
    if room == "report":
        from gsm_bench.report.page import refuse_existing as refuse
    else:
        from gsm_bench.trust.report_files import check_report_path as refuse
    path = tmp_path / "a.json"
    path.write_text("a report")
    with subprocess.Popen(["true"]) as ended:
        pass
    os.link(path, tmp_path / f".a.json.{os.uname().nodename}.{ended.pid}.1.tmp")
    with pytest.raises(GsmBenchError, match="exists already"):
        refuse(path, force=False)
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
