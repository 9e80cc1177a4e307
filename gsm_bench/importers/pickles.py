"""The one reader of pickle-based files: plain, torch's from before 1.6, and those nested in a plain one.

A pickle is a program. Nothing in it runs here: every allowed name is replaced by a safe function, which takes numbers,
text and bytes and returns arrays and plain containers. Tensors become numpy arrays, so torch is not needed. The standard
library's unpickler does the reading.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.clean_errors import guarded
from gsm_bench.importers.pickle_scan import refused, scan
from gsm_bench.importers.safe_types import (
    BFLOAT16,
    STORAGES,
    BrainFloat,
    Function,
    NumpyType,
    as_floats,
    check_objects,
    encode,
    is_shape,
    never,
    no_bytes,
    only_array,
    plain_dict,
    raw_bytes,
    shown_shape,
    storage_reference,
    tensor_size,
)

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The number that the first of the five pickles of torch's old format holds (torch/serialization.py)."""
TORCH_PROTOCOL = 1001


def load(data: bytes, where: Path | str) -> Any:
    """What a pickle holds: dicts, lists, tuples, numbers, text and numpy arrays.

    Args:
        data: the complete pickle, nothing after it.
        where: the file, for messages.

    Raises:
        DumpError: it asks for anything else, asks for too much, or is damaged.
    """
    return guarded(lambda: _Reader(where).complete(data), where)


def load_old_torch(data: bytes, where: Path | str) -> Any:
    """What a file holds that ``torch.save`` wrote before 1.6, tensors as numpy arrays; raises DumpError as `load`."""
    return guarded(lambda: _Reader(where).old_torch(data), where)


def inspect_new_torch(data: bytes, sizes: Mapping[str, int], where: Path | str) -> None:
    """Read the pickle of a file that ``torch.save`` writes since 1.6, without its storages.

    Args:
        data: the member ``data.pkl``.
        sizes: bytes of each storage in the archive by its key.

    Raises:
        DumpError: it asks for anything but data, or for more than the storages hold.
    """
    guarded(lambda: _Reader(where).inspected(data, sizes), where)


def is_old_torch(head: bytes) -> bool:
    """Whether a file that begins so is of torch's format from before 1.6."""
    return (
        head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
        and b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." in head[:64]
    )


