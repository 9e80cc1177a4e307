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
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.reels import FrameNames, StillsReel, reason

ZIP_LOCAL_HEADER = 30
"""Bytes of a zip member's own header before its name and extra field (APPNOTE 4.3.7)."""


@dataclass(frozen=True)
class Places:
    """Where the files of one folder of an archive lie.

    Attributes:
        names: F file names.
        table: int64 [F, 4]: offset, stored bytes, whether deflated, CRC-32; the offset of a zip member is that of
            its own header, CRC -1 where the archive has none.
    """

    names: tuple[str, ...]
    table: NDArray[np.int64]


class Archive:
    """The folders of a tar or zip file, listed when first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def zipped(self) -> bool:
        return self.path.suffix.lower() == ".zip"

    def folders(self) -> dict[str, Places]:
        """Files by the folder that holds them; raises FrameError for an archive that is damaged or compressed whole."""
        with self._lock:
            return self._folders

    @cached_property
    def _folders(self) -> dict[str, Places]:
        found: dict[str, tuple[list[str], list[tuple[int, int, int, int]]]] = defaultdict(lambda: ([], []))
        try:
            for name, place in self._zip_members() if self.zipped else self._tar_members():
                path = PurePosixPath(name)
                names, places = found[str(path.parent)]
                names.append(path.name)
                places.append(place)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, ValueError, EOFError, zlib.error) as error:
            raise FrameError(f"this archive cannot be read: {reason(error)}", where=self.path) from error
        return {folder: Places(tuple(names), np.array(places, np.int64)) for folder, (names, places) in found.items()}

    def _tar_members(self) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
        size, end = self.path.stat().st_size, 0
        with tarfile.open(self.path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined] # a directory of millions is not kept as objects
                end = member.offset_data + (member.size if member.isreg() else 0)
                if end > size:
                    raise tarfile.ReadError(f"it ends within {member.name}")
                if member.isreg():
                    yield member.name, (member.offset_data, member.size, 0, -1)

        if size < (-(-end // tarfile.BLOCKSIZE) + 1) * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it is cut short: it has no end mark")

    def _zip_members(self) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
        with zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
                    raise zipfile.BadZipFile(f"{member.filename} is encrypted or compressed by another method")
                if not member.is_dir():  # some tools of Windows write its own separators
                    deflated = int(member.compress_type == zipfile.ZIP_DEFLATED)
                    yield (
                        member.filename.replace("\\", "/"),
                        (member.header_offset, member.compress_size, deflated, member.CRC),
                    )


class ArchiveReel(StillsReel):
    """The frames of one video in one folder of an archive.

    Args:
        archive: the file.
        name: the video's: the last part of its folder in the archive.
        names: how its frames are called there; None takes the names as they are found.
        alone: whether the archive holds this video only, in whatever folder.
        first: of names that are taken as they are found, the number of the first frame.
    """

    def __init__(
        self, archive: Archive, name: str, names: FrameNames | None, *, alone: bool = False, first: int = 1
    ) -> None:
        self.archive = archive
        self.name = name
        self.names = names
        self.alone = alone
        self.first = first
        self.where = f"{archive.path}, {name}"

    def count(self) -> int:
        return len(self._rows)

    def numbers(self) -> list[int]:
        """The numbers of the frames that are there, ascending."""
        return sorted(self._rows)

    def strangers(self) -> list[str]:
        return self.names.strangers(self._places.names) if self.names else []

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        rows = self._rows
        with self.archive.path.open("rb", buffering=0) as file:
            for number in numbers:
                if number not in rows:
                    yield number, FrameError(f"frame {number} is missing", where=self.where)
                else:
                    yield number, self._content(file.fileno(), rows[number], number)

    def _content(self, file: int, row: int, number: int) -> bytes | FrameError:
        offset, size, deflated, checksum = self._places.table[row].tolist()
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
    def _rows(self) -> dict[int, int]:
        """Row of the archive's directory by frame number."""
        places = self._places
        names = self.names or FrameNames.guessed(places.names, self.first)
        if names is None:
            return {}
        numbers = map(names.number, places.names)
        return {number: row for row, number in enumerate(numbers) if number is not None}

    @cached_property
    def _places(self) -> Places:
        folders = self.archive.folders()
        fitting = [folder for folder in folders if PurePosixPath(folder).name == self.name]
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
