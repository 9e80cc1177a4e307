"""Every writing command on a disk that becomes full, or under a limit of file sizes, then again with room."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from attack.children import Ended, run
from attack.contents import contents, difference
from attack.kills import COMMANDS, DONE, copy_of, undisturbed

FILE_SIZES = (0, 2_000, 20_000)
"""Limits of a file in bytes, as by ``ulimit -f``."""
ROOMS = (0, 8_192, 65_536)
"""Bytes left on a disk."""
DISK = "24m"
SKIPPED = ("demo", "figure all")
"""They consist of commands that are tried by themselves."""


@dataclass
class Full:
    """Runs of one command without room.

    Attributes:
        runs: in all.
        refused: that ended in one error; the others needed less.
        faults: what was wrong.
    """

    runs: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A small file system in memory; None where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="attack-disk-") as folder:
        mounted = os.geteuid() == 0 and _mount(["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder])
        try:
            yield Path(folder).resolve() if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", "-l", folder], check=False)


def _mount(arguments: Sequence[str]) -> bool:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def fill(disk: Path, room: int) -> Path:
    """Fill a disk but for `room` bytes with one file; returns it."""
    path = disk / "ballast"
    with path.open("wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(1 << 20))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        size = os.fstat(file.fileno()).st_size
        file.truncate(max(0, size - room))
    return path


def judge(without_room: Ended, again: Ended, left: str, full: Full) -> None:
    """Note what a run without room, and the one after it, did wrong."""
    full.runs += 1
    full.refused += without_room.status == 1
    if without_room.crashed:
        full.faults.append(f"{without_room.crashed}: {without_room.err[-300:]}")
    elif without_room.status not in (0, 1, 3):
        full.faults.append(f"status {without_room.status}: {without_room.err[-300:]}")
    elif without_room.status == 1 and without_room.err.count("error:") != 1:
        full.faults.append(f"not one error: {without_room.err[-300:]}")
    if again.crashed or (again.status not in (0,) and not any(word in again.err for word in DONE)):
        full.faults.append(f"with room: {again.crashed or again.err[-300:]}")
    elif left:
        full.faults.append(f"with room: {left}")


def _without_room(job: tuple[Path, str, Path]) -> tuple[str, Full, bool]:
    """A command under limits and on a small disk; False if there is no such disk."""
    workspace, name, place = job
    full = Full()
    _under_limits(workspace, name, place / f"lane-{os.getpid()}", full)
    with small_disk() as disk:
        if disk is not None:
            _on_small_disk(workspace, name, disk, full)
    return name, full, disk is not None


def _under_limits(workspace: Path, name: str, folder: Path, full: Full) -> None:
    expected, _ = undisturbed(workspace, name, folder)
    for size in FILE_SIZES:
        root = copy_of(workspace, folder)
        first = run(COMMANDS[name], root, limits={resource.RLIMIT_FSIZE: size})
        again = run(COMMANDS[name], root)
        judge(first, again, difference(expected, contents(root)), full)


def _on_small_disk(workspace: Path, name: str, disk: Path, full: Full) -> None:
    expected, _ = undisturbed(workspace, name, disk / "workspace")
    for room in ROOMS:
        root = copy_of(workspace, disk / "workspace")
        ballast = fill(disk, room)
        first = run(COMMANDS[name], root)
        ballast.unlink()
        again = run(COMMANDS[name], root)
        judge(first, again, difference(expected, contents(root)), full)


def attack(
    workspace: Path, lanes: int, say: Callable[[str], None], names: Sequence[str] = tuple(COMMANDS)
) -> tuple[dict[str, Full], str]:  # fmt: skip
    """All commands without room; returns what they did by name, and why the small disk was left out, if it was."""
    names = [name for name in names if name not in SKIPPED]
    with (
        tempfile.TemporaryDirectory(prefix="attack-") as folder,
        ProcessPoolExecutor(lanes, mp_context=get_context("fork")) as pool,
    ):
        results, disks = {}, set()
        for name, full, had_disk in pool.map(
            _without_room, [(workspace, name, Path(folder).resolve()) for name in names]
        ):
            results[name] = full
            disks.add(had_disk)
            for fault in full.faults:
                say(f"  {name}: {fault}")
    return results, "" if disks == {True} else "this user may not mount a small file system: only limits of file sizes"
