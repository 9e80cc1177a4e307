"""Finished pieces of a run, kept in a folder beside the score file, shared by any number of processes.

A part is written aside and renamed, so it is there whole or not at all. A process claims a part by creating its
claim file, which only one can do; a claim whose process is gone, or has not been renewed for two minutes, is taken
over by renaming it away, which again only one can do. Should two processes ever score the same part, they write the
same content: what is in the result once stays in it once.
"""

from __future__ import annotations

import contextlib
import glob
import io
import json
import os
import shutil
import socket
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.files import alive, aside, create_whole, write_whole
from gsm_bench.scorefile import NOT_SCORED, Scores

DAMAGED = (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError, zlib.error)
"""What reading a damaged part may raise."""
STALE_AFTER_S = 120.0
HEARTBEAT_S = 20.0
MERGE = "merge"
CARD = "run.json"


@dataclass(frozen=True)
class Chunk:
    """Scores of the rows of one part.

    Attributes:
        rows: int64 [n] rows of the split.
        status: uint8 [n].
        num_frames: int64 [n] frames of each video, 0 where they could not be counted.
        problems: reason per row that has one.
        scores: float32 [n, V, C] per task.
        pass_clips: clips that went through the network at once where memory did not hold the batch, else 0.
        compile_fallback: why the network was not compiled, where it was to be.
    """

    rows: NDArray[np.int64]
    status: NDArray[np.uint8]
    num_frames: NDArray[np.int64]
    problems: Mapping[int, str]
    scores: Mapping[str, Scores]
    pass_clips: int = 0
    compile_fallback: str = ""


@dataclass(frozen=True)
class RunCard:
    """What identifies a run in its folder.

    Attributes:
        signature: all that could change a number.
        started: when its first process began.
        fresh: whether it starts again, whatever score file is there.
    """

    signature: str
    started: str
    fresh: bool = False


class ChunkFolder:
    """The parts of one run: `run.json` with its signature, finished parts, claims on parts in hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: set[Path] = set()
        self._stop = threading.Event()

    def join(self, card: RunCard) -> RunCard:
        """Make the folder, or enter the one that is there; returns the card that it carries."""
        self.path.mkdir(parents=True, exist_ok=True)
        create_whole(self.path / CARD, json.dumps(asdict(card)).encode())
        return self.card() or card

    def card(self) -> RunCard | None:
        """The card of the run that lies here, if one does."""
        try:
            return RunCard(**json.loads((self.path / CARD).read_text()))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, TypeError):
            return None

    def finished(self) -> set[int]:
        """Numbers of the finished parts."""
        return {int(path.stem) for path in self.path.glob("*.npz") if path.stem.isdecimal()}

    def write(self, number: int, part: Chunk) -> None:
        """Keep a finished part and let its claim go."""
        arrays: dict[str, Any] = {f"scores_{task}": values for task, values in part.scores.items()}
        text = json.dumps({str(row): reason for row, reason in part.problems.items()})
        buffer = io.BytesIO()
        np.savez(
            buffer, rows=part.rows, status=part.status, num_frames=part.num_frames, problems=np.array(text),
            pass_clips=np.array(part.pass_clips), compile_fallback=np.array(part.compile_fallback), **arrays,
        )  # fmt: skip
        write_whole(self.path / f"{number:06d}.npz", buffer.getvalue())
        self.release(str(number))

    def read(self, number: int) -> Chunk:
        """Read a finished part."""
        with np.load(self.path / f"{number:06d}.npz") as file:
            problems = {int(row): reason for row, reason in json.loads(str(file["problems"])).items()}
            scores = {name.removeprefix("scores_"): file[name] for name in file.files if name.startswith("scores_")}
            pass_clips = int(file["pass_clips"]) if "pass_clips" in file.files else 0
            compile_fallback = str(file["compile_fallback"]) if "compile_fallback" in file.files else ""
            return Chunk(
                file["rows"], file["status"], file["num_frames"], problems, scores, pass_clips, compile_fallback
            )

    def claim(self, name: str) -> bool:
        """Take part `name` in hand; False if somebody alive holds it."""
        path = self.path / f"{name}.claim"
        for _ in range(2):
            host, pid = _myself()
            if create_whole(path, json.dumps({"host": host, "pid": pid}).encode()):
                self._held.add(path)
                return True
            if not self._clear_if_stale(path):
                return False
        return False

    def release(self, name: str) -> None:
        """Let a claim of this process go."""
        path = self.path / f"{name}.claim"
        self._held.discard(path)
        if _owner(path) == _myself():
            path.unlink(missing_ok=True)

    def drop_unsound(self) -> list[int]:
        """Remove finished parts that are damaged or hold clips without a score; returns their numbers."""
        dropped = []
        for number in sorted(self.finished()):
            try:
                sound = NOT_SCORED not in self.read(number).status
            except DAMAGED:
                sound = False
            if not sound:
                (self.path / f"{number:06d}.npz").unlink(missing_ok=True)
                dropped.append(number)
        return dropped

    def claimed_by_others(self) -> bool:
        """Whether somebody alive works here."""
        return any(path not in self._held and not self._stale(path) for path in self.path.glob("*.claim"))

    def remove(self) -> None:
        """Take the folder away in one step; those who still look into it find nothing.

        What a process killed at this left behind goes too.
        """
        trash = self.path.with_name(f"{self.path.name}.{socket.gethostname()}.{os.getpid()}.done")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(trash)
        for left in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.done"):
            shutil.rmtree(left, ignore_errors=True)

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Renew the claims of this process while it works; let them go at the end."""
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self.let_go()

    def let_go(self) -> None:
        """Release all claims of this process."""
        for path in list(self._held):
            self.release(path.stem)

    def _renew(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            for path in list(self._held):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(path)

    def _clear_if_stale(self, path: Path) -> bool:
        """Rename a dead claim away; True if the way is free."""
        dead = _owner(path)
        if not self._stale(path):
            return not path.exists()
        grave = aside(path)
        try:
            path.rename(grave)
        except FileNotFoundError:
            return True
        if _owner(grave) != dead:  # somebody took the dead claim over before us: this one lives
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
        return self._folder_time() - renewed > STALE_AFTER_S

    def _folder_time(self) -> float:
        """Now, on the clock of the file system that stamps the claims."""
        probe = self.path / f".clock.{socket.gethostname()}.{os.getpid()}"
        probe.touch()
        return probe.stat().st_mtime


def _myself() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _owner(claim: Path) -> tuple[str, int]:
    """Host and pid in a claim; ("", 0) for one that is gone or was cut short."""
    try:
        owner = json.loads(claim.read_text())
        return str(owner["host"]), int(owner["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0
