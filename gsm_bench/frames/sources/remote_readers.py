"""Frames of one video at a URL: a folder of pictures, a folder of an archive, or a file that is copied while it is read."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from gsm_bench.errors import FrameError
from gsm_bench.fingerprints import Fingerprint
from gsm_bench.frames.sources.archive import ZIP_LOCAL_HEADER, Archive, ArchiveReader, Listing, Places, behind_header
from gsm_bench.frames.sources.names import FrameNames, numbered
from gsm_bench.frames.sources.pictures import Decoded, Picture
from gsm_bench.frames.sources.readers import FrameReader, ImageSequenceReader, gap_in
from gsm_bench.frames.sources.remote import Connection, Piece, RemoteEntry, connection_to, failure
from gsm_bench.places import RemoteUrl

HEADER_ROOM = 512
"""Bytes that are read of a zip member beside its data, for names and extra fields of its local header."""
COPIES_BYTES = 4 << 30
"""Bytes of copied files that a process keeps in its temporary folder."""


class RemoteFolderReader(ImageSequenceReader):
    """The frames of one video as files in one folder, which is listed once.

    Args:
        folder: its URL.
        names: their file names; None infers them.
        first: number of the first frame, if `names` is None.
    """

    def __init__(self, folder: RemoteUrl, names: FrameNames | None, first: int | None = None) -> None:
        self.folder = folder
        self.where = str(folder)
        self._names = names
        self._first = first
        self._lock = threading.Lock()
        self._listed: dict[int, RemoteEntry] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_lock": None, "_listed": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_lock": threading.Lock()}

    def count(self) -> int:
        return len(self._frames())

    def numbers(self) -> list[int]:
        return sorted(self._frames())

    def gap(self) -> str:
        return gap_in(self.numbers())

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        frames = self._frames()
        present = [number for number in numbers if number in frames]
        coming = dict(zip(present, self._start([frames[number] for number in present]), strict=True))
        for number in numbers:
            if number not in coming:
                yield number, FrameError(f"frame {number} is missing", where=self.place(number))
                continue
            try:
                content = coming[number].result()
            except Exception as error:  # of a dozen packages, without a common ancestor
                gone = isinstance(error, FileNotFoundError)
                what = f"frame {number} is missing" if gone else f"frame {number} cannot be read: {failure(error)}"
                yield number, FrameError(what, where=self.place(number))
            else:
                yield number, content or FrameError(f"frame {number} has no bytes", where=self.place(number))

    def prefetch(self, numbers: Sequence[int]) -> None:
        """Begin to fetch frames, without waiting for them."""
        frames = self._frames()
        self._start([frames[number] for number in numbers if number in frames])

    def place(self, number: int) -> str:
        entry = (self._listed or {}).get(number)
        return str(self.folder / entry.path.rpartition("/")[2]) if entry else self.where

    def frame_sizes(self, numbers: Sequence[int]) -> list[int]:
        frames = self._frames()
        sizes = [frames[number].size if number in frames else 0 for number in numbers]
        return [] if -1 in sizes else sizes

    def _start(self, entries: Sequence[RemoteEntry]) -> list[Any]:
        return list(connection_to(self.folder).start([Piece(entry.path) for entry in entries]))

    def _frames(self) -> dict[int, RemoteEntry]:
        """Files of the frames by number."""
        with self._lock:
            if self._listed is None:
                listing = connection_to(self.folder).listing(self.folder)
                files = [name for name, entry in listing.items() if not entry.is_folder]
                rows = numbered(files, self._names, self.where, self._first)
                self._listed = {number: listing[files[row]] for number, row in rows.items()}
            return self._listed


class RemoteArchive(Archive):
    """The folders of a tar or zip file at a URL. A zip's directory is read; a tar is read through once."""

    def __init__(self, url: RemoteUrl) -> None:
        super().__init__(url)
        self.url = url

    def connection(self) -> Connection:
        return connection_to(self.url)

    def _listing(self) -> Listing:
        return _listing_at(self.url, os.getpid())


class RemoteListing(Listing):
    """The directory of an archive at a URL."""

    @property
    def folders(self) -> Mapping[str, Places]:
        try:
            return super().folders
        except FrameError:
            raise
        except Exception as error:  # of a dozen packages, without a common ancestor
            what = f"this archive cannot be read: {failure(error)}"
            raise FrameError(what, where=str(self.path)) from error


@lru_cache(maxsize=4)
def _listing_at(url: RemoteUrl, process: int) -> Listing:
    """The directory of an archive at a URL, as it was when this process first asked."""
    connection = connection_to(url)
    return RemoteListing(url, connection.file, connection.known_state(url)[1])


