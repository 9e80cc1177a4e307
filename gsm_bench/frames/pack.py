"""Pack frames of any source into one HDF5 file: one row of encoded bytes per frame, in a dataset per video.

Pictures are checked and copied byte for byte, so scores do not change; frames of video files are encoded. Work in
progress is kept in parts beside the file, each written to a temporary file and renamed. A run that was killed resumes
with the same command.
"""

from __future__ import annotations

import io
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from gsm_bench.errors import FrameError, RunConflictError
from gsm_bench.files import aside, commit, create_whole, ensure_room, full_disk_named, locked, sweep
from gsm_bench.frames.pack_writer import LIBVER, ROOM_BYTES, PartWriter, VideoRows
from gsm_bench.frames.sources.hdf5 import FORMAT, open_frames
from gsm_bench.frames.sources.names import INFER_NAMES, Naming
from gsm_bench.frames.sources.pictures import decoded
from gsm_bench.frames.sources.readers import FrameReader, ImageSequenceReader
from gsm_bench.hdf5_texts import own_attribute
from gsm_bench.hdf5_writer import new_hdf5
from gsm_bench.workspace import pasteable

VERSION = 1
CHUNK_FRAMES = 512
"""Frames that a worker reads at a time; an hour of video does not fit into memory."""
QUALITY = 95


@dataclass(frozen=True)
class Packing:
    """Settings of a packing.

    Attributes:
        source: where the frames are, for messages and to recognise an interrupted packing.
        target: the file to write.
        quality: JPEG quality of frames of video files; None stores them as PNG, without loss.
        workers: threads that read and encode.
        force: replace an existing file.
        naming: file names of pictures.
    """

    source: Path
    target: Path
    quality: int | None = QUALITY
    workers: int = 2
    force: bool = False
    naming: Naming = INFER_NAMES

    @property
    def card(self) -> dict[str, object]:
        names = {key: value for key, value in asdict(self.naming).items() if value is not None}
        return {"source": str(self.source.resolve()), "quality": self.quality, **names}

    @property
    def parts(self) -> Path:
        return self.target.with_name(f"{self.target.name}.parts")


@dataclass(frozen=True)
class Packed:
    """Result of a packing.

    Attributes:
        videos: number of videos in the file.
        frames: number of frames written by this run.
        reused: number of videos packed by an earlier run.
        bad: reason for each video left out, by name.
    """

    videos: int
    frames: int
    reused: int
    bad: dict[str, str]


def pack(
    packing: Packing, readers: dict[str, FrameReader], progress: Callable[[int, int, int], None] = lambda *_: None
) -> Packed:
    """Pack all videos; `progress` gets the number of videos done, in total, and left out.

    Raises:
        RunConflictError: the file exists, or another packing was interrupted or is running here.
        DiskError: the disk is full; finished parts are kept.
    """
    with _locked(packing), full_disk_named(packing.target):
        return _pack(packing, readers, progress)


def _pack(packing: Packing, readers: dict[str, FrameReader], progress: Callable[[int, int, int], None]) -> Packed:
    done = _begin(packing)
    todo = {name: reader for name, reader in readers.items() if name not in done}
    if not packing.parts.exists():  # an earlier run was killed just before its end
        if todo:
            raise _exists(packing)
        return Packed(len(readers), 0, len(readers), {})
    bad: dict[str, str] = {}
    writer = PartWriter(packing.parts, first_part=len(list(packing.parts.glob("*.h5"))))
    finished = len(readers) - len(todo)
    progress(finished, len(readers), 0)
    try:
        for name, chunks in _by_video(_chunks(packing, todo)):
            problem = writer.add(name, chunks)
            if problem:
                bad[name] = problem
            finished += 1
            progress(finished, len(readers), len(bad))
    finally:
        writer.close()
    if len(bad) < len(readers):
        _merge(packing, readers, bad)
    else:  # no empty file
        shutil.rmtree(packing.parts)
    return Packed(len(readers) - len(bad), writer.frames, len(readers) - len(todo), bad)


