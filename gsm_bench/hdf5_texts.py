"""Texts of variable length in HDF5 files, checked in the bytes of the file before HDF5 reads them.

HDF5 stores such a text as a length and a place in a collection, and allocates as many bytes as the length says before
it looks at the collection: four flipped bits become 4 GB. Attributes of other types than expected crash h5py.
Facts: HDF5 File Format Specification 3.0, sections III.E, IV.A.1 and IV.A.2.m.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gsm_bench.hdf5_reader import HEAP_HEADER, HEAP_OBJECT, HEAP_SIGNATURE, GuardedFile, check_heap

TEXT_PLACE = np.dtype([("length", "<u4"), ("address", "<u8"), ("number", "<u4")])
"""A text as it lies in the file: its length in elements, and where its content lies."""
CONTINUATION, ATTRIBUTE = 0x10, 0x0C
MOST_HEADER_BYTES = 1 << 20
PADDED_VERSION, VERSION_WITH_ENCODING = 1, 3
"""Versions of attribute messages: fields padded to eight bytes; a byte for the encoding of the name."""


def own_attribute(source: GuardedFile, owner: h5py.Group | h5py.Dataset, name: str, default: Any = None) -> Any:
    """A single text or whole number that an object has as attribute; `default` if it has none of that name.

    Raises:
        ValueError: it is of another type, or damaged.
    """
    if name not in owner.attrs:
        return default
    attribute = owner.attrs.get_id(name)
    kind = attribute.get_type()
    if attribute.shape != () or not isinstance(kind, h5py.h5t.TypeStringID | h5py.h5t.TypeIntegerID):
        raise ValueError(f"the attribute {name} is neither a text nor a number")
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
        for content in _attributes(source, h5py.h5o.get_info(owner.id).addr, name.encode()):
            _check_lengths(source, np.frombuffer(content, TEXT_PLACE, 1), f"the attribute {name}")
    return owner.attrs[name]


def check_texts(source: GuardedFile, dataset: h5py.Dataset) -> None:
    """Check the lengths of the texts, or rows of bytes, of a dataset; compressed ones are not checked.

    Raises:
        ValueError: they take more room than the file has.
    """
    if (places := text_places(source, dataset)) is not None:
        _check_lengths(source, places, dataset.name)


def text_places(source: GuardedFile, dataset: h5py.Dataset) -> NDArray[np.void] | None:
    """Where the texts of a dataset lie, `TEXT_PLACE` [n]; None for texts of fixed length, or compressed ones.

    The order is that of the dataset if it is contiguous.
    """
    settings = dataset.id.get_create_plist()
    if h5py.check_vlen_dtype(dataset.dtype) is None and not dataset.id.get_type().detect_class(h5py.h5t.VLEN):
        return None
    if settings.get_layout() == h5py.h5d.CONTIGUOUS:
        size = prod(dataset.shape) * TEXT_PLACE.itemsize
        return np.frombuffer(source.read_at(dataset.id.get_offset() or 0, size), TEXT_PLACE)
    if settings.get_layout() != h5py.h5d.CHUNKED or settings.get_nfilters():
        return None
    chunks = (dataset.id.get_chunk_info(number) for number in range(dataset.id.get_num_chunks()))
    contents = [source.read_at(chunk.byte_offset, chunk.size) for chunk in chunks]
    return np.frombuffer(b"".join(contents), TEXT_PLACE)


def read_content(source: GuardedFile, place: np.void) -> bytes:
    """The bytes at a place, without HDF5; empty for a row that was never written.

    The first of a collection, as every row of more than 64 kB is, is read from its place and never copied.

    Raises:
        ValueError: they are damaged.
    """
    address, wanted, expected = int(place["address"]), int(place["number"]), int(place["length"])
    if not expected:
        return b""
    begin = source.read_at(address, HEAP_HEADER.size + HEAP_OBJECT.size)
    signature, _, length = HEAP_HEADER.unpack_from(begin)
    number, _, size = HEAP_OBJECT.unpack_from(begin, HEAP_HEADER.size)
    inside = address + len(begin) + expected <= address + length <= source.length
    if signature == HEAP_SIGNATURE and (number, size) == (wanted, expected) and inside:
        return source.read_at(address + len(begin), expected)
    return _later_content(source, address, length, (wanted, expected))


def _later_content(source: GuardedFile, address: int, length: int, place: tuple[int, int]) -> bytes:
    """The bytes of a number and length in the collection of `length` bytes at `address`."""
    wanted, expected = place
    heap = source.read_at(address, length)
    check_heap(memoryview(heap), source.length)
    at = HEAP_HEADER.size
    while at + HEAP_OBJECT.size <= length and heap[:4] == HEAP_SIGNATURE:
        number, _, size = HEAP_OBJECT.unpack_from(heap, at)
        at += HEAP_OBJECT.size
        if (number, size) == (wanted, expected):
            return heap[at : at + size]
        if number in (0, wanted):
            break
        at += (size + 7) // 8 * 8
    raise ValueError("a row of bytes in it is damaged")


def _check_lengths(source: GuardedFile, places: NDArray[np.void], name: str) -> None:
    if places["length"].sum(dtype=np.uint64) > source.length:
        raise ValueError(f"{name} is longer than the file")


def _attributes(source: GuardedFile, address: int, name: bytes) -> Iterator[bytes]:
    """The values of the attribute messages of a name in an object header."""
    for content in _messages(source, address):
        version, _, *sizes = struct.unpack_from("<BBHHH", content)
        start = 9 if version == VERSION_WITH_ENCODING else 8
        if version == PADDED_VERSION:
            sizes = [(size + 7) // 8 * 8 for size in sizes]
        value = content[start + sum(sizes) :]
        if content[start : start + sizes[0]].rstrip(b"\0") == name and len(value) >= TEXT_PLACE.itemsize:
            yield value


def _messages(source: GuardedFile, address: int) -> Iterator[bytes]:
    """The attribute messages of an object header, of either version."""
    start = source.read_at(address, 32)
    if start[:4] == b"OHDR":
        flags, at = start[5], 6 + (16 if start[5] & 0x20 else 0) + (4 if start[5] & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(start[at : at + width], "little")
        head, blocks = struct.Struct("<BHB2x" if flags & 4 else "<BHB"), [(address + at + width, size)]
    else:
        head, blocks = struct.Struct("<HHB3x"), [(address + 16, int.from_bytes(start[8:12], "little"))]
    seen = 0
    while blocks and seen < MOST_HEADER_BYTES:
        block = source.read_at(*blocks.pop())
        seen += len(block) + 1
        at = 4 if block[:4] == b"OCHK" else 0
        while at + head.size <= len(block):
            kind, size, _ = head.unpack_from(block, at)
            content = block[at + head.size : at + head.size + size]
            at += head.size + size
            if kind == CONTINUATION and len(content) >= 16:
                blocks.append(struct.unpack_from("<QQ", content))
            elif kind == ATTRIBUTE and len(content) > TEXT_PLACE.itemsize:
                yield content
