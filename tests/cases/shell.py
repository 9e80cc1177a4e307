"""The command line in a process of its own: with limits of time and memory, another console, another directory."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import Ran

ROOT = Path(__file__).parents[2]
ATTACK = Path(__file__).parent / "attack"
SECONDS = 10
"""No damaged file takes longer than this; starting Python is not counted."""
START_SECONDS = 290
MEMORY = 2 << 30
FIX = re.compile(r"^ *fix:", re.MULTILINE)


def environment(**changes: str) -> dict[str, str]:
    """The environment of a command: this tree's package, one thread per library, and buffers as users have them."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **threads, "PYTHONUNBUFFERED": "", **changes}


def command(arguments: Sequence[object]) -> list[str]:
    return [sys.executable, "-m", "gsm_bench", *map(os.fsdecode, map(_plain, arguments))]


def _plain(argument: object) -> str | bytes:
    return argument if isinstance(argument, bytes) else str(argument)


def limits(memory: int | None = None, file_size: int | None = None):
    """A function for `preexec_fn` that bounds memory and written files, both in bytes."""

    def bound() -> None:
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    return bound


def shell(
    *arguments: object,
    cwd: Path | None = None,
    memory: int | None = None,
    file_size: int | None = None,
    seconds: float = SECONDS,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """Run a command in a process of its own; a test fails where it takes longer than `seconds` and a start."""
    done = subprocess.run(
        command(arguments),
        capture_output=True,
        cwd=cwd,
        env=environment(**(env or {})),
        timeout=seconds + START_SECONDS,
        preexec_fn=limits(memory, file_size),
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def one_error(ran: Ran) -> str:
    """An error is one message with what to do about it: no traceback, no crash, nothing of the library's own."""
    assert "Traceback" not in ran.err, ran.err
    assert ran.status == 1, (ran.status, ran.out, ran.err)
    assert ran.err.count("error:") == 1, ran.err
    assert FIX.search(ran.err), ran.err
    assert len(ran.err) < 2000, ran.err
    return ran.err
