"""Several devices on one run: this process takes the first, a child process each of the others; parts are shared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def helpers_on(devices: Sequence[str], arguments: Sequence[str]) -> Iterator[list[str]]:
    """Run ``gsmbench`` with `arguments` once more on each of `devices`; yields a list that fills with their failures.

    The children work on the same parts folder and end when the run is whole; they are stopped if this process fails.
    """
    failures: list[str] = []
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "gsm_bench", *arguments, "--device", device, "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for device in devices
    ]
    try:
        yield failures
        for device, child in zip(devices, children, strict=True):
            _, said = child.communicate()
            if child.returncode not in (0, 3):
                failures.append(f"the process on {device} failed: {said.strip()}")
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
            child.wait()
