"""Stand-ins for packages that a bare machine lacks, so that `gpu.py` runs there: torch, torchvision, numpy, h5py, Pillow.

`install` puts them in place of missing packages only. They do what the scoring side needs, and no more: the shipped
manifests are not validated, and JPEG data is decoded by torchvision, which is as fast but does not report damage.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import struct
import sys
import types
import typing
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent


def install() -> list[str]:
    """Replace what is missing; returns its names."""
    missing = [name for name in STAND_INS if not _can_import(name)]
    for name in missing:
        for module, content in STAND_INS[name]().items():
            made = types.ModuleType(module)
            made.__dict__.update(content)
            sys.modules[module] = made
    for name in missing:
        if name == "msgspec":
            sys.modules["msgspec"].json = sys.modules["msgspec.json"]  # type: ignore[attr-defined]
    try:
        metadata.version("gsm-bench")
    except metadata.PackageNotFoundError:
        sys.meta_path.append(_CheckoutFinder())
    return missing


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


class _Checkout(metadata.Distribution):
    """This checkout as an installed distribution, for its version."""

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        return f"Metadata-Version: 2.1\nName: gsm-bench\nVersion: {version[1] if version else '0'}\n"

    def locate_file(self, path: Any) -> Any:
        return ROOT / path


class _CheckoutFinder(metadata.DistributionFinder):
    def find_spec(self, *_: Any) -> None:
        return None

    def find_distributions(self, context: Any = None) -> Iterator[metadata.Distribution]:
        if context is not None and (context.name or "").replace("_", "-") == "gsm-bench":
            yield _Checkout()


# msgspec: values of JSON and TOML as dataclasses, and back.


class MsgspecError(Exception):
    pass


class ValidationError(MsgspecError):
    pass


@dataclasses.dataclass(frozen=True)
class Meta:
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


def convert(value: Any, kind: Any) -> Any:
    """`value` as a `kind`; raises ValidationError if it is something else. Bounds are not checked."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin is typing.Annotated:
        return convert(value, parts[0])
    if origin is typing.Literal:
        return _checked(value, value in parts, kind)
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(value, parts)
    if dataclasses.is_dataclass(kind):
        return _as_dataclass(value, kind)
    container = origin or kind
    if container is tuple:
        items = list(_checked(value, isinstance(value, list | tuple), kind))
        each = [parts[0]] * len(items) if parts[1:] == (...,) else parts or [Any] * len(items)
        return tuple(convert(item, part) for item, part in zip(items, each, strict=True))
    if isinstance(container, type) and issubclass(container, Sequence) and container is not str:
        _checked(value, isinstance(value, list | tuple), kind)
        return [convert(item, parts[0] if parts else Any) for item in value]
    if isinstance(container, type) and issubclass(container, Mapping):
        _checked(value, isinstance(value, Mapping), kind)
        return {key: convert(item, parts[1] if parts else Any) for key, item in value.items()}
    return _as_plain(value, kind)


def _checked(value: Any, fits: bool, kind: Any) -> Any:
    if not fits:
        raise ValidationError(f"expected {kind}, found {value!r}")
    return value


def _first_that_fits(value: Any, kinds: Sequence[Any]) -> Any:
    for kind in kinds:
        try:
            return convert(value, kind)
        except ValidationError:
            continue
    raise ValidationError(f"expected one of {kinds}, found {value!r}")


def _as_dataclass(value: Any, kind: Any) -> Any:
    _checked(value, isinstance(value, Mapping), kind)
    hints = typing.get_type_hints(kind, include_extras=True)
    names = {each.name for each in dataclasses.fields(kind) if each.init}
    try:
        return kind(**{name: convert(item, hints[name]) for name, item in value.items() if name in names})
    except TypeError as error:
        raise ValidationError(str(error)) from error


def _as_plain(value: Any, kind: Any) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    return _checked(value, value is None if kind in (None, type(None)) else type(value) is kind, kind)


def _msgspec() -> dict[str, dict[str, Any]]:
    def encode(value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":"), default=dataclasses.asdict).encode()

    def decode(content: bytes, type: Any = Any) -> Any:
        try:
            return convert(json.loads(content), type)
        except ValueError as error:
            raise MsgspecError(str(error)) from error

    def indented(content: bytes, indent: int = 2) -> bytes:
        return json.dumps(json.loads(content), indent=indent).encode()

    names = {"convert": convert, "Meta": Meta, "MsgspecError": MsgspecError, "ValidationError": ValidationError}
    return {
        "msgspec": names | {"to_builtins": lambda value: json.loads(encode(value))},
        "msgspec.json": {"encode": encode, "decode": decode, "format": indented},
    }


# isal: the checksums of zlib.


def _isal() -> dict[str, dict[str, Any]]:
    return {"isal": {"isal_zlib": zlib}, "isal.isal_zlib": vars(zlib)}


# simplejpeg: JPEG data to RGB, by torchvision on the CPU.


class JpegHeader(NamedTuple):
    height: int
    width: int
    colours: str
    subsampling: str


FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Second bytes of the markers that start a frame."""


def jpeg_header(content: bytes) -> JpegHeader:
    """Size and colours; raises ValueError if there is no frame."""
    at = 2
    while at + 9 < len(content):
        marker = content[at + 1]
        (length,) = struct.unpack_from(">H", content, at + 2)
        if marker in FRAME_HEADERS:
            height, width, planes = struct.unpack_from(">HHB", content, at + 5)
            return JpegHeader(height, width, {1: "Gray", 3: "YCbCr"}.get(planes, "CMYK"), "")
        at += 2 + length
    raise ValueError("no frame in the JPEG data")


def _simplejpeg() -> dict[str, dict[str, Any]]:
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    def decode(content: bytes, colorspace: str = "RGB", *, strict: bool = True) -> np.ndarray:
        try:
            pixels = decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.RGB)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())

    return {"simplejpeg": {"decode_jpeg": decode, "decode_jpeg_header": jpeg_header}}


# safetensors: reading.


class SafetensorError(Exception):
    pass


class SafeOpen:
    """The tensors of a file, by name."""

    def __init__(self, path: str, framework: str = "pt") -> None:
        self._content = bytearray(Path(path).read_bytes())
        (size,) = struct.unpack_from("<Q", self._content)
        self._start = 8 + size
        self._head = json.loads(bytes(self._content[8 : self._start]))

    def __enter__(self) -> SafeOpen:
        return self

    def __exit__(self, *_: object) -> None:
        self._content = bytearray()

    def keys(self) -> list[str]:
        return sorted(self._head.keys() - {"__metadata__"})

    def metadata(self) -> dict[str, str] | None:
        return self._head.get("__metadata__")

    def get_tensor(self, key: str) -> Any:
        import torch

        kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
        described = self._head[key]
        start, stop = (self._start + at for at in described["data_offsets"])
        values = torch.frombuffer(bytearray(self._content[start:stop]), dtype=kinds[described["dtype"]])
        return values.reshape(described["shape"])


def _safetensors() -> dict[str, dict[str, Any]]:
    return {"safetensors": {"safe_open": SafeOpen, "SafetensorError": SafetensorError}}


STAND_INS: dict[str, Callable[[], dict[str, dict[str, Any]]]] = {
    "msgspec": _msgspec, "isal": _isal, "simplejpeg": _simplejpeg, "safetensors": _safetensors,
}  # fmt: skip
