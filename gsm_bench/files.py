"""Atomic writes: a file is written beside its place, then renamed."""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import os
import re
import resource
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gsm_bench.errors import DiskError, GsmBenchError

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the limit of this shell (ulimit -f) or disk",
}
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""Errors of file systems without hard links."""
ABANDONED_AFTER_S = 3600.0
"""An unfinished file of another machine counts as abandoned after so long without a change, in seconds."""
MAKE_ROOM = "free disk space, then run the same command again: finished work is kept"


def aside(path: Path, suffix: str = "") -> Path:
    """A path beside `path` that no other process, thread or machine uses.

    Args:
        suffix: its end, for what is read by its suffix.
    """
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}.tmp{suffix}")


def place_of(written: Path) -> Path:
    """The path that a file named by `aside` on this machine is written for; any other path as it is."""
    name = re.fullmatch(rf"\.(.+)\.{re.escape(socket.gethostname())}\.\d+\.\d+\.tmp(\.\w+)?", written.name)
    return written.with_name(name[1]) if name else written


def sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it: unfinished files and folders, a lock. That of others stays."""
    if path.with_name(f".{path.name}.lock").exists():
        with suppress(OSError), locked(path, wait=False):
            pass
    _remove_abandoned(path.parent.glob(f".{glob.escape(path.name)}.*.tmp*"), f".{path.name}.")


def sweep_folder(folder: Path) -> None:
    """As `sweep`, for all files that were written in `folder`."""
    _remove_abandoned(folder.glob(".*.tmp*"), ".")


def _remove_abandoned(unfinished: Iterable[Path], start: str) -> None:
    """Remove files named by `aside` whose writers are gone; `start` is the part of their names before that of the host."""
    pattern = re.compile(re.escape(start) + r"(.*)\.(\d+)\.\d+\.tmp(\.\w+)?")
    for left in unfinished:
        if (writer := pattern.fullmatch(left.name)) and _is_abandoned(left, writer[1], int(writer[2])):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _is_abandoned(left: Path, host: str, pid: int) -> bool:
    """Whether the writer of an unfinished file is gone; on another machine, whether the file is old.

    Args:
        host: the end of this text is the name of its machine.
    """
    with suppress(OSError):
        if f".{host}".endswith(f".{socket.gethostname()}"):
            return not alive(pid)
        return time.time() - left.stat().st_mtime > ABANDONED_AFTER_S
    return False


def alive(pid: int) -> bool:
    """Whether a process of this machine is running."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Keep other processes and threads that lock `path` out, by a lock file beside it that goes at the end.

    The system releases the lock of a process that dies; children that were forked from it do not hold it.

    Raises:
        BlockingIOError: another holds the lock, and `wait` is not set.
    """
    lock = path.with_name(f".{path.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    while (file := _lock_held(lock, wait)) is None:
        pass  # its holder removed the file meanwhile
    _held.add(file)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        _held.discard(file)
        file.close()


_held: set[IO[str]] = set()


def _leave_locks() -> None:
    """Close the lock files that a forked child has from its parent: the lock would be held until the child ends, too."""
    for file in _held:
        file.close()
    _held.clear()


os.register_at_fork(after_in_child=_leave_locks)


def _lock_held(lock: Path, wait: bool) -> IO[str] | None:
    """The locked lock file; None if it is no longer the one at its path."""
    file = lock.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    except FileNotFoundError:
        pass
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def ensure_room(path: Path, size: int) -> None:
    """Raise DiskError if `size` more bytes do not fit beside `path`.

    Called before HDF5 writes: where the disk becomes full, HDF5 may crash the process on closing the file.
    """
    if 0 <= resource.getrlimit(resource.RLIMIT_FSIZE)[0] < size:
        raise DiskError(f"{FULL[errno.EFBIG]}: {_megabytes(size)} needed", where=path, fix="ulimit -f unlimited")
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise DiskError(
            f"not enough disk space: {_megabytes(size)} needed, {_megabytes(free)} free", where=path, fix=MAKE_ROOM
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.{1 if size >= 1e6 else 3}f} MB"


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Turn the error of the system, or of HDF5, for a full disk into a DiskError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        text, number = str(error), getattr(error, "errno", None)
        reason = next((words for code, words in FULL.items() if code == number or f"errno = {code}," in text), None)
        if reason is None:
            raise
        raise DiskError(reason, where=path, fix=MAKE_ROOM) from error


@contextmanager
def new_file(path: Path, *, force: bool, exists: GsmBenchError) -> Iterator[Path]:
    """A path beside `path` to write to; at the end it is renamed.

    Args:
        force: replace an existing file.
        exists: raised for an existing file, also for one that appears while this one is written.

    Raises:
        DiskError: the file does not fit; nothing is left of it.
    """
    refuse_existing(path, force=force, exists=exists)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = aside(path)
    try:
        with full_disk_named(path):
            yield written
            if force:
                commit(written, path)
            elif not commit_new(written, path):
                raise exists
    finally:
        written.unlink(missing_ok=True)


def refuse_existing(path: Path, *, force: bool, exists: GsmBenchError) -> None:
    """Raise `exists` if something is at `path` and `force` is not set; what killed writers of it left is removed first."""
    sweep(path)
    if path.exists() and not force:
        raise exists


def commit(written: Path, path: Path) -> None:
    """Flush a written file to disk and rename it into place."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    written.replace(path)


def commit_new(written: Path, path: Path) -> bool:
    """As `commit`, for a new file; returns False and changes nothing if the file exists already."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    try:
        _link(written, path)
    except FileExistsError:
        return False
    return True


def _link(written: Path, path: Path) -> None:
    """Give a file a second name; raises FileExistsError if there is one of that name."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        written.replace(path)


def write_whole(path: Path, content: bytes, *, sweeps: bool = True) -> None:
    """Write a file atomically; an existing one is replaced.

    Args:
        sweeps: remove what killed writers of this file left; without it, no folder is listed.
    """
    if sweeps:
        sweep(path)
    written = aside(path)
    try:
        with full_disk_named(path):
            written.write_bytes(content)
            commit(written, path)
    finally:
        written.unlink(missing_ok=True)


def create_whole(path: Path, content: bytes) -> bool:
    """Create a file atomically; returns False and writes nothing if it exists already."""
    written = aside(path)
    try:
        with full_disk_named(path):
            written.write_bytes(content)
            _link(written, path)
    except FileExistsError:
        return False
    finally:
        written.unlink(missing_ok=True)
    return True


def file_sha256(path: str | Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
