"""Read frames from tar and zip files without unpacking them.

The archive's directory is read once into arrays of offsets. Reading a frame is then one read at its offset, from any
number of threads.
"""

from __future__ import annotations

import os
import tarfile
import threading
import zipfile
import zlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.names import FrameNames, numbered, spellings
from gsm_bench.frames.sources.pictures import reason
from gsm_bench.frames.sources.readers import ImageSequenceReader, gap_in
from gsm_bench.places import Place

LISTINGS_KEPT = 4
"""Archive directories that a process caches; a reader keeps its own part of one."""
APPLE_FILE, APPLE_FOLDER = "._", "__MACOSX"
"""Prefix and folder of the files that macOS adds to archives beside each file."""
ZIP_LOCAL_HEADER = 30
"""Bytes of a zip member's local header before its name and extra field (APPNOTE 4.3.7)."""


@dataclass(frozen=True)
class Places:
    """Offsets of the files of one folder of an archive.

    Attributes:
        joined: F file names, one per line: one string takes a tenth of the memory of F strings.
        table: int64 [F, 4]: offset, stored bytes, whether deflated, CRC-32 (-1 if none). The offset of a zip member is
            that of its local header.
    """

    joined: str
    table: NDArray[np.int64]

    @property
    def names(self) -> list[str]:
        return self.joined.split("\n")


class Archive:
    """The folders of a tar or zip file, listed on first use, once per process."""

    def __init__(self, path: Place) -> None:
        self.path = path

    @property
    def zipped(self) -> bool:
        return self.path.suffix.lower() == ".zip"

    def folders(self) -> Mapping[str, Places]:
        """Files by folder; raises FrameError if the archive is damaged or compressed as a whole."""
        return self._listing().folders

    def folders_called(self, name: str) -> Sequence[str]:
        """Folders whose last part is `name`, else those with `name` as another part."""
        listing = self._listing()
        for folders in (listing.by_last_part, listing.by_part):
            for spelling in (name, *spellings(name)):
                if spelling in folders:
                    return folders[spelling]
        return ()

    def _listing(self) -> Listing:
        assert isinstance(self.path, Path)
        try:
            state = self.path.stat()
        except OSError as error:
            raise FrameError(f"this archive cannot be read: {reason(error)}", where=self.path) from error
        return _listing_of(self.path, (state.st_ino, state.st_size, state.st_mtime_ns))


class Listing:
    """An archive's directory in memory, read on first use.

    Args:
        path: of the archive.
        open_: opens it; size: its bytes.
    """

    def __init__(self, path: Place, open_: Callable[[Any], AbstractContextManager[IO[bytes]]], size: int) -> None:
        self.path = path
        self._open = open_
        self._size = size
        self._lock = threading.Lock()
        self._folders: dict[str, Places] | None = None

    @property
    def folders(self) -> Mapping[str, Places]:
        with self._lock:
            if self._folders is None:
                self._folders = _listed(self.path, self._open, self._size)
            return self._folders

    @cached_property
    def by_last_part(self) -> dict[str, list[str]]:
        folders = defaultdict[str, list[str]](list)
        for folder in self.folders:
            folders[folder.rpartition("/")[2]].append(folder)
        return dict(folders)

    @cached_property
    def by_part(self) -> dict[str, list[str]]:
        folders = defaultdict[str, list[str]](list)
        for folder in self.folders:
            for part in folder.split("/")[:-1]:
                folders[part].append(folder)
        return dict(folders)


@lru_cache(maxsize=LISTINGS_KEPT)
def _listing_of(path: Path, state: tuple[int, int, int]) -> Listing:
    """The directory of an archive in this state; a file that was replaced has another state."""
    return Listing(path, _opened, state[1])


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _listed(path: Place, open_: Callable[[Any], AbstractContextManager[IO[bytes]]], size: int) -> dict[str, Places]:
    """Files by folder, without the files that macOS adds; backslashes become slashes."""
    folders: dict[str, tuple[list[str], array[int]]] = defaultdict(lambda: ([], array("q")))
    members = _zip_members if path.suffix.lower() == ".zip" else _tar_members
    try:
        with open_(path) as file:
            for member, place in members(file, size):
                folder, _, name = member.replace("\\", "/").rpartition("/")
                if not name.startswith(APPLE_FILE) and APPLE_FOLDER not in folder:
                    names, places = folders[folder]
                    names.append(name.replace("\n", " "))
                    places.extend(place)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, ValueError, EOFError, zlib.error) as error:
        raise FrameError(f"this archive cannot be read: {reason(error)}", where=str(path)) from error
    return {
        _tidy(folder): Places("\n".join(names), np.frombuffer(places, np.int64).reshape(-1, 4))
        for folder, (names, places) in folders.items()
    }


def _tidy(folder: str) -> str:
    """A folder's path without redundant dots and slashes; empty at the top."""
    return "/".join(part for part in folder.split("/") if part not in ("", "."))


