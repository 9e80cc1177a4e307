"""Read what ``torch.save`` wrote: tensors and plain values. Nothing in the file runs.

A pickle is a program. Its names are looked up here: those that rebuild tensors and plain values get a safe function, all
others an inert `Skipped` class that takes any arguments and does nothing. Members of a zip are read with their checksums.
"""

from __future__ import annotations

import collections
import pickle
import types
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from gsm_bench.errors import CheckpointError
from gsm_bench.nets.pickle_depth import refuse_deep_tuples
from gsm_bench.nets.wrong_files import damaged_error, named_otherwise

CODE_MODULES = """
os posix nt subprocess sys shutil socket runpy importlib pickle _pickle ctypes webbrowser pty code commands
"""
"""Modules whose names a file of weights never needs; a file that asks for one is refused as a whole."""
CODE_BUILTINS = "eval exec execfile compile open getattr setattr delattr __import__ globals vars input breakpoint"
STORAGES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128, "UntypedStorage": torch.uint8,
}  # fmt: skip
NUMPY_KINDS = "biufc"
ZIP_HEAD = b"PK\x03\x04"


class Skipped(dict):  # type: ignore[type-arg]
    """An object that was not made: it takes whatever a pickle gives it, and keeps only the state, for its values."""

    name: ClassVar[str] = "?"

    def __new__(cls, *_: Any, **__: Any) -> Skipped:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()
        self.state: Mapping[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        pass

    def extend(self, _: Any) -> None:
        pass

    def add(self, _: Any) -> None:
        pass


class _Function:
    """A safe replacement for a function or class of a pickle: may be called, and nothing else."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Callable[..., Any]) -> None:
        self._answer = answer

    def __call__(self, *arguments: Any) -> Any:
        return self._answer(*arguments)

    def __setstate__(self, _: Any) -> None:
        raise ValueError("a function is changed")


def read_saved(path: Path) -> Any:
    """The object in a file of ``torch.save``: tensors on the CPU, plain values, and `Skipped` for all else.

    Raises:
        CheckpointError: damaged, of another kind, or asking for code.
    """
    if other := named_otherwise(path):
        raise other
    try:
        with path.open("rb") as file:
            zipped = file.read(len(ZIP_HEAD)) == ZIP_HEAD
        return _read_zip(path) if zipped else _read_old(path)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged stream fails wherever its reader happens to be: struct, zip, codec, index
        raise damaged_error(path, error) from error


def _read_zip(path: Path) -> Any:
    """A file of torch since 1.6: a pickle, and a member for the bytes of each storage."""
    with zipfile.ZipFile(path) as archive:
        member = next(name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl")
        folder = member.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("storages of a big-endian machine")
        with archive.open(member) as stream:
            return _ZipUnpickler(stream, archive, folder, path).load()


def _read_old(path: Path) -> Any:
    """A file of torch before 1.6; torch reads the storages, with the names of the pickle looked up here."""
    module: Any = types.ModuleType("restricted")
    module.Unpickler = type("Unpickler", (_Unpickler,), {"path": path})
    module.load = lambda file, **options: module.Unpickler(file, **options).load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickle protocols
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=module)


class _Unpickler(pickle.Unpickler):
    """Looks every name up in a table of safe functions."""

    path: ClassVar[Path | None] = None

    def __init__(self, stream: Any, **options: Any) -> None:
        super().__init__(stream, **options)
        self._stream = stream

    def load(self) -> Any:
        refuse_deep_tuples(self._stream)
        return super().load()

    def find_class(self, module: str, name: str, /) -> Any:
        root = module.partition(".")[0]
        if root in CODE_MODULES.split() or (root in ("builtins", "__builtin__") and name in CODE_BUILTINS.split()):
            raise _code_error(f"{module}.{name}", self.path)
        if f"{module} {name}" in SAFE:
            return SAFE[f"{module} {name}"]
        if module in ("torch", "torch.storage") and name in STORAGES:
            return STORAGES[name]
        value = getattr(torch, name, None) if module == "torch" else None
        if isinstance(value, torch.dtype):
            return value
        if module in ("numpy", "numpy.dtypes") and name.endswith("DType"):
            return _Function(lambda *_: np.dtype(name.removesuffix("DType").lower()))
        return type("Skipped", (Skipped,), {"name": f"{module}.{name}"})


class _ZipUnpickler(_Unpickler):
    def __init__(self, stream: Any, archive: zipfile.ZipFile, folder: str, path: Path) -> None:
        super().__init__(stream, encoding="utf-8")
        self._archive, self._folder = archive, folder
        self.path = path  # type: ignore[misc]
        self._storages: dict[str, Any] = {}

    def persistent_load(self, reference: Any, /) -> Any:
        what, dtype, key, _, length = reference
        if what != "storage" or not isinstance(key, str) or not isinstance(dtype, torch.dtype):
            raise ValueError("an object outside the pickle that is no storage")
        if key not in self._storages:
            content = bytearray(self._archive.read(f"{self._folder}data/{key}"))
            if len(content) != length * dtype.itemsize:
                raise EOFError("a storage is incomplete")
            tensor = torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)
            self._storages[key] = torch.storage.TypedStorage(  # type: ignore[no-untyped-call]
                wrap_storage=tensor.untyped_storage(), dtype=dtype, _internal=True
            )
        return self._storages[key]


def _code_error(name: str, path: Path | None) -> CheckpointError:
    return CheckpointError(
        f"this file asks for {name}, which is code and not weights; it was not run",
        where=path,
        fix="do not load it elsewhere either; save the tensors alone: torch.save({'state_dict': net.state_dict()}, FILE)",
    )


def _dtype(code: Any, *_: Any) -> Any:
    """A dtype of numbers; BUILD sets its byte order as numpy itself does."""
    dtype = np.dtype(str(code))
    return dtype if dtype.kind in NUMPY_KINDS else Skipped()


def _scalar(dtype: Any, content: Any = b"") -> Any:
    data = content.encode("latin1") if isinstance(content, str) else bytes(content)
    return np.frombuffer(data, dtype)[0]


def _plain_mapping(kind: type) -> Callable[..., Any]:
    """A mapping from pairs; the default factory of a defaultdict is left out."""
    return lambda *arguments: kind(*(each for each in arguments if isinstance(each, list | tuple | dict)))


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _bytes(text: str, encoding: str) -> bytes:
    return text.encode("latin1" if encoding in ("latin1", "latin-1") else "utf-8")


SAFE: dict[str, Any] = {
    "torch._utils _rebuild_tensor": _Function(torch._utils._rebuild_tensor),
    "torch._utils _rebuild_tensor_v2": _Function(torch._utils._rebuild_tensor_v2),
    "torch._utils _rebuild_parameter": _Function(_parameter),
    "torch._utils _rebuild_parameter_with_state": _Function(_parameter),
    "torch Size": _Function(torch.Size),
    "torch device": _Function(lambda *_: "device"),
    "collections OrderedDict": _Function(_plain_mapping(collections.OrderedDict)),
    "collections defaultdict": _Function(_plain_mapping(dict)),
    "collections Counter": _Function(_plain_mapping(dict)),
    "builtins set": _Function(lambda items=(): set(items)),
    "__builtin__ set": _Function(lambda items=(): set(items)),
    "_codecs encode": _Function(_bytes),
    "numpy dtype": _Function(_dtype),
    "numpy.core.multiarray scalar": _Function(_scalar),
    "numpy._core.multiarray scalar": _Function(_scalar),
}
