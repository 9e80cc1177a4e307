"""Safe replacements for the names in a pickle: they take numbers, text and bytes and return arrays and plain containers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.pickle_scan import refused

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "|i1", "ByteStorage": "|u1", "BoolStorage": "|b1",
}  # fmt: skip
BFLOAT16 = np.dtype(STORAGES["BFloat16Storage"])
"""How bfloat16 is held; no other storage has this type."""
NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
LONGEST_TEXT, MOST_AXES, MOST_ALONG_AXIS = 4096, 32, 2**62


class Function:
    """A safe replacement for a function or class: may be called, and nothing else."""

    __slots__ = ("_answer", "_name")

    def __init__(self, name: str, answer: Callable[..., Any]) -> None:
        self._name, self._answer = name, answer

    def __call__(self, *arguments: Any) -> Any:
        return self._answer(*arguments)

    def __setstate__(self, _: Any) -> None:
        raise ValueError(f"{self._name} is changed")


class NumpyType:
    """The safe replacement for a numpy dtype, with its byte order as the file gives it afterwards."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code.lstrip("<>=|"), "<" if code[:1] != ">" else ">"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or any(part is not None for part in state[2:5]):
            raise ValueError("a numpy type with fields or of subarrays")
        self.order = ">" if state[1] == ">" else "<"

    def dtype(self, where: Path | str) -> np.dtype[Any]:
        if self.code in NUMBERS:
            return np.dtype(self.order + self.code)
        if self.code[:1] in ("U", "S") and self.code[1:].isdecimal() and int(self.code[1:]) <= LONGEST_TEXT:
            return np.dtype(self.order + self.code)
        if self.code in ("O", "O4", "O8"):
            return np.dtype(object)
        raise refused(f"a numpy array of type {self.code[:40]!r}", where)


def check_objects(items: Any, shape: tuple[int, ...], where: Path | str) -> None:
    """Let an array of Python objects through if all items are numbers, text or arrays.

    An array without axes holds one object, which may be a container: numpy saves a dict in this way.
    """
    if not isinstance(items, list):
        raise ValueError("an array of objects without a list of them")
    if shape == ():
        return
    plain = str | bytes | bool | int | float | np.generic | np.ndarray
    at = next((at for at, item in enumerate(items) if not isinstance(item, plain)), None)
    if at is not None:
        name = "None" if items[at] is None else f"a {type(items[at]).__name__}"
        raise DumpError(
            f"item {at} of a numpy array of Python objects is {name}, not text, a number or an array", where=where,
            fix="save ids as np.array(ids, dtype=str) and scores as an array of floats",
        )  # fmt: skip


class BrainFloat(np.ndarray[Any, np.dtype[Any]]):
    """A storage of bfloat16, which numpy does not know: the upper halves of float32 numbers."""

    __slots__ = ()


def storage_reference(reference: Any) -> tuple[str, str, int, int]:
    """Space, key, values and bytes of the storage that a persistent id names."""
    what, kind, key, _, length = reference[:5]
    if what != "storage" or not isinstance(kind, str) or any(part is not None for part in reference[5:]):
        raise ValueError("an object outside the file that is no storage")
    if type(length) is not int or length < 0:
        raise ValueError("a storage with an invalid length")
    return kind, str(key), length, length * np.dtype(STORAGES[kind]).itemsize


def as_floats(values: NDArray[Any]) -> NDArray[Any]:
    if not isinstance(values, BrainFloat):
        return values
    return (np.asarray(values).astype(np.uint32) << 16).view(np.float32)


def encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes in an encoding of their own")
    return text.encode("latin1")


def raw_bytes(content: Any) -> bytes:
    """Raw bytes; Python 2 wrote them as text."""
    if isinstance(content, str):
        return content.encode("latin1")
    if not isinstance(content, bytes | bytearray):
        raise ValueError("an array without bytes")
    return bytes(content)


def plain_dict(items: Any = ()) -> dict[Any, Any]:
    pairs = list(items)
    if not all(isinstance(key, str | int) for key, _ in pairs):
        raise ValueError("a dict whose keys are not text")
    return dict(pairs)


def tensor_size(numbers: Any = ()) -> tuple[int, ...]:
    if len(numbers) > MOST_AXES or not all(type(number) is int for number in numbers):
        raise ValueError("a tensor's size that is not numbers")
    return tuple(numbers)


def only_array(value: Any, *_: Any) -> NDArray[Any]:
    """A tensor or storage unchanged; anything else is refused, because the scan does not see it."""
    if not isinstance(value, np.ndarray):
        raise ValueError("not a tensor")
    return value


def no_bytes(*arguments: Any) -> bytes:
    if arguments:
        raise ValueError("bytes made from something else")
    return b""


def never(*_: Any) -> None:
    raise ValueError("an array made without its bytes")


def shown_shape(shape: Any) -> str:
    return (
        " x ".join(str(length)[:24] for length in shape[:6])
        if isinstance(shape, tuple | list)
        else type(shape).__name__
    )


def is_shape(*parts: Any) -> bool:
    """Whether these are the sizes or strides of an array."""
    numbers = [number for part in parts for number in part]
    return (
        all(isinstance(part, tuple | list) and len(part) <= MOST_AXES for part in parts)
        and all(type(number) is int and 0 <= number < MOST_ALONG_AXIS for number in numbers)
    )  # fmt: skip