def _tar_members(file: IO[bytes], size: int) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    end = 0
    with tarfile.open(fileobj=file, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined] # do not keep millions of objects
            end = member.offset_data + (member.size if member.isreg() else 0)
            if end > size:
                raise tarfile.ReadError(f"it ends within {member.name}")
            if member.isreg():
                yield member.name, (member.offset_data, member.size, 0, -1)
    if size < (-(-end // tarfile.BLOCKSIZE) + 1) * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it is cut short: the end mark is missing")


def _zip_members(file: IO[bytes], size: int) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
                raise zipfile.BadZipFile(f"{member.filename} is encrypted or compressed by another method")
            if not member.is_dir():
                deflated = int(member.compress_type == zipfile.ZIP_DEFLATED)
                yield member.filename, (member.header_offset, member.compress_size, deflated, member.CRC)


class ArchiveReader(ImageSequenceReader):
    """The frames of one video in one folder of an archive.

    Args:
        archive: the file.
        name: name of the video: the last part of its folder in the archive.
        names: file names of its frames; None infers them.
        alone: whether the archive holds this video only, in any folder.
        first: number of the first frame, if `names` is None.
        folder: its folder in the archive, if known.
    """

    def __init__(
        self, archive: Archive, name: str, names: FrameNames | None, *, alone: bool = False, first: int | None = None,
        folder: str | None = None,
    ) -> None:  # fmt: skip
        self.archive = archive
        self.name = name
        self.names = names
        self.alone = alone
        self.first = first
        self.folder = folder
        self.where = f"{archive.path}, {name}"

    def count(self) -> int:
        return len(self._frames[0])

    def numbers(self) -> list[int]:
        """Numbers of the frames in the archive, ascending."""
        return [int(number) for number in self._frames[0]]

    def gap(self) -> str:
        return gap_in(self._frames[0])

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        present, places = self._frames
        assert isinstance(self.archive.path, Path)
        try:
            file = self.archive.path.open("rb", buffering=0)
        except OSError as error:
            raise FrameError(f"this archive cannot be read: {reason(error)}", where=self.archive.path) from error
        with file:
            for number in numbers:
                row = int(np.searchsorted(present, number))
                if row == len(present) or present[row] != number:
                    yield number, FrameError(f"frame {number} is missing", where=self.where)
                else:
                    yield number, self._content(file.fileno(), places[row].tolist(), number)

    def frame_sizes(self, numbers: Sequence[int]) -> list[int]:
        present, places = self._frames
        if places[:, 2].any():  # deflated: the directory holds the sizes of compressed bytes
            return []
        size_of = dict(zip(present.tolist(), places[:, 1].tolist(), strict=True))
        return [size_of.get(number, 0) for number in numbers]

    def _content(self, file: int, place: list[int], number: int) -> bytes | FrameError:
        offset, size, *_ = place
        try:
            if self.archive.zipped:
                offset += behind_header(os.pread(file, ZIP_LOCAL_HEADER, offset))
            return self._checked(os.pread(file, size, offset), place, number)
        except (OSError, ValueError) as error:
            return FrameError(f"frame {number} cannot be read: {reason(error)}", where=self.where)

    def _checked(self, stored: bytes, place: list[int], number: int) -> bytes | FrameError:
        """A frame from its stored bytes, or its error."""
        _, size, deflated, checksum = place
        try:
            content = zlib.decompress(stored, -zlib.MAX_WBITS) if deflated else stored
        except zlib.error as error:
            return FrameError(f"frame {number} cannot be read: {reason(error)}", where=self.where)
        if len(stored) < size or (checksum >= 0 and zlib.crc32(content) != checksum):
            return FrameError(f"frame {number} is damaged: its checksum or length is wrong", where=self.where)
        return content

    @cached_property
    def _frames(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of the frames, ascending [F], and their offsets [F, 4]; small enough to cache for many videos."""
        places = self._places
        rows = numbered(places.names, self.names, self.where, self.first)
        order = np.array(sorted(rows), np.int64)
        return order, places.table[[rows[number] for number in order.tolist()]]

    @property
    def _places(self) -> Places:
        folders = self.archive.folders()
        if self.folder is not None:
            return folders[self.folder]
        candidates = list(self.archive.folders_called(self.name))
        if not candidates and self.alone and len(folders) == 1:
            candidates = list(folders)
        if len(candidates) > 1:
            raise FrameError(
                f"two folders are called {self.name!r}: {', '.join(candidates)}", where=str(self.archive.path)
            )
        if not candidates:
            raise FrameError(f"no folder {self.name!r} in this archive", where=str(self.archive.path))
        return folders[candidates[0]]


def behind_header(header: bytes) -> int:
    """Bytes from the local header of a zip member to its data; it may be longer than the directory says.

    Raises:
        ValueError: this is no header.
    """
    if len(header) < ZIP_LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise ValueError("the header of this member is damaged")
    return ZIP_LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
