"""Number of CPU cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""``MAX PERIOD`` in microseconds: CPU time of a container per period; MAX may be ``max`` (Linux, cgroup v2)."""


def usable_cpus() -> int:
    """Number of cores, at least 1: those of the machine, limited by CPU affinity and by the quota of the container."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _quota() -> int | None:
    """Quota of the container in cores, rounded up; None without a quota."""
    try:
        most, period = CGROUP_QUOTA.read_text().split()
        return None if most == "max" else math.ceil(int(most) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None
