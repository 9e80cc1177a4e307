"""Runs that are killed, and runs that share the work."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gsm_bench.scorefile import content_hash, read  # noqa: E402
from tests.scoring.test_together import add_model  # noqa: E402
from tests.scoring.toys import decoded_frames, make_checkpoint, make_clips  # noqa: E402
from tests.waiting import until  # noqa: E402

CLIPS, PART = 352, 16
PARTS = CLIPS // PART
KILLS = 20
ROOT = Path(__file__).parents[2]


class Server:
    def __init__(self, workspace):
        self.workspace = workspace
        self.log = workspace.root / "decodes"
        self.log.touch()
        self.hold = workspace.root / "hold"
        environment = os.environ | {
            "DECODE_LOG": str(self.log), "HOLD": str(self.hold), "HELD_VIDEO": f"v{CLIPS - 1}",
            "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=workspace.root, env=environment,
        )  # fmt: skip
        self.ended = {}

    def start(self, *arguments, models=("--model", "toy_4f")):
        self.process.stdin.write(json.dumps(["score", *models, "--threads", "1", "--workers", "2", *arguments]) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def _line(self):
        while True:
            line = self.process.stdout.readline()
            assert line, "the server died"
            if not line.startswith("end"):
                return line
            self._note(line)

    def _note(self, line):
        _, pid, status = line.split()
        self.ended[int(pid)] = int(status)

    def wait(self, pid):
        while pid not in self.ended:
            self._note(self.process.stdout.readline())
        return self.ended[pid]

    def kill(self, pid):
        os.kill(pid, signal.SIGKILL)
        assert self.wait(pid) == -signal.SIGKILL, "it ended by itself"

    @property
    def decodes(self):
        return self.log.stat().st_size

    @property
    def said(self):
        return Path(f"{self.log}.out").read_text()


@pytest.fixture
def server(workspace):
    make_clips(workspace, CLIPS, lengths=(3, 9))
    make_checkpoint(workspace)
    server = Server(workspace)
    yield server
    server.hold.unlink(missing_ok=True)
    server.process.stdin.close()
    server.process.wait()


def all_frames(workspace):
    lengths = [int(line.split()[1]) for line in (workspace.data / "toy" / "val.txt").read_text().splitlines()]
    return sum(map(decoded_frames, lengths))


def test_twenty_kills_lose_at_most_the_part_in_hand(server, workspace):
    assert server.wait(server.start("--out", "whole.h5")) == 0
    undisturbed = server.decodes
    assert undisturbed == all_frames(workspace)
    parts = workspace.root / "scores/toy/val/toy_4f.h5.parts"
    server.hold.touch()
    for kill in range(1, KILLS + 1):
        pid = server.start()
        until(lambda finished=kill * PARTS // (KILLS + 1): len(list(parts.glob("*.npz"))) >= finished, "parts")
        time.sleep(0.01 * (kill % 5))  # somewhere inside a part that follows
        server.kill(pid)
    server.hold.unlink()
    before = server.decodes
    finished = len(list(parts.glob("*.npz")))
    assert finished >= PARTS * KILLS // (KILLS + 1)
    assert server.wait(server.start()) == 0, server.said
    lost = (server.decodes - undisturbed) - undisturbed  # beyond what one run needs
    worst_part = (PART + 2 * 2) * 4 * 2  # and two batches read ahead
    assert 0 <= lost <= KILLS * worst_part
    assert server.decodes - before <= (PARTS - finished) * worst_part, "finished parts were read again"
    assert content_hash(workspace.root / "scores/toy/val/toy_4f.h5") == content_hash(workspace.root / "whole.h5")
    assert not parts.exists()
    assert [path.name for path in parts.parent.iterdir()] == ["toy_4f.h5"]


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_work_exactly_once(server, workspace, processes):
    assert server.wait(server.start("--out", "whole.h5")) == 0
    before = server.decodes
    pids = [server.start() for _ in range(processes)]
    assert [server.wait(pid) for pid in pids] == [0] * processes, server.said
    assert server.decodes - before == before, "every clip was read by one process"
    assert content_hash(workspace.root / "scores/toy/val/toy_4f.h5") == content_hash(workspace.root / "whole.h5")


def test_the_survivor_takes_over_from_a_killed_process(server, workspace):
    assert server.wait(server.start("--out", "whole.h5")) == 0
    server.hold.touch()
    first, second = server.start(), server.start()
    parts = workspace.root / "scores/toy/val/toy_4f.h5.parts"
    until(lambda: len(list(parts.glob("*.npz"))) >= 4, "parts")
    server.kill(first)
    server.hold.unlink()
    assert server.wait(second) == 0
    assert content_hash(workspace.root / "scores/toy/val/toy_4f.h5") == content_hash(workspace.root / "whole.h5")


def test_shards_at_once(server, workspace):
    pids = [server.start("--shard", f"{n}/3") for n in (1, 2, 3)]
    assert [server.wait(pid) for pid in pids] == [0, 0, 0]
    found = read(workspace.root / "scores/toy/val/toy_4f.h5")
    assert (found.status == 0).all()
    assert server.decodes == all_frames(workspace)


def test_several_devices_in_one_command(server, workspace):
    assert server.wait(server.start("--out", "whole.h5")) == 0
    assert server.wait(server.start("--device", "cpu,cpu")) == 0, server.said
    assert content_hash(workspace.root / "scores/toy/val/toy_4f.h5") == content_hash(workspace.root / "whole.h5")


def test_kills_of_runs_of_two_models_that_help_each_other(server, workspace):
    add_model(workspace, "toy_6f", 6, 24, 30, 1)
    names, both = ("toy_4f", "toy_6f"), ("--models", "toy_4f,toy_6f")
    for name in names:
        assert server.wait(server.start("--out", f"{name}.h5", models=("--model", name))) == 0, server.said
    scores = workspace.root / "scores/toy/val"
    server.hold.touch()
    for kill in range(1, 5):
        pids = [server.start(models=both), server.start(models=("--model", names[kill % 2]))]
        until(lambda finished=kill * 2 * PARTS // 6: len(list(scores.glob("*.parts/*.npz"))) >= finished, "parts")
        for pid in pids:
            server.kill(pid)
    server.hold.unlink()
    pids = [server.start(models=both), server.start(models=both), server.start()]
    assert [server.wait(pid) for pid in pids] == [0, 0, 0], server.said
    for name in names:
        assert content_hash(scores / f"{name}.h5") == content_hash(workspace.root / f"{name}.h5")
    assert sorted(path.name for path in scores.iterdir()) == ["toy_4f.h5", "toy_6f.h5"]