class RemoteArchiveReader(ArchiveReader):
    """The frames of one video in one folder of an archive at a URL."""

    archive: RemoteArchive

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        places = self._by_number(numbers)
        coming = dict(zip(places, self.archive.connection().start(self._pieces(places)), strict=True))
        for number in numbers:
            if number not in places:
                yield number, FrameError(f"frame {number} is missing", where=self.where)
                continue
            try:
                yield number, self._checked(self._data(coming[number].result(), places[number]), places[number], number)
            except Exception as error:  # of a dozen packages, without a common ancestor
                what = f"frame {number} cannot be read: {failure(error)}"
                yield number, FrameError(what, where=self.where)

    def prefetch(self, numbers: Sequence[int]) -> None:
        """Begin to fetch frames, without waiting for them."""
        self.archive.connection().start(self._pieces(self._by_number(numbers)))

    def _by_number(self, numbers: Sequence[int]) -> dict[int, list[int]]:
        """Offset, stored bytes, whether deflated, and checksum of the frames that are there."""
        present, places = self._frames
        rows = {int(number): row for row, number in enumerate(present)}
        return {number: places[rows[number]].tolist() for number in numbers if number in rows}

    def _pieces(self, places: dict[int, list[int]]) -> list[Piece]:
        path, size, _ = self.archive.connection().known_state(self.archive.url)
        room = ZIP_LOCAL_HEADER + HEADER_ROOM if self.archive.zipped else 0
        return [Piece(path, offset, min(offset + stored + room, size)) for offset, stored, *_ in places.values()]

    def _data(self, content: bytes, place: list[int]) -> bytes:
        """The stored bytes of a frame in what was fetched; of a zip member they follow its own header."""
        if not self.archive.zipped:
            return content
        start = behind_header(content)
        if start + place[1] > len(content):  # a longer header than usual
            path, *_ = self.archive.connection().known_state(self.archive.url)
            rest = Piece(path, place[0] + start, place[0] + start + place[1])
            return self.archive.connection().start([rest])[0].result()
        return content[start : start + place[1]]


class Copy:
    """A file that was copied to this machine; it is removed with this object."""

    def __init__(self, place: RemoteUrl) -> None:
        handle, name = tempfile.mkstemp(prefix="gsmbench-", suffix=place.suffix)
        os.close(handle)
        self.path = Path(name)
        self._removed = weakref.finalize(self, self.path.unlink, missing_ok=True)
        connection_to(place).download(place, self.path)
        self.size = self.path.stat().st_size
        self.reader: FrameReader | None = None


class _Copies:
    """The latest copies of this process."""

    def __init__(self) -> None:
        self._copies: OrderedDict[RemoteUrl, Copy] = OrderedDict()
        self._locks: dict[RemoteUrl, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, place: RemoteUrl) -> Copy:
        """The copy of a file, made now if it is not here; whoever holds it keeps it from being removed."""
        with self._lock:
            own = self._locks.setdefault(place, threading.Lock())
        with own:
            copy = self._copies.get(place) or Copy(place)
            with self._lock:
                self._copies[place] = copy
                self._copies.move_to_end(place)
                while len(self._copies) > 1 and sum(one.size for one in self._copies.values()) > COPIES_BYTES:
                    self._copies.popitem(last=False)
                self._locks.pop(place, None)
            return copy


COPIES = _Copies()


class _CopiedReader:
    """What readers of a copied file share: the copy is made when they are first used, and again if it was removed."""

    def __init__(self, place: RemoteUrl, read: Callable[[Path], FrameReader]) -> None:
        self.remote = place
        self.where = str(place)
        self._read = read

    @property
    @abstractmethod
    def encoding(self) -> str: ...

    def prefetch(self, numbers: Sequence[int]) -> None:
        """Copy the file."""
        self.copy()

    def copy(self) -> Copy:
        """The copy with its reader, which lives as long as it is held; raises FrameError."""
        copy = COPIES.of(self.remote)
        copy.reader = copy.reader or self._read(copy.path)
        return copy

    def asked(self, ask: Callable[[Any], Any]) -> Any:
        """What the reader of the copy returns; its errors name the URL."""
        copy = self.copy()
        try:
            return ask(copy.reader)
        except FrameError as error:
            raise self._renamed(error, copy) from error

    def each(self, ask: Callable[[Any], Iterator[tuple[int, Any]]]) -> Iterator[tuple[int, Any]]:
        """What the reader of the copy yields; its errors name the URL."""
        copy = self.copy()
        try:
            for number, one in ask(copy.reader):
                yield number, self._renamed(one, copy) if isinstance(one, FrameError) else one
        except FrameError as error:
            raise self._renamed(error, copy) from error

    def _renamed(self, error: FrameError, copy: Copy) -> FrameError:
        local = str(copy.path)
        where = (error.where or "").replace(local, self.where)
        return FrameError(error.what.replace(local, self.where), where=where or self.where, fix=error.fix)


class CopiedPictures(_CopiedReader, ImageSequenceReader):
    """The frames of one video in an archive or HDF5 file of its own at a URL."""

    @property
    def encoding(self) -> str:
        return str(self.asked(lambda reader: reader.encoding)) if self.remote.suffix.lower().startswith(".h") else ""

    def count(self) -> int:
        return int(self.asked(lambda reader: reader.count()))

    def numbers(self) -> list[int]:
        return list(self.asked(lambda reader: reader.numbers()))

    def gap(self) -> str:
        return str(self.asked(lambda reader: reader.gap()))

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        return self.each(lambda reader: reader.encoded(numbers))

    def frame_sizes(self, numbers: Sequence[int]) -> list[int]:
        return list(self.asked(lambda reader: reader.frame_sizes(numbers)))


class CopiedVideo(_CopiedReader):
    """The frames of one video file at a URL."""

    @property
    def encoding(self) -> str:
        from gsm_bench.frames.sources.video import video_encoding

        return video_encoding()

    @property
    def seekable(self) -> bool:
        return bool(self.asked(lambda reader: reader.seekable))

    def count(self) -> int:
        return int(self.asked(lambda reader: reader.count()))

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        return self.each(lambda reader: reader.pictures(numbers))

    def pixels(self, numbers: Sequence[int]) -> Iterator[tuple[int, Decoded]]:
        return self.each(lambda reader: reader.pixels(numbers))

    def fingerprint(self, start: int, frames: int) -> Fingerprint:
        """Of the file, for any of its segments."""
        fingerprint: Fingerprint = self.asked(lambda reader: reader.fingerprint(start, frames))
        return fingerprint
