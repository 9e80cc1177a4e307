"""Read an HDF5 file of unknown origin so that damage ends in an error, and never in a loop or a crash of HDF5.

HDF5 reads through a file object that looks at what it hands over. Texts of variable length lie in collections
("global heaps"), and a length of zero in one of them makes HDF5 2.0 walk in a circle for ever. Scores do not pass here:
they are mapped from the file.
"""

from __future__ import annotations

import atexit
import io
import os
import struct
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import h5py

from gsm_bench.hdf5_check import SUPERBLOCK_BYTES, declared_length

HEAP_SIGNATURE = b"GCOL"
HEAP_HEADER = struct.Struct("<4sB3xQ")
"""Signature, version, length in bytes of the whole collection."""
HEAP_OBJECT = struct.Struct("<HH4xQ")
"""Number, references, length in bytes; the content follows, padded to eight bytes. Number 0 is the free rest."""


Found = TypeVar("Found")


class GuardedFile(io.RawIOBase):
    """A file that HDF5 reads through.

    Attributes:
        descriptor: of the open file, for reads of other kinds.
        length: of the file in bytes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._at = 0
        self.descriptor = -1
        self.descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self.length = os.fstat(self.descriptor).st_size

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = os.preadv(self.descriptor, [view], self._at) if self._at <= self.length else 0
        if view[:4] == HEAP_SIGNATURE:
            check_heap(view[:done], self.length)
        self._at += done
        return done

    def read_at(self, address: int, size: int) -> bytes:
        """Some bytes; raises ValueError if the file does not have them."""
        if not 0 <= address <= address + size <= self.length:
            raise ValueError("a place in it lies beyond its end")
        return os.pread(self.descriptor, size, address)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self.length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def fileno(self) -> int:
        if self.descriptor < 0:
            raise ValueError("this file is closed")
        return self.descriptor

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1
        super().close()


def check_heap(content: memoryview, most: int) -> None:
    """Check the begin of a collection of texts, as far as it was read.

    Args:
        most: length of the file in bytes.

    Raises:
        ValueError: it is damaged.
    """
    if len(content) < HEAP_HEADER.size:
        return
    _, _, length = HEAP_HEADER.unpack_from(content)
    at, end = HEAP_HEADER.size, min(length, len(content))
    while at + HEAP_OBJECT.size <= end:
        number, _, size = HEAP_OBJECT.unpack_from(content, at)
        step = size if number == 0 else HEAP_OBJECT.size + (size + 7) // 8 * 8
        if step < HEAP_OBJECT.size or at + step > length:
            break
        at += step
    else:
        if length <= most:
            return
    raise ValueError("a collection of texts in it is damaged")


class CheckedHdf5(Generic[Found]):
    """An HDF5 file of unknown origin, open for reading; also a context manager.

    Attributes:
        source: the file that HDF5 reads through.
        file: the file as HDF5 has it.
        looked_up: what `look` returned.

    Args:
        look: called with `source` before HDF5 opens it.

    Raises:
        ValueError, OSError: it is not HDF5, or its length is not the one that its header states.
    """

    def __init__(self, path: Path, look: Callable[[GuardedFile], Found | None] = lambda _: None) -> None:
        self.source = GuardedFile(path)
        try:
            expected = declared_length(os.pread(self.source.descriptor, SUPERBLOCK_BYTES, 0))
            if expected not in (None, self.source.length):
                raise ValueError(f"it has {self.source.length:,} bytes, its header states {expected:,}")
            self.looked_up = look(self.source)
            self.file = h5py.File(self.source, "r")
        except BaseException:
            self.source.close()
            raise
        _open.add(self)

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        self.source.close()

    def __enter__(self) -> CheckedHdf5[Found]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_open: weakref.WeakSet[CheckedHdf5[Any]] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Close what is open: HDF5 outlives Python, and would crash in its call of a file object."""
    for content in list(_open):
        content.close()
