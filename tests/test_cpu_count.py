import os
from pathlib import Path

import pytest

from gsm_bench import cpu_count
from gsm_bench.cpu_count import usable_cpus


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 8 cores, 6 of them for this process, in a container with a quota or without."""

    def make(quota, *, linux=True):
        monkeypatch.setattr(os, "cpu_count", lambda: 8)
        if linux:
            monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
        else:
            monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        monkeypatch.setattr(cpu_count, "CGROUP_QUOTA", tmp_path / "cpu.max")
        if quota is not None:
            (tmp_path / "cpu.max").write_text(quota)

    return make


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        (None, 6), ("max 100000\n", 6), ("400000 100000\n", 4), ("250000 100000\n", 3), ("50000 100000\n", 1),
        ("9900000 100000\n", 6), ("what\n", 6), ("100 0\n", 6),
    ],
)  # fmt: skip
def test_cores_of_a_container(machine, quota, expected):
    machine(quota)
    assert usable_cpus() == expected


def test_a_system_without_affinity(machine):
    machine(None, linux=False)
    assert usable_cpus() == 8


def test_nobody_asks_the_system_itself():
    """Linux alone knows affinity, and it knows nothing of a container's quota."""
    package = Path(cpu_count.__file__).parent
    asking = [path.name for path in package.rglob("*.py") if "sched_getaffinity" in path.read_text()]
    assert asking == ["cpu_count.py"]
