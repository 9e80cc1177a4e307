"""Several devices on one run: this process takes the first, a child process each of the others; chunks are shared."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from gsm_bench.places import RemoteUrl
from gsm_bench.scoring.prepare import Request, default_workers

INCOMPLETE = 3
"""Exit status of a child that left bad videos unscored: no failure."""
KEPT_CHARACTERS = 4000
"""Of a child's messages: the end, which holds its error."""
PARENT_ONLY = ("model", "device", "fresh", "layers")
"""Settings that children do not get from the request: this process has removed the old chunks, and children score."""


def shared_workers(request: Request, devices: int) -> Request:
    """The request with its share of the threads that read frames, which the processes of a run divide."""
    if devices == 1:
        return request
    return replace(request, workers=max(1, (request.workers or default_workers()) // devices))


def arguments_of(request: Request, models: Sequence[str]) -> list[str]:
    """The command line ``score ...`` of a request, without its device."""
    arguments = ["score", "--models", ",".join(models)] if len(models) > 1 else ["score", "--model", models[0]]
    for field in fields(Request):
        value = getattr(request, field.name)
        if value is None or field.name in PARENT_ONLY:
            continue
        if isinstance(value, Path):
            value = value.absolute()
        elif isinstance(value, RemoteUrl):
            value = value.root
        elif isinstance(value, tuple):
            value = "/".join(map(str, value))
        arguments += [f"--{field.name.replace('_', '-')}", str(value)]
    return arguments


@contextmanager
def helpers_on(
    devices: Sequence[str], arguments: Sequence[str], program: Sequence[str] = (sys.executable, "-P", "-m", "gsm_bench")
) -> Iterator[list[str]]:
    """Run ``gsmbench`` with `arguments` once more on each of `devices`; yields a list that fills with their failures.

    The children work on the same chunks and end when the run is complete; they are stopped if this process fails.
    """
    failures: list[str] = []
    children = [_Child(device, [*program, *arguments, "--device", device, "--quiet"]) for device in devices]
    try:
        yield failures
        failures += [failure for child in children if (failure := child.failure())]
    finally:
        for child in children:
            child.stop()


def _environment() -> dict[str, str]:
    """The environment of a child that imports this package, but nothing else, from the current directory."""
    package = Path(__file__).parents[2]
    if package != Path.cwd():
        return dict(os.environ)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])}


class _Child:
    """A child process whose messages are read as they come, so that they never fill the pipe and block it."""

    def __init__(self, device: str, command: Sequence[str]) -> None:
        self.device = device
        self._end = ""
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", env=_environment(),
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        while text := self._process.stderr.read(KEPT_CHARACTERS):
            self._end = (self._end + text)[-KEPT_CHARACTERS:]

    def failure(self) -> str:
        """Wait for the child; returns why it failed, empty if it did not."""
        status = self._process.wait()
        self._reader.join()
        return "" if status in (0, INCOMPLETE) else f"the process on {self.device} failed: {self._end.strip()}"

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        self._reader.join(timeout=1.0)
