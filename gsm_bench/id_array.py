"""Millions of ids in one fixed-length array instead of one Python string each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

BLOCK = 65_536
"""Ids handled at once."""
WORD = 8
MIX = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio: an odd number whose products spread over all bits (Knuth, section 6.4)."""


class IdArray(Sequence[str]):
    """An ordered sequence of N ids, stored as fixed-length UTF-8.

    It behaves as a sequence of strings; comparisons and look-ups of all ids work on the bytes. An id takes as many bytes
    as the longest one, a Python string about 60.

    Attributes:
        texts: bytes [N] of fixed length, padded with NUL at the end.
    """

    __slots__ = ("texts",)

    def __init__(self, texts: NDArray[np.bytes_]) -> None:
        self.texts = texts

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Ids from strings, unchanged if they are an IdArray; raises ValueError for a NUL character."""
        if isinstance(names, cls):
            return names
        encoded = [name.encode() for name in names]
        if any(b"\0" in name for name in encoded):
            raise ValueError("an id contains a NUL character")
        return cls(np.array(encoded, dtype=f"S{max(map(len, encoded), default=1) or 1}"))

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, at: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> IdArray: ...
    def __getitem__(self, at: SupportsIndex | slice) -> str | IdArray:
        return IdArray(self.texts[at]) if isinstance(at, slice) else str(self.texts[at].decode())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from map(bytes.decode, self.texts[start : start + BLOCK].tolist())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, IdArray):
            return self.texts is other.texts or np.array_equal(self.texts, other.texts)
        if isinstance(other, Sequence) and not isinstance(other, str | bytes):
            return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3])) + (", .." if len(self) > 3 else "")
        return f"IdArray({len(self):,}: {shown})"

    def take(self, rows: NDArray[np.integer[Any]]) -> IdArray:
        """The ids of rows int64 [n], in that order."""
        return IdArray(self.texts[rows])

    def lines(self) -> Iterator[bytes]:
        """All ids, each with a line break, in blocks of bytes."""
        width = self.texts.dtype.itemsize
        for start in range(0, len(self), BLOCK):
            block = np.ascontiguousarray(self.texts[start : start + BLOCK])
            letters = np.full((len(block), width + 1), ord("\n"), np.uint8)
            letters[:, :width] = block.view(np.uint8).reshape(-1, width)
            yield letters[letters != 0].tobytes()

    @property
    def sha256(self) -> str:
        """Hexadecimal sha256 of the ids joined by newline."""
        digest, ended = hashlib.sha256(), b""
        for lines in self.lines():
            digest.update(ended + lines[:-1])
            ended = b"\n"
        return digest.hexdigest()

    def first_repeated(self) -> int | None:
        """Row of the first id that occurs a second time; None if all ids are unique."""
        keys = _keys(self.texts, self.texts.dtype.itemsize)
        ordered = np.sort(keys)
        doubled = ordered[1:][ordered[1:] == ordered[:-1]]
        if not doubled.size:
            return None
        seen: set[bytes] = set()
        for row in np.flatnonzero(np.isin(keys, doubled)):  # equal ids, or different ones with equal keys
            name = self.texts[row]
            if name in seen:
                return int(row)
            seen.add(name)
        return None

    def rows_in(self, others: IdArray) -> NDArray[np.int64]:
        """Row int64 [N] of each id in `others`, whose ids are unique; -1 where it is absent."""
        if not len(others):
            return np.full(len(self), -1, np.int64)
        width = max(self.texts.dtype.itemsize, others.texts.dtype.itemsize)
        keys, theirs = _keys(self.texts, width), _keys(others.texts, width)
        order = np.argsort(theirs, kind="stable")
        ordered = theirs[order]
        nearest = order[np.minimum(np.searchsorted(ordered, keys), len(order) - 1)]
        rows = np.where(self.texts == others.texts[nearest], nearest, -1).astype(np.int64)
        shared = ordered[1:][ordered[1:] == ordered[:-1]]
        if shared.size:  # different ids with equal keys
            places = {others.texts[row]: row for row in np.flatnonzero(np.isin(theirs, shared))}
            for row in np.flatnonzero((rows < 0) & np.isin(keys, shared)):
                rows[row] = places.get(self.texts[row], -1)
        return rows


def _keys(texts: NDArray[np.bytes_], width: int) -> NDArray[np.uint64]:
    """Hash uint64 [N] of each id, equal for equal ids; different ids of up to 8 bytes never collide."""
    words = max(1, -(-width // WORD))
    padded = np.ascontiguousarray(texts.astype(f"S{words * WORD}", copy=False))
    letters = padded.view(np.uint64).reshape(len(texts), words)
    keys = letters[:, 0].copy()
    for word in range(1, words):
        keys = ((keys ^ (keys >> np.uint64(29))) * MIX) ^ letters[:, word]
    return keys
