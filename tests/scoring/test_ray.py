"""The engine on Ray: the same bits as the local engine, with any number of workers, whatever dies."""

import logging
import os
import signal
import threading
import time

import pytest

torch = pytest.importorskip("torch")
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'gsm-bench[ray]'")

from gsm_bench.errors import FrameError, GsmBenchError  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import content_hash, read  # noqa: E402
from gsm_bench.scoring import ray_engine  # noqa: E402
from gsm_bench.scoring.pipeline import run_locally  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare_together  # noqa: E402
from gsm_bench.scoring.ray_engine import NetworkActor, RayEngine  # noqa: E402
from gsm_bench.scoring.run import run_together  # noqa: E402
from tests.cases.shell import shell  # noqa: E402
from tests.conftest import trust  # noqa: E402
from tests.scoring.test_run import StopError, damage, stop_after  # noqa: E402
from tests.scoring.test_together import add_model  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

CLIPS = 64
NAMES = ("toy_4f", "toy_6f")
ROOT = os.fspath(__import__("pathlib").Path(__file__).parents[2])
ENVIRONMENT = {"env_vars": {"PYTHONPATH": ROOT}}


@pytest.fixture(scope="module")
def two_nodes():
    """A cluster of two nodes on this machine; the tests run on its head, the second may die."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False, runtime_env=ENVIRONMENT)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def toys(workspace):
    make_clips(workspace, CLIPS, lengths=(3, 9))
    make_checkpoint(workspace)
    make_checkpoint(workspace, "toy_bninc")
    add_model(workspace, "toy_6f", 6, 24, 30, 1)
    return workspace


MARK = "import pathlib; pathlib.Path({mark!r}).touch()\n"


def test_workers_import_nothing_from_the_current_directory(toys):
    """Ray looks there first: a folder that somebody sent must not run in its workers."""
    mark = toys.root / "RAN"
    for name in ("torch", "simplejpeg", "safetensors", "msgspec"):
        (toys.root / f"{name}.py").write_text(MARK.format(mark=str(mark)))
    ran = shell("score", "--model", "toy_bninc", "--engine", "ray", "--limit", 4, "--quiet", seconds=90)
    assert ran.status == 0, ran.err
    assert not mark.exists()


def score(workspace, engine=None, progress=lambda _: None, names=NAMES, **choices):
    requests = [Request(name, threads=1, **choices) for name in names]
    jobs = prepare_together(requests, load_manifest(workspace), workspace)
    return run_together([(job, loaded.network) for job, loaded in jobs], progress, engine or run_locally)


@pytest.fixture
def expected(toys):
    """Content of both models from the local engine, in files that are out of the way."""
    outcomes = score(toys)
    hashes = [content_hash(outcome.path) for outcome in outcomes]
    for outcome in outcomes:
        outcome.path.unlink()
    return hashes


def hashes(outcomes):
    return [content_hash(outcome.path) for outcome in outcomes]


def test_any_number_of_workers_gives_the_bits_of_the_local_engine(two_nodes, toys, expected):
    for workers in (1, 3):  # two are killed below, and end with the same bits
        outcomes = score(toys, RayEngine(workers), fresh=True)
        assert hashes(outcomes) == expected
        assert [outcome.scored for outcome in outcomes] == [CLIPS, CLIPS]


def test_bad_frames_are_the_local_engines(two_nodes, toys):
    damage(toys, "v3", 1)
    outcomes = score(toys, RayEngine(1))
    assert [list(outcome.bad) for outcome in outcomes] == [["v3"], ["v3"]]
    assert "cannot be decoded" in outcomes[0].bad["v3"]
    with pytest.raises(FrameError, match="frame 1 of video 'v3'"):
        score(toys, RayEngine(1), on_bad_frame="error", fresh=True)


def test_begun_here_and_finished_locally(two_nodes, toys, expected):
    with pytest.raises(StopError):
        score(toys, RayEngine(1), stop_after(70))
    outcomes = score(toys)
    assert all(0 < outcome.reused < CLIPS for outcome in outcomes)
    assert hashes(outcomes) == expected


def test_a_network_that_cannot_be_built_there(two_nodes, toys):
    """Its file is not needed on other machines; what it asks for is."""
    net = toys.root / "toynet.py"
    net.write_text(f"import pathlib\npathlib.Path({str(toys.root / 'needed')!r}).stat()\n{net.read_text()}")
    (toys.root / "needed").touch()
    trust(toys)
    requests = [Request("toy_4f", threads=1)]
    jobs = prepare_together(requests, load_manifest(toys), toys)
    (toys.root / "needed").unlink()
    with pytest.raises(GsmBenchError, match="cannot be built on the cluster"):
        run_together([(job, loaded.network) for job, loaded in jobs], engine=RayEngine(1))


class SlowActor(NetworkActor):
    """Leaves the test time to kill it, and says who it is."""

    def __init__(self, models, weights):
        super().__init__(models, weights)
        folder = models[0].code.folder / "pids"
        folder.mkdir(exist_ok=True)
        (folder / str(os.getpid())).touch()

    def score(self, rows, places, read):
        time.sleep(0.05)
        return super().score(rows, places, read)


def living(workspace):
    return [int(path.name) for path in (workspace.root / "pids").glob("*") if _alive(int(path.name))]


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_killed_workers_change_nothing_but_time(two_nodes, toys, expected, monkeypatch):
    monkeypatch.setattr(ray_engine, "NetworkActor", SlowActor)
    killed = []

    def kill_one(now):
        if now.done > 25 * (1 + len(killed)) and len(killed) < 3 and (pids := living(toys)):
            os.kill(pids[-1], signal.SIGKILL)
            killed.append(pids[-1])

    outcomes = score(toys, RayEngine(2), kill_one)
    assert len(killed) == 3
    assert hashes(outcomes) == expected
    assert [read(outcome.path).status.sum() for outcome in outcomes] == [0, 0]


def test_a_killed_node_changes_nothing_but_time(two_nodes, toys, expected, monkeypatch):
    monkeypatch.setattr(ray_engine, "NetworkActor", SlowActor)
    node = two_nodes.add_node(num_cpus=2)
    gone = threading.Event()

    def kill_node(now):
        if now.done > 40 and not gone.is_set():
            gone.set()
            for process in node.all_processes["raylet"]:
                os.kill(process.process.pid, signal.SIGKILL)

    outcomes = score(toys, RayEngine(3), kill_node)
    assert gone.is_set()
    assert hashes(outcomes) == expected


@pytest.mark.parametrize(("told", "asked"), [(None, "local"), ("", "local"), ("ray://far:10001", "ray://far:10001")])
def test_only_the_cluster_that_is_named_is_joined(toys, monkeypatch, told, asked):
    ray.shutdown()
    seen = []

    def init(address, **how):
        seen.append(address)
        assert how["logging_level"] == logging.ERROR, "stderr is ours: one message for one error"
        assert os.environ["RAY_IGNORE_UNHANDLED_ERRORS"] == "1"
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if told is not None:
        monkeypatch.setenv("RAY_ADDRESS", told)
    with pytest.raises(GsmBenchError, match="no Ray cluster answers: nobody there"):
        score(toys, RayEngine(1))
    assert seen == [asked]


def test_command_line_with_a_local_cluster(toys, expected, gsmbench):
    ray.shutdown()
    ran = gsmbench("score", "--models", ",".join(NAMES), "--engine", "ray", "--workers", 2, "--quiet")
    assert ran.status == 0, ran.err
    assert [content_hash(f"scores/toy/val/{name}.h5") for name in NAMES] == expected
    ran = gsmbench("score", "--model", "toy_4f", "--engine", "ray", "--device", "cpu,cpu", "--quiet")
    assert ran.status == 2
