"""Whether an HDF5 file of unknown origin holds its own data, all of it, before anything in it is read or allocated.

HDF5 follows links into other files, fills rows that were never written with zeros, allocates what a file declares, and
may hang on a damaged one. None of that is acceptable where a number is computed from the file.
"""

from __future__ import annotations

import struct
from math import ceil, prod

import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
BASE_AND_END = {0: (24, 40), 1: (28, 44), 2: (12, 28), 3: (12, 28)}
"""Offsets in bytes of the base address and of the end of the file in a superblock, by its version."""
SUPERBLOCK_BYTES = 64
MOST_EXPANDED = 64
"""Compressed data may take this many times its size in the file, or `FREE_BYTES`."""
FREE_BYTES = 64 << 20


def declared_length(start: bytes) -> int | None:
    """Length in bytes that the header of an HDF5 file states; None for a file whose header is not at its start.

    Args:
        start: the first `SUPERBLOCK_BYTES` of the file.

    Raises:
        ValueError: the header is damaged.
    """
    if not start.startswith(SIGNATURE):
        return None
    version = start[8] if len(start) == SUPERBLOCK_BYTES else -1
    if version not in BASE_AND_END:
        raise ValueError("its header is damaged")
    base, end = (int(struct.unpack_from("<Q", start, at)[0]) for at in BASE_AND_END[version])
    return end if base == 0 else None


def own_item(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """The object `name` of a group, of the same file.

    Raises:
        ValueError: it is missing, or a link to another place.
    """
    link = group.get(name, getlink=True)
    if link is None:
        raise ValueError(f"{_path(group, name)} is missing")
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{_path(group, name)} is a link to another place")
    item = group[name]
    if not isinstance(item, h5py.Group | h5py.Dataset):
        raise ValueError(f"{_path(group, name)} holds no data")
    return item


def own_group(group: h5py.Group, name: str) -> dict[str, h5py.Dataset]:
    """The datasets of the group `name` by name, each checked by `own_dataset`; empty if the group is missing."""
    if group.get(name, getlink=True) is None:
        return {}
    inner = own_item(group, name)
    if not isinstance(inner, h5py.Group):
        raise ValueError(f"{inner.name} is not a group")
    return {key: own_dataset(inner, key) for key in inner}


def own_dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """The dataset `name` of a group, whose data lie in this file, complete.

    Raises:
        ValueError: the data are elsewhere, were never written, or take more room than the file holds.
    """
    dataset = own_item(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{dataset.name} is not a dataset")
    settings = dataset.id.get_create_plist()
    layout = settings.get_layout()
    if layout == h5py.h5d.VIRTUAL or settings.get_external_count():
        raise ValueError(f"the data of {dataset.name} are in another file")
    if not dataset.size:
        return dataset
    if layout == h5py.h5d.CONTIGUOUS and dataset.id.get_offset() is None:
        raise ValueError(f"{dataset.name} was never written")
    if layout == h5py.h5d.CONTIGUOUS and dataset.id.get_offset() + dataset.nbytes > dataset.file.id.get_filesize():
        raise ValueError(f"{dataset.name} is longer than the file")
    if layout == h5py.h5d.CHUNKED:
        _check_chunks(dataset)
    return dataset


def _check_chunks(dataset: h5py.Dataset) -> None:
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > max(FREE_BYTES, MOST_EXPANDED * stored):
        raise ValueError(f"{dataset.name} declares {dataset.nbytes:,} bytes and holds {stored:,}")
    expected = prod(ceil(size / chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    if dataset.id.get_num_chunks() != expected:
        raise ValueError(f"{dataset.name} is incomplete: parts of it were never written")


def _path(group: h5py.Group, name: str) -> str:
    return f"{group.name.rstrip('/')}/{name}"
