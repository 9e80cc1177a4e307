import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from gsm_bench import files, scorefile
from tests.conftest import clip_scores


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_by(path, pid, host=None):
    litter = path.with_name(f".{path.name}.{host or socket.gethostname()}.{pid}.1.tmp")
    litter.write_bytes(b"half")
    return litter


def test_what_a_killed_writer_left_is_taken_away(tmp_path):
    path = tmp_path / "a [1].h5"
    dead, alive, elsewhere = left_by(path, dead_pid()), left_by(path, os.getppid()), left_by(path, 1, "other.host")
    old, own = left_by(path, 2, "other.host"), left_by(path, os.getpid())
    of_another = left_by(tmp_path / "a.h5", dead_pid())
    hours_ago = time.time() - 7200
    os.utime(old, (hours_ago, hours_ago))
    files.sweep(path)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in (alive, elsewhere, own, of_another)}
    assert not dead.exists()


def test_writing_a_score_file_sweeps(tmp_path):
    litter = left_by(tmp_path / "a.h5", dead_pid())
    scorefile.write(tmp_path / "a.h5", clip_scores(np.ones((2, 2, 3))))
    assert not litter.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_sweeping_where_nothing_is(tmp_path):
    files.sweep(tmp_path / "none" / "a.h5")
    with pytest.raises(FileNotFoundError):
        files.write_whole(tmp_path / "none" / "a.h5", b"")


def test_a_child_that_outlives_its_parent_holds_no_lock(tmp_path):
    """Reading processes of a training that was killed live on for seconds; the same command has to go on at once."""
    program = """
import multiprocessing, os, signal, sys
from pathlib import Path
from gsm_bench.files import locked
def child():
    print(os.getpid(), flush=True)
    signal.pause()
with locked(Path(sys.argv[1])):
    multiprocessing.get_context("fork").Process(target=child).start()
    signal.pause()
"""
    path = tmp_path / "state"
    parent = subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    try:
        with pytest.raises(BlockingIOError), files.locked(path, wait=False):
            pass
        parent.kill()
        parent.wait()
        with files.locked(path, wait=False):
            os.kill(child, 0)  # it is still there
    finally:
        parent.kill()
        os.kill(child, signal.SIGKILL)
