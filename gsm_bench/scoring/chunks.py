"""Chunks: finished rows of a run, kept in a folder beside the score file and shared by any number of processes.

A chunk is written aside and renamed, so it is complete or absent. `gsm_bench.scoring.claims` shares the work. If two
processes ever score the same chunk, they write the same content, so it enters the score file once.
"""

from __future__ import annotations

import contextlib
import glob
import io
import json
import os
import shutil
import socket
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import RunConflictError
from gsm_bench.files import create_whole, write_whole
from gsm_bench.fingerprints import unknown_fingerprints
from gsm_bench.scorefile import NOT_SCORED, Scores
from gsm_bench.scoring.claims import ClaimFolder
from gsm_bench.workspace import pasteable

DAMAGED = (
    zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError, zlib.error, TypeError, AttributeError, OverflowError,
    RecursionError, SyntaxError, NotImplementedError,
)  # fmt: skip
"""What reading a damaged chunk may raise."""
CARD = "run.json"


@dataclass(frozen=True)
class Chunk:
    """Scores of n rows of the split.

    Attributes:
        rows: int64 [n] rows of the split.
        status: uint8 [n].
        num_frames: int64 [n] frames of each video, 0 where they could not be counted.
        problems: reason per row that has one.
        scores: float32 [n, V, C] per task.
        pass_clips: clips per forward pass where memory did not hold the batch, else 0.
        compile_fallback: why the network could not be compiled, empty if it was or was not asked to be.
        stored_frames: number of stored frames per row whose list gives fewer.
        fingerprints: structured array [n] of what is stored of each video, see `Fingerprint`; zeros by default.
    """

    rows: NDArray[np.int64]
    status: NDArray[np.uint8]
    num_frames: NDArray[np.int64]
    problems: Mapping[int, str]
    scores: Mapping[str, Scores]
    pass_clips: int = 0
    compile_fallback: str = ""
    stored_frames: Mapping[int, int] = field(default_factory=dict)
    fingerprints: NDArray[np.void] = field(default_factory=lambda: unknown_fingerprints(0))

    def __post_init__(self) -> None:
        if len(self.fingerprints) != len(self.rows):
            object.__setattr__(self, "fingerprints", unknown_fingerprints(len(self.rows)))


@dataclass(frozen=True)
class BatchResult(Chunk):
    """The rows of one batch, and the frames decoded for them; results of a chunk's batches are joined into it."""

    decoded: int = 0


def joined(results: Sequence[Chunk]) -> Chunk:
    """One chunk from results in the order of their rows."""
    pass_clips = [result.pass_clips for result in results if result.pass_clips]
    return Chunk(
        rows=np.concatenate([result.rows for result in results]),
        status=np.concatenate([result.status for result in results]),
        num_frames=np.concatenate([result.num_frames for result in results]),
        problems={row: reason for result in results for row, reason in result.problems.items()},
        scores={task: np.concatenate([result.scores[task] for result in results]) for task in results[0].scores},
        pass_clips=min(pass_clips, default=0),
        compile_fallback=next((result.compile_fallback for result in results if result.compile_fallback), ""),
        stored_frames={row: count for result in results for row, count in result.stored_frames.items()},
        fingerprints=np.concatenate([result.fingerprints for result in results]),
    )


@dataclass(frozen=True)
class RunCard:
    """What identifies a run in its folder.

    Attributes:
        signature: every setting that could change a score.
        started: when its first process started.
        fresh: whether the run replaces an existing score file.
        list_path, frames_path: the list of videos and the place of their frames, for messages.
    """

    signature: str
    started: str
    fresh: bool = False
    list_path: str = ""
    frames_path: str = ""


@dataclass(frozen=True)
class ReadRows:
    """What a finished chunk was made from: rows, status, frames used and fingerprints, each [n]."""

    rows: NDArray[np.int64]
    status: NDArray[np.uint8]
    num_frames: NDArray[np.int64]
    fingerprints: NDArray[np.void]


