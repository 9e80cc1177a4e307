"""Files that are there whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gsm_bench.errors import DiskError

FULL = (errno.ENOSPC, errno.EDQUOT)
ABANDONED_AFTER_S = 3600.0
"""A half-written file of another machine is nobody's if it has not grown for so long."""
MAKE_ROOM = "make room, then run the same command again: what is finished is kept"


def aside(path: Path) -> Path:
    """A name beside `path` that no other process, thread or machine uses."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}.tmp")


def sweep(path: Path) -> None:
    """Remove what writers of `path` left beside it when they were killed; what one alive is writing stays."""
    host = socket.gethostname()
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        writer, pid, _ = left.name.removeprefix(f".{path.name}.").removesuffix(".tmp").rsplit(".", 2)
        with suppress(OSError):
            if alive(int(pid)) if writer == host else time.time() - left.stat().st_mtime < ABANDONED_AFTER_S:
                continue
            left.unlink()


def alive(pid: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ensure_room(path: Path, size: int) -> None:
    """Raise DiskError if `size` more bytes do not fit beside `path`.

    To be asked before HDF5 writes: a process whose disk is full before HDF5 could close a file may crash.
    """
    free = shutil.disk_usage(path.parent).free
    if free < size:
        said = f"the disk is too full: {_megabytes(size)} are needed, {_megabytes(free)} free"
        raise DiskError(said, where=path, fix=MAKE_ROOM)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.{1 if size >= 1e6 else 3}f} MB"


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """What the system, or HDF5, says of a disk that became full, as a DiskError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        said = str(error)
        if getattr(error, "errno", None) in FULL or any(f"errno = {number}," in said for number in FULL):
            raise DiskError("the disk is full", where=path, fix=MAKE_ROOM) from error
        raise


def commit(written: Path, path: Path) -> None:
    """Rename a written file into place, once its bytes are on disk."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    written.replace(path)


def commit_new(written: Path, path: Path) -> bool:
    """As `commit`, of a file that is not there yet; False, and nothing changed, if another process was quicker."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(written, path)
    except FileExistsError:
        return False
    return True


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step; what was there is replaced."""
    written = aside(path)
    try:
        with full_disk_named(path):
            written.write_bytes(content)
            commit(written, path)
    finally:
        written.unlink(missing_ok=True)


def create_whole(path: Path, content: bytes) -> bool:
    """Create a file in one step; False, and nothing written, if it exists already."""
    written = aside(path)
    try:
        with full_disk_named(path):
            written.write_bytes(content)
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        written.unlink(missing_ok=True)
    return True


def file_sha256(path: str | Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
