"""Write an HDF5 file so that a full disk, a quota or ``ulimit -f`` never meets the HDF5 library.

Where the system refuses a write, HDF5 may crash the process on closing the file. Here it writes through a file object
that keeps the first error, discards what follows, and raises the error once HDF5 has closed the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


class ErrorKeepingFile(io.RawIOBase):
    """A file for HDF5 that never fails while it is written.

    Attributes:
        error: the first error of the system; what is written after it is discarded.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer) or 0

    def write(self, content: Any) -> int:
        view, done = memoryview(content).cast("B"), 0
        try:
            while done < len(view) and self.error is None:
                done += self._file.write(view[done:]) or 0
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class Hdf5Writer:
    """A new HDF5 file, open for writing.

    Attributes:
        file: the file as h5py has it.
    """

    def __init__(self, path: Path, *, libver: tuple[str, str] | None = None) -> None:
        self._target = ErrorKeepingFile(path)
        self.file = h5py.File(self._target, "w", libver=libver)

    def check(self) -> None:
        """Raise the OSError of a write that the system refused, if there was one."""
        if self._target.error is not None:
            raise self._target.error

    def close(self) -> None:
        """Close the file; raises as `check`."""
        try:
            self.file.close()
        except (OSError, RuntimeError, ValueError):
            self.check()
            raise
        finally:
            self._target.close()
        self.check()


@contextmanager
def new_hdf5(path: Path, *, libver: tuple[str, str] | None = None) -> Iterator[h5py.File]:
    """A new HDF5 file; at the end, raises the OSError of a write that the system refused."""
    writer = Hdf5Writer(path, libver=libver)
    try:
        yield writer.file
    except BaseException:
        writer.close()  # its own error comes first: HDF5 stumbles over what was discarded
        raise
    writer.close()
