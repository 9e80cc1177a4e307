"""Bytes of memory that this process may use."""

from __future__ import annotations

from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Bytes of memory of a container, or ``max`` (Linux, cgroup v2)."""


def usable_memory() -> tuple[int, int]:
    """Bytes of memory that this process may use, and how many of them are free; 0 where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
        total, free = sizes["MemTotal"], sizes["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        return 0, 0
    try:
        limit = int(CGROUP_LIMIT.read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return total, free
    return min(total, limit), min(free, limit)