class _Array(np.ndarray[Any, np.dtype[Any]]):
    """An array that is filled by its ``__setstate__``, after type, shape and bytes have been compared."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise ValueError("an array outside a pickle")


class _Reader:
    """Reads one file; keeps what its nested streams share."""

    def __init__(self, where: Path | str) -> None:
        self.where = where
        self.names = self._names()
        self.allowed = frozenset(self.names) | {f"torch {name}" for name in STORAGES}
        self.preamble = b""
        self.nested = False
        self.array = self._array_class()
        reader = self

        class Restricted(pickle.Unpickler):
            def find_class(self, module: str, name: str, /) -> Any:
                return reader.find(f"{module} {name}")

        class RestrictedTorch(Restricted):
            storages: dict[str, NDArray[Any]]
            sizes: Mapping[str, int] | None = None

            def persistent_load(self, reference: Any, /) -> Any:
                if self.sizes is not None:
                    return reader.storage_elsewhere(reference, self.sizes)
                return reader.storage(reference, self.storages)

        self.plain, self.torch = Restricted, RestrictedTorch

    def complete(self, data: bytes) -> Any:
        stream = io.BytesIO(data)
        scan(stream, self.allowed, self.where)
        if stream.tell() != len(data):
            raise DumpError(
                f"{len(data) - stream.tell():,} bytes follow the end of this pickle: more was written than one object",
                where=self.where,
                fix="dump one list or dict into the file, not several after each other",
            )
        stream.seek(0)
        return self.plain(stream, fix_imports=False, encoding="latin1").load()

    def next(self, stream: io.BytesIO) -> Any:
        """The next of several plain pickles."""
        start = stream.tell()
        scan(stream, self.allowed, self.where)
        end = stream.tell()
        stream.seek(start)
        value = self.plain(stream, fix_imports=False, encoding="latin1").load()
        stream.seek(end)
        return value

    def old_torch(self, data: bytes) -> Any:
        """Five pickles, then for each storage its length and its bytes.

        Tensors are views of storages that are filled later, except those of bfloat16, which are converted: where there
        are any, the pickle is read again once the bytes are there.
        """
        stream = io.BytesIO(data)
        if self.preamble and data.startswith(self.preamble):
            stream.seek(len(self.preamble))
        else:
            self._read_preamble(stream, data)
        start = stream.tell()
        scan(stream, self.allowed, self.where, persistent=True)
        end = stream.tell()
        stream.seek(start)
        storages: dict[str, NDArray[Any]] = {}
        self.room = len(data)
        value = self._with_storages(stream, storages)
        stream.seek(end)
        for key in self.next(stream):
            raw = storages[str(key)].view(np.uint8)
            if int.from_bytes(stream.read(8), "little") != len(storages[str(key)]) or stream.readinto(raw.data) != len(
                raw
            ):
                raise EOFError("a storage is incomplete")
        if any(storage.dtype == BFLOAT16 for storage in storages.values()):
            stream.seek(start)
            value = self._with_storages(stream, storages)
        return value

    def _with_storages(self, stream: io.BytesIO, storages: dict[str, NDArray[Any]]) -> Any:
        unpickler = self.torch(stream, fix_imports=False, encoding="latin1")
        unpickler.storages = storages
        return unpickler.load()

    def inspected(self, data: bytes, sizes: Mapping[str, int]) -> Any:
        stream = io.BytesIO(data)
        scan(stream, self.allowed, self.where, persistent=True)
        stream.seek(0)
        unpickler = self.torch(stream, fix_imports=False, encoding="latin1")
        unpickler.sizes = sizes
        return unpickler.load()

    def _read_preamble(self, stream: io.BytesIO, data: bytes) -> None:
        magic, version, machine = self.next(stream), self.next(stream), self.next(stream)
        if magic != TORCH_MAGIC or version != TORCH_PROTOCOL or not machine.get("little_endian"):
            raise ValueError("not torch's format of a little-endian machine")
        self.preamble = data[: stream.tell()]

    def storage(self, reference: Any, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """The storage that a persistent id names, to be filled when its bytes are reached."""
        kind, key, length, size = storage_reference(reference)
        if key not in storages:
            self.room -= size
            if self.room < 0:
                raise self._too_large(length)
            storages[key] = np.empty(length, STORAGES[kind])
        held = storages[key]
        if held.dtype != STORAGES[kind] or len(held) != length:
            raise ValueError("a storage of two types or lengths")
        return held.view(BrainFloat) if held.dtype == BFLOAT16 else held

    def storage_elsewhere(self, reference: Any, sizes: Mapping[str, int]) -> NDArray[Any]:
        """Zeros for a storage, which take no memory."""
        kind, key, length, size = storage_reference(reference)
        if size > sizes[key]:
            raise self._too_large(length)
        return np.broadcast_to(np.zeros((), STORAGES[kind]), (length,))

    def _too_large(self, length: int) -> DumpError:
        return DumpError(
            f"a storage of {length:,} values is larger than its file", where=self.where, fix="copy the file again"
        )

    def find(self, name: str) -> Any:
        module, _, last = name.partition(" ")
        if module == "torch" and last in STORAGES:
            return last
        if name not in self.names:
            raise refused(name.replace(" ", "."), self.where)
        return self.names[name]

    def _names(self) -> dict[str, Function]:
        replacements: Mapping[str, Callable[..., Any]] = {
            "torch._utils _rebuild_tensor_v2": self._tensor,
            "torch._utils _rebuild_tensor": self._tensor,
            "torch._utils _rebuild_parameter": only_array,
            "torch.storage _load_from_bytes": self._nested,
            "torch Size": tensor_size,
            "collections OrderedDict": plain_dict,
            "_codecs encode": encode,
            "builtins bytes": no_bytes,
            "__builtin__ bytes": no_bytes,
            "numpy ndarray": never,
            "numpy dtype": self._type,
            "numpy.core.multiarray _reconstruct": self._empty_array,
            "numpy._core.multiarray _reconstruct": self._empty_array,
            "numpy.core.multiarray scalar": self._scalar,
            "numpy._core.multiarray scalar": self._scalar,
            "numpy.core.numeric _frombuffer": self._from_buffer,
            "numpy._core.numeric _frombuffer": self._from_buffer,
        }
        return {name: Function(name.replace(" ", "."), answer) for name, answer in replacements.items()}

    def _nested(self, data: Any) -> Any:
        if self.nested:
            raise refused("a torch file inside a torch file inside a pickle", self.where)
        if not isinstance(data, bytes):
            raise ValueError("a nested torch file that is not bytes")
        self.nested = True
        try:
            return only_array(self.old_torch(data))
        finally:
            self.nested = False

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> NDArray[Any]:
        if not isinstance(storage, np.ndarray):
            raise ValueError("a tensor without a storage")
        if len(size) == 1 and stride == (1,) and 0 <= offset <= offset + size[0] <= len(storage):
            return as_floats(storage[offset : offset + size[0]])
        if not is_shape((offset,), size, stride) or len(size) != len(stride):
            raise ValueError("a tensor with an invalid shape")
        count = math.prod(size)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) if count else 0
        if count > len(storage) or last >= max(len(storage), 1):
            raise DumpError(
                f"a tensor of shape {shown_shape(size)} is larger than its storage of {len(storage):,} values",
                where=self.where,
                fix="copy the file again",
            )
        steps = [step * storage.itemsize for step in stride]
        return as_floats(np.lib.stride_tricks.as_strided(storage[offset:], size, steps, subok=True))

    def _type(self, code: Any, *_: Any) -> NumpyType:
        if not isinstance(code, str):
            raise refused("a numpy type made of other types", self.where)
        return NumpyType(code)

    def _dtype(self, kind: Any) -> np.dtype[Any]:
        if not isinstance(kind, NumpyType):
            raise ValueError("an array without a type")
        return kind.dtype(self.where)

    def _empty_array(self, kind: Any, *_: Any) -> NDArray[Any]:
        if kind is not self.names["numpy ndarray"]:
            raise refused("an array of a class of its own", self.where)
        return np.empty(0, np.uint8).view(self.array)

    def _scalar(self, kind: Any, raw: Any = b"") -> Any:
        dtype = self._dtype(kind)
        if dtype.hasobject:
            raise refused("a numpy array of Python objects", self.where)
        return np.frombuffer(raw_bytes(raw), dtype, 1)[0]

    def _from_buffer(self, raw: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
        dtype, content = self._dtype(kind), raw_bytes(raw)
        self._check_shape(shape, dtype, len(content))
        return np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")

    def _check_shape(self, shape: Any, dtype: np.dtype[Any], size: int) -> None:
        if not is_shape(shape) or math.prod(shape) * dtype.itemsize != size:
            raise DumpError(
                f"an array of shape {shown_shape(shape)} does not fit its {size:,} bytes",
                where=self.where,
                fix="copy the file again",
            )

    def _array_class(self) -> type[_Array]:
        reader = self

        class Array(_Array):
            __slots__ = ()

            def __setstate__(self, state: Any) -> None:
                _, shape, kind, fortran, content = state
                dtype = reader._dtype(kind)
                content = content if dtype.hasobject else raw_bytes(content)
                reader._check_shape(shape, dtype, len(content) * (dtype.itemsize if dtype.hasobject else 1))
                if dtype.hasobject:
                    check_objects(content, shape, reader.where)
                np.ndarray.__setstate__(self, (1, shape, dtype, bool(fortran), content))  # type: ignore[arg-type]

        return Array
