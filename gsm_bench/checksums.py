"""Checksums of score files: CRC-32 of every block of rows, and of everything else, at the end of the file.

They are a text in the dataset ``/checksums``, whose bytes are the last ones of the file, so that they are stored and compared
before HDF5 reads anything. CRC-32 (that of zlib, by isal) finds every change of up to 32 adjacent bits, and all others but
one in four billion; it takes a seventh of the time of zlib's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import h5py
import msgspec
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from gsm_bench.hdf5_check import own_dataset
from gsm_bench.hdf5_reader import CheckedHdf5, GuardedFile

NAME, ALGORITHM = "checksums", "crc32"
MARK = b"gsm_bench.checksums"
LAST_LINE = len(MARK) + len(" 000000000000 00000000\n")
"""Bytes of the last line: mark, length of the text, its checksum."""
MOST_BLOCK_BYTES, MOST_BLOCK_ROWS = 512 << 10, 1024
"""Rows of a block, a power of two: so few bytes that they stay in the processor's cache until they are used."""
FEWEST_BYTES = 2048
"""HDF5 puts smaller datasets into space that it set aside earlier, and not at the end of the file."""
READ_BYTES = 4 << 20
Covered = Literal["everything", "scores", "nothing"]
"""What in a file is compared with checksums."""


