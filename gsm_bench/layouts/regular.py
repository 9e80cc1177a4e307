"""Fast reader of regular lists with millions of rows, in blocks of bytes.

A regular list is printable ASCII, every row has the same number of fields between single spaces, and numbers have up to
nine digits. The reader in `plain` reads all other lists row by row and reports errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.id_array import IdArray

BLOCK_BYTES = 1 << 18
MOST_DIGITS = 9
LONGEST_ID = 256
NEWLINE, SPACE, TILDE, ZERO = b"\n"[0], b" "[0], b"~"[0], b"0"[0]

Bytes = NDArray[np.uint8]
Places = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class RegularRows:
    """The columns of a list: N ids, int64 [N] frames (0 where there is no such column), int64 [N] classes or None."""

    ids: IdArray
    num_frames: NDArray[np.int64]
    labels: NDArray[np.int64] | None


def read_regular(path: Path) -> RegularRows | None:
    """The columns of a regular list; None for any other list, an empty one, or one with fewer than 1 frames."""
    columns = 0
    blocks: list[tuple[NDArray[np.bytes_], list[NDArray[np.int64]]]] = []
    for block in _blocks(path):
        columns = columns or min(block[: block.index(b"\n")].count(b" ") + 1, 3)
        rows = _parse(np.frombuffer(block, np.uint8), columns)
        if rows is None:
            return None
        blocks.append(rows)
    if not blocks:
        return None
    width = max(texts.dtype.itemsize for texts, _ in blocks)
    ids = IdArray(np.concatenate([texts.astype(f"S{width}", copy=False) for texts, _ in blocks]))
    numbers = [np.concatenate([fields[at] for _, fields in blocks]) for at in range(columns - 1)]
    if numbers and numbers[0].min() < 1:
        return None
    frames = numbers[0] if numbers else np.zeros(len(ids), np.int64)
    return RegularRows(ids, frames, numbers[1] if columns > 2 else None)


def _blocks(path: Path) -> Iterator[bytes]:
    """Blocks of complete rows, each with a line break, without a byte-order mark; a block fits into the cache."""
    with path.open("rb") as file:
        rest = file.read(3).removeprefix(b"\xef\xbb\xbf")
        while block := file.read(BLOCK_BYTES):
            whole, ending, rest = (rest + block).rpartition(b"\n")
            if ending:
                yield (whole + ending).replace(b"\r\n", b"\n")
    if rest:
        yield (rest.removesuffix(b"\n") + b"\n").replace(b"\r\n", b"\n")


def _parse(letters: Bytes, columns: int) -> tuple[NDArray[np.bytes_], list[NDArray[np.int64]]] | None:
    """Ids and the columns of numbers of a block of rows, each ended by a line break; None if it is not regular."""
    ends = np.flatnonzero(letters == NEWLINE)
    spaces = np.flatnonzero(letters == SPACE)
    printable = np.count_nonzero((letters >= SPACE) & (letters <= TILDE))
    if printable + len(ends) != len(letters) or len(spaces) != len(ends) * (columns - 1):
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    borders = np.column_stack([starts - 1, spaces.reshape(len(ends), columns - 1), ends])  # [n, columns + 1]
    lengths = np.diff(borders) - 1
    if lengths.min() < 1 or lengths[:, 0].max() > LONGEST_ID:
        return None
    numbers = [_numbers(letters, borders[:, at] + 1, lengths[:, at]) for at in range(1, columns)]
    fields = [column for column in numbers if column is not None]
    return (_texts(letters, starts, lengths[:, 0]), fields) if len(fields) == len(numbers) else None


def _numbers(letters: Bytes, starts: Places, lengths: Places) -> NDArray[np.int64] | None:
    """Numbers int64 [n] of fields of digits; None if one is anything else."""
    if lengths.max() > MOST_DIGITS:
        return None
    values = np.zeros(len(starts), np.int64)
    for place in range(int(lengths.max())):
        inside = place < lengths
        digits = letters[np.where(inside, starts + place, starts)] - ZERO  # letters below 0 wrap to large ones
        if digits.max() > 9:
            return None
        values = np.where(inside, values * 10 + digits, values)
    return values


def _texts(letters: Bytes, starts: Places, lengths: Places) -> NDArray[np.bytes_]:
    """Fields as fixed-length bytes [n]."""
    width = int(lengths.max())
    texts = np.zeros((len(starts), width), np.uint8)
    for place in range(width):
        inside = place < lengths
        texts[inside, place] = letters[starts[inside] + place]
    return texts.view(f"S{width}").reshape(-1)
