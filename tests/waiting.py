"""Waiting for events: as long as a slow machine takes, and never for a time that has only to pass."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE_S = 300.0
"""Only a fault takes as long as this, on any machine."""


def until(condition: Callable[[], object], what: str = "an event") -> None:
    """Return as soon as `condition()` holds; a test fails where it never does."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.005)


def children(pid: int) -> list[int]:
    """The processes that a process has started; the test is skipped where a system does not list them."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("this system does not list child processes")
    return [int(child) for child in listed.read_text().split()]


def running(pid: int) -> bool:
    """Whether a process runs: one that has ended may be listed for ever where nobody asks for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        pass
    except ProcessLookupError:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self/stat").exists()
