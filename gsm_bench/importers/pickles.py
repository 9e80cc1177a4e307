"""The one reader of pickle-based files: plain, torch's from before 1.6, and those nested in a plain one.

A pickle is a program. What is let through here cannot run anything: every name that it may ask for is answered by a
stand-in of this module, which takes numbers, text and bytes and gives arrays and plain containers back. Tensors become
numpy arrays, so torch is not needed. Reading is left to the standard library's unpickler.
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

from gsm_bench.errors import DumpError, GsmBenchError
from gsm_bench.importers.limits import require_memory
from gsm_bench.importers.pickle_scan import refused, scan

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The number that the first of the five pickles of torch's old format holds (torch/serialization.py)."""
TORCH_PROTOCOL = 1001
STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "|i1", "ByteStorage": "|u1", "BoolStorage": "|b1",
}  # fmt: skip
NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
LONGEST_TEXT = 4096


def load(data: bytes, where: Path | str, *, objects: bool = False) -> Any:
    """What a pickle holds: dicts, lists, tuples, numbers, text and numpy arrays.

    Args:
        data: the whole pickle, nothing behind it.
        where: the file, for messages.
        objects: whether numpy arrays of further arrays are let through, as TRN's dumps need them.

    Raises:
        DumpError: it asks for anything else, asks for too much, or is damaged.
    """
    return guarded(lambda: _Reader(where, objects).whole(data), where)


def load_old_torch(data: bytes, where: Path | str) -> Any:
    """What a file holds that ``torch.save`` wrote before 1.6, tensors as numpy arrays; raises DumpError as `load`."""
    return guarded(lambda: _Reader(where, False).old_torch(data), where)


def inspect_new_torch(data: bytes, sizes: Mapping[str, int], where: Path | str) -> None:
    """Read the pickle of a file that ``torch.save`` writes since 1.6, without its storages.

    Args:
        data: the member ``data.pkl``.
        sizes: bytes of each storage in the archive by its key.

    Raises:
        DumpError: it asks for anything but data, or for more than the storages hold.
    """
    guarded(lambda: _Reader(where, False).inspected(data, sizes), where)


def is_old_torch(head: bytes) -> bool:
    """Whether a file that begins so is of torch's format from before 1.6."""
    return (
        head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
        and b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." in head[:64]
    )


def guarded(read: Callable[[], Any], where: Path | str) -> Any:
    """Call a reader; whatever a damaged file makes it stumble over becomes one clear error."""
    try:
        return read()
    except (GsmBenchError, ModuleNotFoundError):
        raise
    except MemoryError as error:
        raise DumpError("this file asks for more memory than there is", where=where, fix="get it again") from error
    except Exception as error:  # a damaged stream fails wherever its reader happens to be: index, codec, number, end
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DumpError(f"this file is cut short or damaged ({reason})", where=where, fix="copy it again") from error


class _Function:
    """A stand-in for a function or class: may be called, and nothing else."""

    __slots__ = ("_answer", "_name")

    def __init__(self, name: str, answer: Callable[..., Any]) -> None:
        self._name, self._answer = name, answer

    def __call__(self, *arguments: Any) -> Any:
        return self._answer(*arguments)

    def __setstate__(self, _: Any) -> None:
        raise ValueError(f"{self._name} is changed")


class _Type:
    """The stand-in for a numpy dtype, with its byte order as the file gives it afterwards."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code.lstrip("<>=|"), "<" if code[:1] != ">" else ">"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or any(part is not None for part in state[2:5]):
            raise ValueError("a numpy type with fields or of subarrays")
        self.order = ">" if state[1] == ">" else "<"

    def dtype(self, where: Path | str, *, objects: bool) -> np.dtype[Any]:
        if self.code in NUMBERS:
            return np.dtype(self.order + self.code)
        if self.code[:1] in ("U", "S") and self.code[1:].isdecimal() and int(self.code[1:]) <= LONGEST_TEXT:
            return np.dtype(self.order + self.code)
        if self.code in ("O", "O4", "O8") and objects:
            return np.dtype(object)
        what = (
            "a numpy array of Python objects" if self.code[:1] == "O" else f"a numpy array of type {self.code[:40]!r}"
        )
        raise refused(what, where)


class _Array(np.ndarray[Any, np.dtype[Any]]):
    """An array that is filled by its ``__setstate__``, after type, shape and bytes have been compared."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise ValueError("an array outside a pickle")


