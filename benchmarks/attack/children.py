"""Run ``gsmbench`` in a forked child, so that thousands of runs do not load torch thousands of times.

A child may be killed at its k-th file event or after a time, may have limits, and reports how many events it had.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.utime"}
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Ended:
    """How a child ended: status, negative for a signal, None where it ran out of time; its output and messages."""

    status: int | None
    out: str
    err: str
    seconds: float
    events: int = 0
    max_rss: int = 0

    @property
    def crashed(self) -> str:
        """Why this is a fault whatever the command was given; empty if it is none."""
        if self.status is None:
            return "over time"
        if self.status < 0:
            return f"ended by {signal.Signals(-self.status).name}"
        return "traceback" if "Traceback" in self.err else ""


class FileEvents:
    """Counts what a process does to the files in a folder, from inside; kills the process before its k-th event."""

    def __init__(self, root: Path, kill_at: int | None) -> None:
        self.root, self.kill_at, self.count = f"{root}/", kill_at, 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" and event not in CHANGES:
            return
        path = arguments[0]
        if not isinstance(path, str | os.PathLike) or not self._is_inside(os.fspath(path)):  # type: ignore[arg-type]
            return
        if event == "open" and not (int(arguments[2]) & WRITING or ".tmp" in str(path)):  # type: ignore[call-overload]
            return
        self.count += 1
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_inside(self, path: str | bytes) -> bool:
        text = os.fsdecode(path)
        return not text.startswith("/") or text.startswith(self.root)


def run(
    arguments: list[str],
    root: Path,
    *,
    kill_at: int | None = None,
    kill_after_s: float | None = None,
    limits: dict[int, int] | None = None,
    before: Callable[[], None] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Ended:
    """Run a command in `root`.

    Args:
        kill_at: SIGKILL before this event, counted from 1.
        kill_after_s: SIGKILL after so many seconds.
        limits: resource limits, soft and hard.
        before: called in the child first.
    """
    pipes = [_wide_pipe() for _ in range(3)]
    start_s = time.monotonic()
    pid = os.fork()
    if pid == 0:
        out, err, counting = (writing for _, writing in pipes)
        _child(arguments, root, FileEvents(root, kill_at), (out, err, counting), limits, before)
    for _, writing in pipes:
        os.close(writing)
    status, max_rss = _wait(pid, start_s, kill_after_s, timeout_s)
    seconds = time.monotonic() - start_s
    out, err, events = (_drained(reading) for reading, _ in pipes)
    return Ended(status, out, err, seconds, int(events or 0), max_rss)


def _wide_pipe() -> tuple[int, int]:
    """A pipe that holds all that a command prints: no file, which a limit of file sizes would cut short."""
    reading, writing = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    return reading, writing


def _drained(reading: int) -> str:
    os.set_blocking(reading, False)  # a process that outlives the child may hold the other end
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        return (pipe.readall() or b"").decode(errors="replace")


def _wait(pid: int, start_s: float, kill_after_s: float | None, timeout_s: float) -> tuple[int | None, int]:
    """Exit status, None after the timeout, and the largest memory in bytes."""
    kill_at_s = None if kill_after_s is None else start_s + kill_after_s
    over_time = False
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return (None if over_time else code), usage.ru_maxrss * 1024
        now = time.monotonic()
        over_time = over_time or now - start_s > timeout_s
        if over_time or (kill_at_s is not None and now >= kill_at_s):
            os.kill(pid, signal.SIGKILL)
            kill_at_s = None
        time.sleep(0.001)


def own_streams(out: int, err: int) -> None:
    """Let this process print to other descriptors; the objects of the parent may belong to files."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115


def _child(
    arguments: list[str],
    root: Path,
    events: FileEvents,
    descriptors: tuple[int, int, int],
    limits: dict[int, int] | None,
    before: Callable[[], None] | None,
) -> None:
    from gsm_bench.cli import main

    out, err, counting = descriptors
    status = 1
    try:
        os.chdir(root)
        os.environ["XDG_CONFIG_HOME"] = str(root / "config")
        own_streams(out, err)
        for kind, value in (limits or {}).items():
            resource.setrlimit(kind, (value, value))
        if before:
            before()
        sys.addaudithook(events)
        main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os.write(counting, str(events.count).encode())
        os._exit(status)
