"""Read frames from a folder of GulpIO chunks, without GulpIO.

A chunk is two files: ``meta_K.gmeta``, JSON that gives each video the places of its frames, and ``data_K.gulp``, their
JPEG bytes one after the other. A place is ``[offset, padding, length]``: `length` bytes from `offset`, of which the last
`padding` are zeros. Source: the format description and ``fileio.py`` of TwentyBN's GulpIO 1.x and of GulpIO2.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.names import FrameNames, composed
from gsm_bench.frames.sources.pictures import reason
from gsm_bench.frames.sources.readers import ImageSequenceReader

META, DATA = ".gmeta", ".gulp"
COPY_AGAIN = "copy the folder again, or gulp the videos again"
_Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**60)]


@dataclass
class _GulpedVideo:
    frame_info: list[tuple[_Bytes, _Bytes, _Bytes]]


@dataclass(frozen=True)
class GulpPlaces:
    """Where the frames of one video are: int64 [F, 3] offset, padding and length, in the file `data`."""

    data: Path
    table: NDArray[np.int64]


class GulpStore:
    """The videos of a folder of chunks; their places are read on first use.

    Args:
        path: the folder.
    """

    form = "GulpIO chunks, data_K.gulp beside meta_K.gmeta, with the videos of this split"
    encoding = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read: dict[str, GulpPlaces] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def names(self) -> Sequence[str]:
        return list(self._videos)

    def holds_any(self, names: Iterable[str]) -> bool:
        return any(composed(name) in self._videos for name in names)

    def reader(self, name: str, names: FrameNames | None, first: int | None = None) -> GulpReader:
        """The reader of a video; its frames have numbers, and no names."""
        return GulpReader(self, name)

    def places(self, name: str) -> GulpPlaces:
        """Where the frames of a video are; raises FrameError if it is in no chunk."""
        places = self._videos.get(composed(name))
        if places is None:
            raise FrameError(f"no folder {name!r} in these GulpIO chunks", where=self.path)
        return places

    @property
    def _videos(self) -> dict[str, GulpPlaces]:
        with self._lock:
            if self._read is None:
                self._read = _read_chunks(self.path)
            return self._read


def _read_chunks(folder: Path) -> dict[str, GulpPlaces]:
    """The places of all videos by name.

    Raises:
        FrameError: a file is missing, damaged or cut short, or two chunks hold one video.
    """
    videos: dict[str, GulpPlaces] = {}
    for meta in sorted(folder.glob(f"*{META}")):
        for name, places in _read_chunk(meta):
            if name in videos:
                raise FrameError(
                    f"two chunks hold video {name!r}: {videos[name].data.name} and {places.data.name}", where=folder,
                    fix="give a folder with the chunks of one data set",
                )  # fmt: skip
            videos[name] = places
    return videos


def _read_chunk(meta: Path) -> Iterator[tuple[str, GulpPlaces]]:
    data = meta.with_name(meta.name.replace("meta", "data", 1)).with_suffix(DATA)
    try:
        content = msgspec.json.decode(meta.read_bytes(), type=dict[str, _GulpedVideo])
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise FrameError(f"this GulpIO file cannot be read: {reason(error)}", where=meta, fix=COPY_AGAIN) from error
    try:
        size = data.stat().st_size
    except OSError as error:
        what = f"the frames of {meta.name} cannot be read: {reason(error)}"
        raise FrameError(what, where=data, fix=COPY_AGAIN) from error
    for name, video in content.items():
        table = np.array(video.frame_info, np.int64).reshape(-1, 3)
        end = int((table[:, 0] + table[:, 2]).max(initial=0))
        if end > size:
            what = f"{data.name} is cut short: it has {size:,} bytes, but video {name!r} ends at {end:,}"
            raise FrameError(what, where=data, fix=COPY_AGAIN)
        yield composed(name), GulpPlaces(data, table)


class GulpReader(ImageSequenceReader):
    """The frames of one video in GulpIO chunks."""

    def __init__(self, store: GulpStore, name: str) -> None:
        self.store = store
        self.name = name
        self.where = f"{store.path}, {name}"

    def count(self) -> int:
        return len(self._places.table)

    def numbers(self) -> list[int]:
        return list(range(1, self.count() + 1))

    def gap(self) -> str:
        return ""

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        places = self._places
        try:
            file = places.data.open("rb", buffering=0)
        except OSError as error:
            raise FrameError(f"its frames cannot be read: {reason(error)}", where=places.data) from error
        with file:
            for number in numbers:
                yield number, self._content(file.fileno(), number)

    def frame_sizes(self, numbers: Sequence[int]) -> list[int]:
        sizes = self._places.table[:, 2] - self._places.table[:, 1]
        return [max(0, int(sizes[number - 1])) if 1 <= number <= len(sizes) else 0 for number in numbers]

    def _content(self, file: int, number: int) -> bytes | FrameError:
        table = self._places.table
        if not 1 <= number <= len(table):
            return FrameError(f"frame {number} is missing", where=self.where)
        offset, padding, length = table[number - 1].tolist()
        if padding > length:
            what = f"frame {number} is damaged: {padding} of its {length} bytes are padding"
            return FrameError(what, where=self.where)
        try:
            content = os.pread(file, length - padding, offset)
        except OSError as error:
            return FrameError(f"frame {number} cannot be read: {reason(error)}", where=self.where)
        if len(content) < length - padding:
            return FrameError(f"frame {number} is damaged: its file is cut short", where=self.where)
        return content or FrameError(f"frame {number} has no bytes", where=self.where)

    @cached_property
    def _places(self) -> GulpPlaces:
        return self.store.places(self.name)
