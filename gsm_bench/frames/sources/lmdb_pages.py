"""Look up keys in an LMDB file by reading its pages, every number in them checked.

LMDB's own library maps the file into memory and ends the process when a page is damaged. Layout of a file as a 64-bit
machine writes it, little-endian (source: ``mdb.c`` of LMDB 0.9): two meta pages, then pages of a B+ tree. A page begins
with its number and flags, then come the offsets of its nodes. A long value lies on pages of its own.
"""

from __future__ import annotations

import os
import struct
import weakref
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

META = struct.Struct("<16xII16xI44xIHHQQQQQQQ")
"""Magic number, version, bytes per page; of the main tree a word, flags, depth, five numbers of pages and entries, and its
root; then the last page and the transaction."""
PAGE = struct.Struct("<QHHHH")
"""Number of a page, padding, flags, end of the offsets, begin of the nodes."""
NODE = struct.Struct("<HHHH")
"""Of a leaf: low and high half of the value's size, flags, size of the key. Of a branch: three parts of a page number."""
MAGIC, EMPTY = 0xBEEFC0DE, 2**64 - 1
BRANCH, LEAF, OVERFLOW = 1, 2, 4
KINDS = 0x67
"""Flags of a page that tell its kind."""
BIG = 1
"""Flag of a node whose value lies on pages of its own; other flags are those of trees within trees."""
OTHER_ORDERS = 2 | 8
"""Flags of a tree whose keys are not in the order of their bytes."""
DEEPEST = 32
PAGES_KEPT = 1024
PAGE_SIZES = (256, 65536)


class DamagedLmdbError(ValueError):
    """A page, or the whole file, is damaged; the message says how."""


class StoredValue(NamedTuple):
    """Where the value of a key lies in the file; `page` is the first one of a long value, else 0."""

    offset: int
    size: int
    page: int = 0


class _TreePage(NamedTuple):
    """Ascending keys of a page, and the page number or value of each."""

    leaf: bool
    keys: list[bytes]
    children: list[int]
    values: list[StoredValue | None]


class LmdbFile:
    """A database in one file, for any number of threads.

    Raises:
        DamagedLmdbError: it is no database, or shorter than it says.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self.size = os.fstat(self._file).st_size
        self._pages: OrderedDict[int, _TreePage] = OrderedDict()
        first = self._meta(0)
        heads = [first, self._meta(first[2])]
        _, _, self._page_size, _, order, *_, self._root, last, _ = max(heads, key=lambda head: head[-1])
        if order & OTHER_ORDERS:
            raise DamagedLmdbError("its keys are numbers, or read backwards, and no names")
        if self.size < (last + 1) * self._page_size:
            raise DamagedLmdbError(
                f"it is cut short: it has {self.size:,} of its {(last + 1) * self._page_size:,} bytes"
            )

    def from_key(self, start: bytes) -> Iterator[tuple[bytes, StoredValue | None]]:
        """Keys from `start` on, ascending, each with the place of its value; None for a tree within the tree."""
        if self._root == EMPTY:
            return
        before: bytes | None = None
        for key, value in self._below(self._root, start, 0):
            if before is not None and key <= before:
                raise DamagedLmdbError("its keys are out of order")
            before = key
            yield key, value

    def content(self, value: StoredValue) -> bytes:
        """The bytes of a value."""
        if not value.page:
            return self._read(value.offset, value.size)
        content = self._read(value.offset, PAGE.size + value.size)
        number, _, flags, low, high = PAGE.unpack_from(content)
        pages = low | high << 16
        if number != value.page or flags & KINDS != OVERFLOW or pages * self._page_size < len(content):
            raise DamagedLmdbError(f"page {value.page:,} is damaged")
        return content[PAGE.size :]

    def _below(self, number: int, start: bytes, depth: int) -> Iterator[tuple[bytes, StoredValue | None]]:
        """Keys from `start` on, of a page and the pages below it."""
        page = self._page(number)
        if page.leaf:
            at = bisect_left(page.keys, start)
            yield from zip(page.keys[at:], page.values[at:], strict=True)
            return
        if depth == DEEPEST:
            raise DamagedLmdbError("its pages lead to each other")
        for child in page.children[bisect_right(page.keys, start, lo=1) - 1 :]:
            yield from self._below(child, start, depth + 1)

    def _page(self, number: int) -> _TreePage:
        page = self._pages.get(number)
        if page is None:
            content = self._read(number * self._page_size, self._page_size)
            try:
                page = self._parsed(number, content)
            except (struct.error, IndexError, ValueError) as error:
                raise DamagedLmdbError(f"page {number:,} is damaged") from error
            self._pages[number] = page
            while len(self._pages) > PAGES_KEPT:
                self._pages.popitem(last=False)
        return page

    def _parsed(self, number: int, content: bytes) -> _TreePage:
        own, _, flags, lower, upper = PAGE.unpack_from(content)
        kind = flags & KINDS
        if (
            own != number
            or kind not in (BRANCH, LEAF)
            or not PAGE.size < lower <= upper <= self._page_size
            or lower % 2
        ):
            raise ValueError
        page = _TreePage(kind == LEAF, [], [], [])
        for (offset,) in struct.iter_unpack("<H", content[PAGE.size : lower]):
            low, high, mark, length = NODE.unpack_from(content, offset)
            key = content[offset + NODE.size : offset + NODE.size + length]
            if offset < upper or len(key) < length:
                raise ValueError
            page.keys.append(key)
            if page.leaf:
                after = offset + NODE.size + length
                page.values.append(self._value(number, content, after, low | high << 16, mark))
            else:
                page.children.append(low | high << 16 | mark << 32)
        return page

    def _value(self, number: int, content: bytes, offset: int, size: int, mark: int) -> StoredValue | None:
        """The place of a leaf's value, that begins at `offset` of the page, or the number of whose page does."""
        if mark not in (0, BIG):
            return None
        if not mark:
            if offset + size > len(content):
                raise ValueError
            return StoredValue(number * self._page_size + offset, size)
        (page,) = struct.unpack_from("<Q", content, offset)
        if page < 2 or page * self._page_size + PAGE.size + size > self.size:
            raise ValueError
        return StoredValue(page * self._page_size, size, page)

    def _meta(self, offset: int) -> tuple[int, ...]:
        """The numbers of a meta page."""
        head = META.unpack(self._read(offset, META.size))
        if head[0] != MAGIC or head[1] != 1 or not PAGE_SIZES[0] <= head[2] <= PAGE_SIZES[1]:
            raise DamagedLmdbError("this is no LMDB database, or its first pages are damaged")
        return head

    def _read(self, offset: int, size: int) -> bytes:
        content = os.pread(self._file, size, offset) if offset + size <= self.size else b""
        if len(content) < size:
            raise DamagedLmdbError("it is cut short, or a page leads out of it")
        return content
