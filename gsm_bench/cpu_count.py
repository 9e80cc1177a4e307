"""How many cores this process may use, on whatever system, in whatever container."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""``MAX PERIOD`` in microseconds, MAX may be ``max``: what a container may use in each period (Linux, cgroup v2)."""


def usable_cpus() -> int:
    """Cores of this process, at least 1: those of the machine, less where its affinity or its container's quota says so."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _quota() -> int | None:
    """Cores' worth of time that the container may use, rounded up; None where nothing is said."""
    try:
        most, period = CGROUP_QUOTA.read_text().split()
        return None if most == "max" else math.ceil(int(most) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None