class ChunkFolder(ClaimFolder):
    """The chunks of one run: `run.json` with its signature, finished chunks, claims on chunks in work."""

    def join(self, card: RunCard) -> RunCard:
        """Create the folder, or join the run that is already there; returns the card of that run."""
        self.path.mkdir(parents=True, exist_ok=True)
        create_whole(self.path / CARD, json.dumps(asdict(card)).encode())
        return self.card() or card

    def card(self) -> RunCard | None:
        """The card of the run in this folder, None if there is none.

        Raises:
            RunConflictError: it is damaged, so nobody knows of which run the chunks are.
        """
        path = self.path / CARD
        try:
            return msgspec.json.decode(path.read_bytes(), type=RunCard)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise RunConflictError(
                f"the record of an unfinished run is damaged: {str(error).splitlines()[0]}", where=path,
                fix=f"start it again: rm -r {pasteable(self.path)}",
            ) from error  # fmt: skip

    def finished(self) -> set[int]:
        """Numbers of the finished chunks, from a listing of the folder."""
        return {int(path.stem) for path in self.path.glob("*.npz") if path.stem.isdecimal()}

    def is_finished(self, number: int) -> bool:
        """Whether a chunk is finished, without listing the folder."""
        return self._file(number).exists()

    def write(self, number: int, chunk: Chunk) -> None:
        """Write a finished chunk and release its claim."""
        arrays: dict[str, Any] = {f"scores_{task}": values for task, values in chunk.scores.items()}
        text = json.dumps({str(row): reason for row, reason in chunk.problems.items()})
        buffer = io.BytesIO()
        np.savez(
            buffer, rows=chunk.rows, status=chunk.status, num_frames=chunk.num_frames, problems=np.array(text),
            pass_clips=np.array(chunk.pass_clips), compile_fallback=np.array(chunk.compile_fallback),
            stored_frames=np.array(list(chunk.stored_frames.items()), np.int64).reshape(-1, 2),
            fingerprints=chunk.fingerprints, **arrays,
        )  # fmt: skip
        write_whole(self._file(number), buffer.getvalue(), sweeps=False)
        self.release(str(number))

    def read(self, number: int) -> Chunk:
        """Read a finished chunk."""
        with np.load(self._file(number)) as file:
            problems = {int(row): reason for row, reason in json.loads(str(file["problems"])).items()}
            scores = {name.removeprefix("scores_"): file[name] for name in file.files if name.startswith("scores_")}
            pass_clips = int(file["pass_clips"]) if "pass_clips" in file.files else 0
            compile_fallback = str(file["compile_fallback"]) if "compile_fallback" in file.files else ""
            stored_frames = dict(file["stored_frames"].tolist()) if "stored_frames" in file.files else {}
            return Chunk(
                file["rows"], file["status"], file["num_frames"], problems, scores, pass_clips, compile_fallback,
                stored_frames, _fingerprints(file),
            )  # fmt: skip

    def read_rows(self) -> Iterator[ReadRows]:
        """What each sound finished chunk was made from, without its scores."""
        for number in sorted(self.finished()):
            with contextlib.suppress(*DAMAGED), np.load(self._file(number)) as file:
                rows = ReadRows(file["rows"], file["status"], file["num_frames"], _fingerprints(file))
                if len(rows.rows) == len(rows.status) == len(rows.num_frames) == len(rows.fingerprints):
                    yield rows

    def drop_unsound(self) -> list[int]:
        """Remove finished chunks that are damaged or hold videos without a score; returns their numbers."""
        dropped = []
        for number in sorted(self.finished()):
            try:
                sound = NOT_SCORED not in self.read(number).status
            except DAMAGED:
                sound = False
            if not sound:
                self._file(number).unlink(missing_ok=True)
                dropped.append(number)
        return dropped

    def remove(self) -> None:
        """Remove the folder in one step: other processes see all of it or nothing.

        Removes also what processes killed during this step left behind.
        """
        trash = self.path.with_name(f"{self.path.name}.{socket.gethostname()}.{os.getpid()}.done")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(trash)
        for left in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.done"):
            shutil.rmtree(left, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self.path / f"{number:06d}.npz"


def _fingerprints(file: Any) -> NDArray[np.void]:
    """The fingerprints of a chunk; chunks of earlier versions have none."""
    return np.asarray(file["fingerprints"]) if "fingerprints" in file.files else unknown_fingerprints(len(file["rows"]))
