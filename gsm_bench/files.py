"""Files that are there whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from pathlib import Path


def aside(path: Path) -> Path:
    """A name beside `path` that no other process, thread or machine uses."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}.tmp")


def settle(written: Path, path: Path) -> None:
    """Rename a written file into place, once its bytes are on disk."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    written.replace(path)


def settle_new(written: Path, path: Path) -> bool:
    """As `settle`, of a file that is not there yet; False, and nothing changed, if another process was quicker."""
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
        written.write_bytes(content)
        settle(written, path)
    finally:
        written.unlink(missing_ok=True)


def create_whole(path: Path, content: bytes) -> bool:
    """Create a file in one step; False, and nothing written, if it exists already."""
    written = aside(path)
    try:
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
