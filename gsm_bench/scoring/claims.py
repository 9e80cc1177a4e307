"""Claims: which process works on which chunk of a folder that any number of processes share.

A process claims a chunk by creating its claim file, which only one process can do. A claim whose process is gone, or
has not renewed it for two minutes, is taken over by renaming it away, which again only one process can do. The two
minutes pass by the stamp of the claim, or on the clock of the process that waits: the stamp of another machine may lie
in the future.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gsm_bench.files import alive, aside, create_whole

STALE_AFTER_S = 120.0
HEARTBEAT_S = 20.0
MERGE = "merge"


class ClaimFolder:
    """Claims on the chunks in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._claims: set[Path] = set()
        self._seen: dict[Path, tuple[float, float]] = {}
        self._stop = threading.Event()

    def claim(self, name: str) -> bool:
        """Claim chunk `name` for this process; False if a living process holds it.

        Raises:
            FileNotFoundError: the folder is gone.
        """
        path = self.path / f"{name}.claim"
        for _ in range(2):
            host, pid = _this_process()
            if create_whole(path, json.dumps({"host": host, "pid": pid}).encode()):
                self._claims.add(path)
                return True
            if not self._clear_if_stale(path):
                return False
        return False

    def release(self, name: str) -> None:
        """Release a claim of this process."""
        path = self.path / f"{name}.claim"
        self._claims.discard(path)
        if _owner(path) == _this_process():
            path.unlink(missing_ok=True)

    def release_all(self) -> None:
        """Release all claims of this process."""
        for path in list(self._claims):
            self.release(path.stem)

    def claimed_by_others(self) -> bool:
        """Whether another living process works here."""
        return any(path not in self._claims and not self._stale(path) for path in self.path.glob("*.claim"))

    def waiting_for(self) -> str:
        """Who holds the claims of other processes here and since when they are quiet, in words; empty if nobody does."""
        holders: dict[tuple[str, int], list[Path]] = {}
        for path in sorted(self.path.glob("*.claim")):
            if path not in self._claims and not self._stale(path) and path in self._seen:  # not released meanwhile
                holders.setdefault(_owner(path), []).append(path)
        return "; ".join(self._holder_words(*owner, paths) for owner, paths in holders.items())

    def _holder_words(self, host: str, pid: int, paths: list[Path]) -> str:
        quiet_s = min(time.monotonic() - self._seen[path][1] for path in paths)
        sign = datetime.now(UTC) - timedelta(seconds=quiet_s)
        work = ", ".join("the merge" if path.stem == MERGE else f"chunk {path.stem}" for path in paths)
        who = f"process {pid} on {host}" if host else "a process without a name"
        return f"{who} for {work}, last sign of it seen at {sign:%H:%M:%S} UTC"

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Renew the claims of this process while it works; release them at the end."""
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self.release_all()

    def _renew(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            for path in list(self._claims):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(path)

    def _clear_if_stale(self, path: Path) -> bool:
        """Rename a stale claim away; True if the chunk can be claimed."""
        owner = _owner(path)
        if not self._stale(path):
            return not path.exists()
        grave = aside(path)
        try:
            path.rename(grave)
        except FileNotFoundError:
            return True
        if _owner(grave) != owner:  # another process took the stale claim over first: this one is alive
            with contextlib.suppress(FileExistsError):
                os.link(grave, path)
            grave.unlink(missing_ok=True)
            return False
        grave.unlink(missing_ok=True)
        return True

    def _stale(self, path: Path) -> bool:
        try:
            renewed = path.stat().st_mtime
        except FileNotFoundError:
            return False
        host, pid = _owner(path)
        if host == socket.gethostname() and not alive(pid):
            return True
        try:
            age_s = self._folder_time() - renewed
        except FileNotFoundError:  # another process has merged the chunks and removed the folder
            return False
        return max(age_s, self._quiet_s(path, renewed)) > STALE_AFTER_S

    def _quiet_s(self, path: Path, renewed: float) -> float:
        """Seconds since this process saw the stamp of a claim change, on its own monotonic clock; 0 at first."""
        if path not in self._seen or self._seen[path][0] != renewed:
            self._seen[path] = renewed, time.monotonic()
        return time.monotonic() - self._seen[path][1]

    def _folder_time(self) -> float:
        """The time on the clock of the file system that stamps the claims."""
        probe = self.path / f".clock.{socket.gethostname()}.{os.getpid()}"
        probe.touch()
        return probe.stat().st_mtime


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _owner(claim: Path) -> tuple[str, int]:
    """Host and pid of a claim; ("", 0) if it is gone or incomplete."""
    try:
        owner = json.loads(claim.read_text())
        return str(owner["host"]), int(owner["pid"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return "", 0