@contextmanager
def _locked(packing: Packing) -> Iterator[None]:
    """Lock the file against other processes; the system releases the lock when this process ends."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(packing.target, wait=False))
        except BlockingIOError as error:
            raise RunConflictError(
                "another process is packing into this file",
                where=packing.target,
                fix="wait for it, or use another name",
            ) from error
        yield


def _begin(packing: Packing) -> set[str]:
    """Create the folder of parts; returns the videos that an earlier run has packed."""
    done = set[str]()
    sweep(packing.target)
    if _only_parts_are_left(packing):
        shutil.rmtree(packing.parts)
        return _names(packing.target)
    if packing.target.exists():
        if not _can_resume(packing) and not packing.force:
            raise _exists(packing)
        if _can_resume(packing) and not packing.force:
            done |= _names(packing.target)
    packing.parts.mkdir(parents=True, exist_ok=True)
    create_whole(packing.parts / "run.json", json.dumps(packing.card).encode())
    card = _card(packing.parts / "run.json")
    if card != packing.card:
        source, quality = card.get("source", "another source"), card.get("quality", "unknown")
        raise RunConflictError(
            f"a packing of {source} (quality {quality}) was interrupted here", where=packing.parts,
            fix=f"finish it with its own command, or rm -r {pasteable(packing.parts)}",
        )  # fmt: skip
    for left in packing.parts.glob(".*.tmp"):  # of a process that was killed
        left.unlink()
    for part in packing.parts.glob("*.h5"):
        done |= _names(part)
    return done


def _card(path: Path) -> dict[str, object]:
    """What an interrupted packing says of itself.

    Raises:
        RunConflictError: the file is damaged.
    """
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(card, dict):
            return card
        why = "no object"
    except (OSError, ValueError, RecursionError) as error:
        why = str(error)[:200] or type(error).__name__
    raise RunConflictError(
        f"the record of an interrupted packing is damaged: {why}", where=path,
        fix=f"start it again: rm -r {pasteable(path.parent)}",
    )  # fmt: skip


def _exists(packing: Packing) -> RunConflictError:
    return RunConflictError("this file exists", where=packing.target, fix="--force replaces it, or choose another name")


def _only_parts_are_left(packing: Packing) -> bool:
    """Whether an earlier run of this packing was killed while it deleted the parts of the finished file."""
    if not packing.parts.is_dir() or _lacks_videos(packing) is not False:
        return False
    merged_at = packing.target.stat().st_mtime_ns
    return all(part.stat().st_mtime_ns <= merged_at for part in packing.parts.iterdir())


def _can_resume(packing: Packing) -> bool:
    """Whether the file belongs to this packing and lacks videos."""
    return bool(_lacks_videos(packing))


def _lacks_videos(packing: Packing) -> bool | None:
    """Whether the file lacks videos; None if it is missing, or not of this packing."""
    with suppress(FrameError, ValueError, RecursionError), open_frames(packing.target) as content:
        if json.loads(own_attribute(content.source, content.file, "card", "null")) == packing.card:
            return bool(content.file.attrs.get_id("not_packed").shape != (0,))
    return None


def _names(path: Path) -> set[str]:
    with open_frames(path) as content:
        return set(content.file)


def _chunks(packing: Packing, readers: dict[str, FrameReader]) -> Iterator[tuple[str, VideoRows | FrameError]]:
    """Chunks of all videos in order, prefetched by several threads."""
    with ThreadPoolExecutor(packing.workers, "pack") as pool:
        tasks = (
            (name, pool.submit(_read_chunk, packing, name, reader, numbers, total))
            for name, reader in readers.items()
            for numbers, total in _numbered(reader)
        )
        ahead: deque[tuple[str, Future[VideoRows | FrameError]]] = deque(islice(tasks, 2 * packing.workers))
        while ahead:
            name, future = ahead.popleft()
            yield name, future.result()
            ahead.extend(islice(tasks, 1))


def _numbered(reader: FrameReader) -> Iterator[tuple[list[int] | FrameError, int]]:
    """Frame numbers of a reader in chunks, with its number of rows; or its error."""
    try:
        numbers = reader.numbers() if isinstance(reader, ImageSequenceReader) else list(range(1, reader.count() + 1))
        if not numbers:
            raise FrameError("there are no frames", where=reader.where)
    except FrameError as error:
        yield error, 0
        return
    size = CHUNK_FRAMES if reader.seekable else len(numbers)
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size], numbers[-1]


def _read_chunk(
    packing: Packing, name: str, reader: FrameReader, numbers: list[int] | FrameError, total: int
) -> VideoRows | FrameError:
    if isinstance(numbers, FrameError):
        return numbers
    rows = {}
    try:
        for number, content in _encoded(reader, numbers, packing.quality):
            if isinstance(content, FrameError):
                return content
            rows[number] = content
    except FrameError as error:
        return error
    return VideoRows(name, rows, numbers[0] == 1, numbers[-1] == total, total)


def _encoded(reader: FrameReader, numbers: list[int], quality: int | None) -> Iterator[tuple[int, bytes | FrameError]]:
    if isinstance(reader, ImageSequenceReader):
        for number, content in reader.encoded(numbers):
            picture = content if isinstance(content, FrameError) else decoded(content, number, reader.where)
            yield number, picture if isinstance(picture, FrameError) else content
        return
    for number, picture in reader.pictures(numbers):
        yield number, picture if isinstance(picture, FrameError) else encode(picture, quality)


def encode(picture: Image.Image, quality: int | None) -> bytes:
    """A decoded frame as JPEG of full colour resolution, or as PNG if `quality` is None."""
    buffer = io.BytesIO()
    if quality is None:
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _by_video(
    chunks: Iterable[tuple[str, VideoRows | FrameError]],
) -> Iterator[tuple[str, Iterator[VideoRows | FrameError]]]:
    """Chunks grouped by video; consume a group before taking the next."""
    for name, group in groupby(chunks, key=lambda item: item[0]):
        yield name, (chunk for _, chunk in group)


def _merge(packing: Packing, readers: dict[str, FrameReader], bad: dict[str, str]) -> None:
    """Copy the parts, and the videos of an unfinished file, into the file; then delete the parts."""
    sources = sorted(packing.parts.glob("[0-9]*.h5"))
    if packing.target.exists() and not packing.force:
        sources.insert(0, packing.target)
    ensure_room(packing.target, ROOM_BYTES + sum(source.stat().st_size for source in sources))
    written = aside(packing.target)
    try:
        with new_hdf5(written, libver=LIBVER) as file:
            file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
            file.attrs["encoding"] = _encoding(readers, packing.quality)
            file.attrs["card"] = json.dumps(packing.card)
            file.attrs["not_packed"] = np.array(sorted(bad), dtype=h5py.string_dtype())
            for source in sources:
                _copy_videos(source, file)
        commit(written, packing.target)
    finally:
        written.unlink(missing_ok=True)
    shutil.rmtree(packing.parts)


def _copy_videos(source: Path, file: h5py.File) -> None:
    """Copy the videos that `file` does not hold yet: after a kill, both the file and its parts may exist."""
    with open_frames(source) as part:
        for name in part.file:
            if name not in file:
                part.file.copy(name, file)


def _encoding(readers: dict[str, FrameReader], quality: int | None) -> str:
    """How packed pixels differ from the stored pictures of the data set; empty where bytes were copied."""
    encodings = sorted({reader.encoding for reader in readers.values()} - {""})
    copied = all(isinstance(reader, ImageSequenceReader) for reader in readers.values())
    lossy = "" if copied or quality is None else f"JPEG quality {quality} of "
    return "; ".join(lossy + encoding for encoding in encodings)
