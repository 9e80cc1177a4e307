"""Frames in a tar or zip file, read where they lie: nothing is unpacked.

The archive's directory is read once into arrays of places; a frame is then one read at its place, which any number
of threads may do at once.
"""

from __future__ import annotations

import os
import tarfile
import threading
import zipfile
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.names import FrameNames, numbered
from gsm_bench.frames.sources.readers import ImageSequenceReader, reason

LISTINGS_KEPT = 4
"""Directories of archives that a process remembers; a reader keeps its own part of one."""
APPLE_FILE, APPLE_FOLDER = "._", "__MACOSX"
"""What macOS puts into archives beside each file, under the same name."""
ZIP_LOCAL_HEADER = 30
"""Bytes of a zip member's own header before its name and extra field (APPNOTE 4.3.7)."""


@dataclass(frozen=True)
class Places:
    """Where the files of one folder of an archive lie.

    Attributes:
        joined: F file names, one per line: as one text they take a tenth of what they take as many.
        table: int64 [F, 4]: offset, stored bytes, whether deflated, CRC-32; the offset of a zip member is that of
            its own header, CRC -1 where the archive has none.
    """

    joined: str
    table: NDArray[np.int64]

    @property
    def names(self) -> list[str]:
        return self.joined.split("\n")


class Archive:
    """The folders of a tar or zip file, listed when first asked for, once per process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def zipped(self) -> bool:
        return self.path.suffix.lower() == ".zip"

    def folders(self) -> Mapping[str, Places]:
        """Files by the folder that holds them; raises FrameError for an archive that is damaged or compressed whole."""
        return self._listing().folders

    def folders_called(self, name: str) -> Sequence[str]:
        """Folders whose last part is `name`; where there are none, those with `name` further up."""
        listing = self._listing()
        return listing.by_last_part.get(name) or listing.by_part.get(name) or ()

    def _listing(self) -> Listing:
        try:
            state = self.path.stat()
        except OSError as error:
            raise FrameError(f"this archive cannot be read: {reason(error)}", where=self.path) from error
        return _listing_of(self.path, (state.st_ino, state.st_size, state.st_mtime_ns))


class Listing:
    """An archive's directory in memory, made by the first who asks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._folders: dict[str, Places] | None = None

    @property
    def folders(self) -> Mapping[str, Places]:
        with self._lock:
            if self._folders is None:
                self._folders = _listed(self._path)
            return self._folders

    @cached_property
    def by_last_part(self) -> dict[str, list[str]]:
        found = defaultdict[str, list[str]](list)
        for folder in self.folders:
            found[folder.rpartition("/")[2]].append(folder)
        return dict(found)

    @cached_property
    def by_part(self) -> dict[str, list[str]]:
        found = defaultdict[str, list[str]](list)
        for folder in self.folders:
            for part in folder.split("/")[:-1]:
                found[part].append(folder)
        return dict(found)


@lru_cache(maxsize=LISTINGS_KEPT)
def _listing_of(path: Path, state: tuple[int, int, int]) -> Listing:
    """The directory of an archive as it is now; one that was replaced has another state."""
    return Listing(path)


def _listed(path: Path) -> dict[str, Places]:
    """Files by folder, without what macOS puts beside each; separators of Windows become those of everybody else."""
    found: dict[str, tuple[list[str], array[int]]] = defaultdict(lambda: ([], array("q")))
    members = _zip_members if path.suffix.lower() == ".zip" else _tar_members
    try:
        for member, place in members(path):
            folder, _, name = member.replace("\\", "/").rpartition("/")
            if not name.startswith(APPLE_FILE) and APPLE_FOLDER not in folder:
                names, places = found[folder]
                names.append(name.replace("\n", " "))
                places.extend(place)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, ValueError, EOFError, zlib.error) as error:
        raise FrameError(f"this archive cannot be read: {reason(error)}", where=path) from error
    return {
        _tidy(folder): Places("\n".join(names), np.frombuffer(places, np.int64).reshape(-1, 4))
        for folder, (names, places) in found.items()
    }


def _tidy(folder: str) -> str:
    """A folder's path without dots and slashes that say nothing; empty at the top."""
    return "/".join(part for part in folder.split("/") if part not in ("", "."))


def _tar_members(path: Path) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    size, end = path.stat().st_size, 0
    with tarfile.open(path, "r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined] # a directory of millions is not kept as objects
            end = member.offset_data + (member.size if member.isreg() else 0)
            if end > size:
                raise tarfile.ReadError(f"it ends within {member.name}")
            if member.isreg():
                yield member.name, (member.offset_data, member.size, 0, -1)
    if size < (-(-end // tarfile.BLOCKSIZE) + 1) * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it is cut short: it has no end mark")


def _zip_members(path: Path) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    with zipfile.ZipFile(path) as archive:
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
        name: the video's: the last part of its folder in the archive.
        names: how its frames are called there; None takes them as they are found, `first` being the number of the first.
        alone: whether the archive holds this video only, in whatever folder.
        folder: its folder in the archive, where that is known.
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
        """The numbers of the frames that are there, ascending."""
        return [int(number) for number in self._frames[0]]

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        found, places = self._frames
        try:
            file = self.archive.path.open("rb", buffering=0)
        except OSError as error:
            raise FrameError(f"this archive cannot be read: {reason(error)}", where=self.archive.path) from error
        with file:
            for number in numbers:
                row = int(np.searchsorted(found, number))
                if row == len(found) or found[row] != number:
                    yield number, FrameError(f"frame {number} is missing", where=self.where)
                else:
                    yield number, self._content(file.fileno(), places[row].tolist(), number)

    def _content(self, file: int, place: list[int], number: int) -> bytes | FrameError:
        offset, size, deflated, checksum = place
        try:
            if self.archive.zipped:
                offset = _behind_header(file, offset)
            stored = os.pread(file, size, offset)
            content = zlib.decompress(stored, -zlib.MAX_WBITS) if deflated else stored
        except (OSError, ValueError, zlib.error) as error:
            return FrameError(f"frame {number} cannot be read: {reason(error)}", where=self.where)
        if len(stored) < size or (checksum >= 0 and zlib.crc32(content) != checksum):
            return FrameError(f"frame {number} is damaged: its checksum or length is wrong", where=self.where)
        return content

    @cached_property
    def _frames(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of the frames, ascending [F], and their places [F, 4]; little enough to remember many reels."""
        places = self._places
        rows = numbered(places.names, self.names, self.where, self.first)
        order = np.array(sorted(rows), np.int64)
        return order, places.table[[rows[number] for number in order.tolist()]]

    @property
    def _places(self) -> Places:
        folders = self.archive.folders()
        if self.folder is not None:
            return folders[self.folder]
        fitting = list(self.archive.folders_called(self.name))
        if not fitting and self.alone and len(folders) == 1:
            fitting = list(folders)
        if len(fitting) > 1:
            raise FrameError(f"two folders hold the video {self.name}: {', '.join(fitting)}", where=self.archive.path)
        if not fitting:
            raise FrameError(f"no folder {self.name!r} in this archive", where=self.archive.path)
        return folders[fitting[0]]


def _behind_header(file: int, offset: int) -> int:
    """Where the bytes of a zip member begin: its own header may be longer than the directory says."""
    header = os.pread(file, ZIP_LOCAL_HEADER, offset)
    if len(header) < ZIP_LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise ValueError("the header of this member is damaged")
    return offset + ZIP_LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
