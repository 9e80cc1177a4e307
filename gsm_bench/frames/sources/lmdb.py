"""Read frames from an LMDB database of encoded pictures, without LMDB.

Keys have the form ``<video>/<file name of the frame>``, as MMAction2 and MMCV ask for files by their path, with or
without folders before the video; values are the bytes of a picture. Other values, such as pickled lists, are never run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.lmdb_pages import DamagedLmdbError, LmdbFile, StoredValue
from gsm_bench.frames.sources.names import FrameNames, numbered, spellings
from gsm_bench.frames.sources.pictures import reason
from gsm_bench.frames.sources.readers import ImageSequenceReader, gap_in

DATA = "data.mdb"
"""Name of the file, where a database is a folder."""


class LmdbStore:
    """The videos of one database.

    Args:
        path: the file, or the folder that holds ``data.mdb``.
    """

    form = "one picture per key <video>/<file name of the frame>"
    encoding = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / DATA if path.is_dir() else path

    def names(self) -> list[str]:
        """Names of the videos: the folders of the keys. A key without a folder is no frame, and named as it is."""
        names, start = dict[str, None](), b""
        with self.read() as file:
            while (key := next((key for key, _ in file.from_key(start)), None)) is not None:
                folder, slash, _ = key.rpartition(b"/")
                names[_text(folder if slash else key)] = None
                start = folder + b"0" if slash else key + b"\0"  # "0" follows "/"
        return list(names)

    def holds_any(self, names: Iterable[str]) -> bool:
        return any(self.folder(name) is not None for name in names)

    def folder(self, name: str) -> bytes | None:
        """What the keys of a video begin with, up to the slash before the file name; None if it has none."""
        with self.read() as file:
            first = next((key for key, _ in file.from_key(b"")), b"")
            before = _text(first).split("/")[:-2]
            for length in range(len(before) + 1):
                for spelling in (name, *spellings(name)):
                    folder = "/".join([*before[:length], spelling, ""]).encode(errors="surrogateescape")
                    if next((key for key, _ in file.from_key(folder)), b"").startswith(folder):
                        return folder
        return None

    def reader(self, name: str, names: FrameNames | None, first: int | None = None) -> LmdbReader:
        return LmdbReader(self, name, names, first)

    @contextmanager
    def read(self) -> Iterator[LmdbFile]:
        """The open file; errors of it become a FrameError."""
        try:
            state = self.file.stat()
            yield _opened(self.file, (state.st_ino, state.st_size, state.st_mtime_ns))
        except (OSError, DamagedLmdbError) as error:
            what = f"this LMDB database cannot be read: {reason(error)}"
            raise FrameError(what, where=self.path, fix="copy it again") from error


@lru_cache(maxsize=4)
def _opened(file: Path, state: tuple[int, int, int]) -> LmdbFile:
    """A database in this state; a file that was replaced has another state."""
    return LmdbFile(file)


class LmdbReader(ImageSequenceReader):
    """The frames of one video in a database.

    Args:
        store: the database.
        name: name of the video.
        names: file names of its frames; None infers them.
        first: number of the first frame, if `names` is None.
    """

    def __init__(self, store: LmdbStore, name: str, names: FrameNames | None, first: int | None = None) -> None:
        self.store = store
        self.name = name
        self.names = names
        self.first = first
        self.where = f"{store.path}, {name}"

    def count(self) -> int:
        return len(self._values)

    def numbers(self) -> list[int]:
        return sorted(self._values)

    def gap(self) -> str:
        return gap_in(self.numbers())

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        values = self._values
        with self.store.read() as file:
            for number in numbers:
                value = values.get(number)
                yield (
                    number,
                    FrameError(f"frame {number} is missing", where=self.where)
                    if value is None
                    else (self._content(file, value, number)),
                )

    def frame_sizes(self, numbers: Sequence[int]) -> list[int]:
        return [self._values[number].size if number in self._values else 0 for number in numbers]

    def _content(self, file: LmdbFile, value: StoredValue, number: int) -> bytes | FrameError:
        try:
            content = file.content(value)
        except (OSError, DamagedLmdbError) as error:
            return FrameError(f"frame {number} cannot be read: {reason(error)}", where=self.where)
        return content or FrameError(f"frame {number} has no bytes", where=self.where)

    @cached_property
    def _values(self) -> dict[int, StoredValue]:
        """The place of each frame by its number."""
        folder = self.store.folder(self.name)
        if folder is None:
            raise FrameError(f"no folder {self.name!r} in this database", where=self.store.path)
        places: list[StoredValue] = []
        files: list[str] = []
        with self.store.read() as file:
            for key, value in file.from_key(folder):
                if not key.startswith(folder):
                    break
                if value is not None and b"/" not in key[len(folder) :]:
                    files.append(_text(key[len(folder) :]))
                    places.append(value)
        rows = numbered(files, self.names, self.where, self.first)
        return {number: places[row] for number, row in rows.items()}


def _text(key: bytes) -> str:
    return key.decode(errors="surrogateescape")