class _Reader:
    """Reads one file; keeps what its nested streams share."""

    def __init__(self, where: Path | str, objects: bool) -> None:
        self.where, self.objects = where, objects
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

    def whole(self, data: bytes) -> Any:
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
        """Five pickles, then for each storage its length and its bytes."""
        stream = io.BytesIO(data)
        if self.preamble and data.startswith(self.preamble):
            stream.seek(len(self.preamble))
        else:
            self._read_preamble(stream, data)
        start = stream.tell()
        scan(stream, self.allowed, self.where, persistent=True)
        end = stream.tell()
        stream.seek(start)
        unpickler = self.torch(stream, fix_imports=False, encoding="latin1")
        storages: dict[str, NDArray[Any]] = {}
        unpickler.storages = storages
        self.room = len(data)
        value = unpickler.load()
        stream.seek(end)
        for key in self.next(stream):
            raw = storages[str(key)].view(np.uint8)
            if int.from_bytes(stream.read(8), "little") != len(storages[str(key)]) or stream.readinto(raw.data) != len(
                raw
            ):
                raise EOFError("a storage is not there whole")
        return value

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
        kind, key, length, size = _storage_reference(reference)
        if key not in storages:
            self.room -= size
            if self.room < 0:
                raise self._too_large(length)
            storages[key] = np.empty(length, STORAGES[kind])
        found = storages[key]
        return found.view(_BrainFloat) if kind == "BFloat16Storage" else found

    def storage_elsewhere(self, reference: Any, sizes: Mapping[str, int]) -> NDArray[Any]:
        """Zeros in place of a storage, which take no memory."""
        kind, key, length, size = _storage_reference(reference)
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

    def _names(self) -> dict[str, _Function]:
        answers: Mapping[str, Callable[..., Any]] = {
            "torch._utils _rebuild_tensor_v2": self._tensor,
            "torch._utils _rebuild_tensor": self._tensor,
            "torch._utils _rebuild_parameter": lambda tensor, *_: tensor,
            "torch.storage _load_from_bytes": self._nested,
            "torch Size": _tuple,
            "collections OrderedDict": _dict,
            "_codecs encode": _encode,
            "builtins bytes": _no_bytes,
            "__builtin__ bytes": _no_bytes,
            "numpy ndarray": _never,
            "numpy dtype": self._type,
            "numpy.core.multiarray _reconstruct": self._empty_array,
            "numpy._core.multiarray _reconstruct": self._empty_array,
            "numpy.core.multiarray scalar": self._scalar,
            "numpy._core.multiarray scalar": self._scalar,
            "numpy.core.numeric _frombuffer": self._from_buffer,
            "numpy._core.numeric _frombuffer": self._from_buffer,
        }
        return {name: _Function(name.replace(" ", "."), answer) for name, answer in answers.items()}

    def _nested(self, data: Any) -> Any:
        if self.nested:
            raise refused("a torch file inside a torch file inside a pickle", self.where)
        if not isinstance(data, bytes):
            raise ValueError("a nested torch file that is not bytes")
        self.nested = True
        try:
            return self.old_torch(data)
        finally:
            self.nested = False

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> NDArray[Any]:
        if not isinstance(storage, np.ndarray):
            raise ValueError("a tensor without a storage")
        if len(size) == 1 and stride == (1,) and 0 <= offset <= offset + size[0] <= len(storage):
            return _as_floats(storage[offset : offset + size[0]])
        numbers = (offset, *size, *stride)
        if len(size) != len(stride) or not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("a tensor of no proper shape")
        count = math.prod(size)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) if count else 0
        if count > len(storage) or last >= max(len(storage), 1):
            raise DumpError(
                f"a tensor of shape {_shape(size)} is larger than its storage of {len(storage):,} values",
                where=self.where,
                fix="copy the file again",
            )
        steps = [step * storage.itemsize for step in stride]
        return _as_floats(np.lib.stride_tricks.as_strided(storage[offset:], size, steps, subok=True))

    def _type(self, code: Any, *_: Any) -> _Type:
        if not isinstance(code, str):
            raise refused("a numpy type made of other types", self.where)
        return _Type(code)

    def _dtype(self, kind: Any) -> np.dtype[Any]:
        if not isinstance(kind, _Type):
            raise ValueError("an array without a type")
        return kind.dtype(self.where, objects=self.objects)

    def _empty_array(self, kind: Any, *_: Any) -> NDArray[Any]:
        if kind is not self.names["numpy ndarray"]:
            raise refused("an array of a class of its own", self.where)
        return np.empty(0, np.uint8).view(self.array)

    def _scalar(self, kind: Any, raw: Any = b"") -> Any:
        dtype = self._dtype(kind)
        if dtype.hasobject:
            raise refused("a numpy array of Python objects", self.where)
        return np.frombuffer(_bytes(raw), dtype, 1)[0]

    def _from_buffer(self, raw: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
        dtype, content = self._dtype(kind), _bytes(raw)
        self._check_shape(shape, dtype, len(content))
        return np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")

    def _check_shape(self, shape: Any, dtype: np.dtype[Any], size: int) -> None:
        proper = isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
        if not proper or math.prod(shape) * dtype.itemsize != size:
            raise DumpError(
                f"an array of shape {_shape(shape)} does not fit its {size:,} bytes",
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
                content = content if dtype.hasobject else _bytes(content)
                reader._check_shape(shape, dtype, len(content) * (dtype.itemsize if dtype.hasobject else 1))
                if dtype.hasobject and not isinstance(content, list):
                    raise ValueError("an array of objects without a list of them")
                np.ndarray.__setstate__(self, (1, shape, dtype, bool(fortran), content))  # type: ignore[arg-type]

        return Array


class _BrainFloat(np.ndarray[Any, np.dtype[Any]]):
    """A storage of bfloat16, which numpy does not know: the upper halves of float32 numbers."""

    __slots__ = ()


def _storage_reference(reference: Any) -> tuple[str, str, int, int]:
    """Kind, key, values and bytes of the storage that a persistent id names."""
    what, kind, key, _, length = reference[:5]
    if what != "storage" or not isinstance(kind, str) or any(part is not None for part in reference[5:]):
        raise ValueError("an object outside the file that is no storage")
    if type(length) is not int or length < 0:
        raise ValueError("a storage of no proper length")
    return kind, str(key), length, length * np.dtype(STORAGES[kind]).itemsize


def _as_floats(values: NDArray[Any]) -> NDArray[Any]:
    if not isinstance(values, _BrainFloat):
        return values
    return (np.asarray(values).astype(np.uint32) << 16).view(np.float32)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes in an encoding of their own")
    return text.encode("latin1")


def _bytes(content: Any) -> bytes:
    """Raw bytes; Python 2 wrote them as text."""
    if isinstance(content, str):
        return content.encode("latin1")
    if not isinstance(content, bytes | bytearray):
        raise ValueError("an array without bytes")
    return bytes(content)


def _dict(items: Any = ()) -> dict[Any, Any]:
    pairs = list(items)
    if not all(isinstance(key, str | int) for key, _ in pairs):
        raise ValueError("a dict whose keys are no text")
    return dict(pairs)


def _tuple(items: Any = ()) -> tuple[Any, ...]:
    return tuple(items)


def _no_bytes(*arguments: Any) -> bytes:
    if arguments:
        raise ValueError("bytes made from something else")
    return b""


def _never(*_: Any) -> None:
    raise ValueError("an array made without its bytes")


def _shape(shape: Any) -> str:
    return (
        " x ".join(str(length)[:24] for length in shape[:6])
        if isinstance(shape, tuple | list)
        else type(shape).__name__
    )


def require_file(path: Path) -> int:
    """The size of a file that may be read whole; raises DumpError if it is missing, empty or too large."""
    if not path.is_file():
        raise DumpError("there is no such file", where=path, fix="correct the path")
    size = path.stat().st_size
    if not size:
        raise DumpError("this file is empty (0 bytes)", where=path, fix="copy it again: the dump was not written")
    require_memory(3 * size, "reading this file", path)
    return size
