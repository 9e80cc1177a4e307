"""The numbers inside a report: a JSON index and typed arrays, compressed, as text that HTML can hold."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {"u1": "u1", "u2": "<u2", "u4": "<u4", "i1": "i1", "i2": "<i2", "i4": "<i4", "f4": "<f4"}
"""Types of arrays by their name in the index. Of those of two bytes, all low bytes come before all high ones: that is a fifth
smaller when compressed."""
ALIGNED = 4
"""Arrays begin at multiples of this, as typed arrays demand."""
LEVEL = 9


@dataclass
class Payload:
    """Blobs of bytes, and an index that says where each array of each split lies in them."""

    facts: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, SplitPayload] = field(default_factory=dict)
    blobs: dict[str, bytearray] = field(default_factory=dict)

    def split(self, key: str) -> SplitPayload:
        """The part of a split, ``dataset/split``; made when it is first asked for."""
        return self.splits.setdefault(key, SplitPayload(self, f"s{len(self.splits)}"))

    def index(self) -> dict[str, Any]:
        """Facts of the page and of each split, and the place of each array."""
        splits = [{"key": key, **part.facts, "arrays": part.places} for key, part in self.splits.items()]
        return {**self.facts, "splits": splits}

    def encoded(self) -> dict[str, str]:
        """Each blob by name: zlib's format, then base64."""
        return {name: base64.b64encode(zlib.compress(blob, LEVEL)).decode() for name, blob in self.blobs.items()}


@dataclass
class SplitPayload:
    """What a page holds of one split; see `Payload.split`."""

    payload: Payload
    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def fact(self, name: str, value: Any) -> None:
        """A small value that scripts read without waiting: `split.fact(name)`."""
        self.facts[name] = value

    def add(self, name: str, values: NDArray[Any], blob: str = "core") -> None:
        """An array of one of `TYPES`, read with ``await split.array(name)``."""
        array = np.asarray(values)
        kind = array.dtype.str[1:]
        if kind not in TYPES:
            raise TypeError(f"{name}: a report holds no arrays of {array.dtype}")
        content = np.ascontiguousarray(array, TYPES[kind]).tobytes()
        if kind.endswith("2"):
            content = content[0::2] + content[1::2]
        at = self._append(blob, content)
        self.places[name] = {"blob": f"{self.name}-{blob}", "at": at, "type": kind, "shape": list(array.shape)}

    def add_json(self, name: str, value: Any, blob: str = "core") -> None:
        """Texts or other JSON, read with ``await split.array(name)`` too."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        content = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
        at = self._append(blob, content)
        self.places[name] = {"blob": f"{self.name}-{blob}", "at": at, "type": "json", "bytes": len(content)}

    def _append(self, blob: str, content: bytes) -> int:
        """Append to a blob; returns where the content begins."""
        target = self.payload.blobs.setdefault(f"{self.name}-{blob}", bytearray())
        target.extend(bytes(-len(target) % ALIGNED))
        start = len(target)
        target.extend(content)
        return start


def smallest_unsigned(highest: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned type that holds 0..highest and one more value for unknown."""
    return next(kind for kind in (np.uint8, np.uint16, np.uint32) if highest < np.iinfo(kind).max)


def safe_json(value: Any) -> str:
    """JSON that a script element can hold: no ``<``, ``>``, ``&`` and no line separators."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