@dataclass(frozen=True)
class RowSums:
    """Checksums of a dataset of rows.

    Attributes:
        start: offset in the file of the first row, in bytes.
        row_bytes, rows: size of a row, number of rows.
        block_rows: rows of a block; the last one may have fewer.
        crc32: eight hexadecimal digits per block.
    """

    start: int
    row_bytes: int
    rows: int
    block_rows: int
    crc32: str = ""

    @property
    def blocks(self) -> int:
        return -(-self.rows // self.block_rows)

    @property
    def stop(self) -> int:
        return self.start + self.rows * self.row_bytes

    def sums(self) -> NDArray[np.uint32]:
        """CRC-32 of each block, uint32 [blocks]; raises ValueError if there are others than `blocks`."""
        stored = np.frombuffer(bytes.fromhex(self.crc32), ">u4").astype(np.uint32)
        if len(stored) != self.blocks:
            raise ValueError(f"{len(stored)} checksums of {self.blocks} blocks")
        return stored


@dataclass(frozen=True)
class Checksums:
    """What the text in a file says.

    Attributes:
        about: what it is, in a sentence.
        length: of the file in bytes.
        rest: checksum of all bytes of the file but those of `rows` and of the text itself.
        rows: by task.
    """

    about: str
    algorithm: str
    length: int
    rest: str
    rows: Mapping[str, RowSums]


def reserve(file: h5py.File, datasets: Mapping[str, h5py.Dataset]) -> dict[str, RowSums]:
    """Make room for the checksums at the end of a complete file; returns where the rows of each dataset lie."""
    rows = {task: _described(dataset) for task, dataset in datasets.items() if dataset.id.get_offset() is not None}
    size = _room(rows)
    file.flush()
    text = h5py.h5t.C_S1.copy()
    text.set_size(size)
    text.set_strpad(h5py.h5t.STR_SPACEPAD)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5d.create(file.id, NAME.encode(), text, space).write(space, space, np.array(b" " * size, f"S{size}"))
    return rows


def seal(path: Path, rows: Mapping[str, RowSums]) -> None:
    """Write the checksums of a file that `reserve` made room in, once HDF5 has closed it.

    Raises:
        ValueError: HDF5 has put the room at another place than the end.
    """
    with path.open("r+b") as file:
        length = os.fstat(file.fileno()).st_size
        size = _room(rows)
        if os.pread(file.fileno(), size, length - size) != b" " * size:
            raise ValueError("HDF5 left no room for checksums at the end of this file")
        stored = {task: _with_sums(each, list(_block_sums(file.fileno(), each))) for task, each in rows.items()}
        rest = _rest(file.fileno(), length - size, rows.values())
        file.seek(length - size)
        file.write(_text(Checksums(ABOUT, ALGORITHM, length, f"{rest:08x}", stored), size))


def read_checksums(source: GuardedFile) -> Checksums | None:
    """The checksums at the end of a file, once all but its rows match them; None if its end holds none.

    A file of another length than they state was changed by way of HDF5: only its rows can be compared.

    Raises:
        ValueError: they are damaged, or something of the file is.
    """
    line = os.pread(source.descriptor, LAST_LINE, max(0, source.length - LAST_LINE))
    if not line.startswith(MARK):
        return None
    size = int(line.split()[1])
    stored = _parsed(source.read_at(source.length - size, size))
    rest = _rest(source.descriptor, source.length - size, stored.rows.values())
    if stored.length == source.length and f"{rest:08x}" != stored.rest:
        raise ValueError("something beside its scores does not match its checksum: ids, statuses, provenance or others")
    return stored


def checked_rows(
    content: CheckedHdf5[Checksums], datasets: Mapping[str, h5py.Dataset]
) -> tuple[dict[str, RowSums], Covered]:
    """The checksums of the rows of each dataset, and what in the file is compared with checksums.

    Raises:
        ValueError: the checksums are damaged, or of other datasets.
    """
    if content.file.get(NAME, getlink=True) is None:
        return {}, "nothing"
    expected = {task: _described(dataset) for task, dataset in datasets.items() if dataset.size}
    stored = content.looked_up or _moved(content)
    if stored.length != content.source.length:
        rows = {task: each for task, each in stored.rows.items() if _like(each, expected.get(task))}
        return rows, "scores" if rows.keys() == expected.keys() else "nothing"
    if expected.keys() != stored.rows.keys() or not all(
        _like(each, expected[task]) and each.start == expected[task].start for task, each in stored.rows.items()
    ):
        raise ValueError("its checksums are of other scores")
    return dict(stored.rows), "everything"


def _moved(content: CheckedHdf5[Checksums]) -> Checksums:
    """The checksums of a file that grew after it was written, as HDF5 has them."""
    dataset = own_dataset(content.file, NAME)
    end = (dataset.id.get_offset() or 0) + dataset.nbytes
    if dataset.shape != () or dataset.dtype.kind != "S" or end == content.source.length:
        raise ValueError("its checksums are damaged")
    stored = _parsed(content.source.read_at(end - dataset.nbytes, dataset.nbytes))
    if stored.length == content.source.length:
        raise ValueError("its checksums are damaged")
    return stored


def _parsed(text: bytes) -> Checksums:
    if _last_line(text[:-LAST_LINE]) != text[-LAST_LINE:]:
        raise ValueError("its checksums are damaged")
    stored = msgspec.json.decode(text[:-LAST_LINE], type=Checksums)
    if stored.algorithm != ALGORITHM:
        raise ValueError(f"its checksums are {stored.algorithm}, which this version does not know")
    return stored


def _like(rows: RowSums, other: RowSums | None) -> bool:
    """Whether checksums may be those of other rows."""
    sizes = (rows.row_bytes, rows.rows)
    return other is not None and rows.block_rows > 0 and sizes == (other.row_bytes, other.rows)


ABOUT = (
    "CRC-32 (zlib) of blocks of block_rows rows of each dataset of scores, and of all other bytes before this text, "
    "in order: rest"
)


def crc32(content: Any) -> int:
    """CRC-32 of some bytes."""
    return isal_zlib.crc32(content)


def _described(dataset: h5py.Dataset) -> RowSums:
    row_bytes = prod(dataset.shape[1:]) * dataset.dtype.itemsize
    most = min(MOST_BLOCK_ROWS, max(1, MOST_BLOCK_BYTES // max(1, row_bytes)))
    offset = dataset.id.get_offset() if dataset.chunks is None else None
    return RowSums(offset or 0, row_bytes, len(dataset), 1 << (most.bit_length() - 1))


def _with_sums(rows: RowSums, sums: Sequence[int]) -> RowSums:
    return RowSums(rows.start, rows.row_bytes, rows.rows, rows.block_rows, "".join(f"{each:08x}" for each in sums))


def _block_sums(descriptor: int, rows: RowSums) -> Iterator[int]:
    size = rows.block_rows * rows.row_bytes
    for at in range(rows.start, rows.stop, max(1, size)):
        yield crc32(os.pread(descriptor, min(size, rows.stop - at), at))


def _rest(descriptor: int, end: int, rows: Iterable[RowSums]) -> int:
    """CRC-32 of all bytes before `end` that belong to no rows."""
    value, at = 0, 0
    for start, stop in [*sorted((each.start, each.stop) for each in rows), (end, end)]:
        while at < start:
            content = os.pread(descriptor, min(READ_BYTES, start - at), at)
            if not content:
                raise ValueError("it is cut short")
            value, at = isal_zlib.crc32(content, value), at + len(content)
        at = max(at, stop)
    return value


def _room(rows: Mapping[str, RowSums]) -> int:
    """Bytes that the text takes at most."""
    zeros = {task: _with_sums(each, [0] * each.blocks) for task, each in rows.items()}
    return max(FEWEST_BYTES, len(_text(Checksums(ABOUT, ALGORITHM, 1 << 62, "0" * 8, zeros), 0)))


def _text(sums: Checksums, size: int) -> bytes:
    """The text of `size` bytes, or as short as it can be, whose last line is `_last_line`."""
    text = msgspec.json.encode(sums)
    text += b" " * (size - len(text) - LAST_LINE - 1) + b"\n"
    return text + _last_line(text)


def _last_line(text: bytes) -> bytes:
    start = MARK + b" %012d " % (len(text) + LAST_LINE)
    return start + b"%08x\n" % isal_zlib.crc32(start, crc32(text))
