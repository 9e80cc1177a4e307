"""Frames as picture files in one folder per video."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.names import FrameNames, numbered
from gsm_bench.frames.sources.pictures import reason
from gsm_bench.frames.sources.readers import ImageSequenceReader, gap_in


class FolderReader(ImageSequenceReader):
    """The frames of one video as files in one folder.

    Args:
        folder: the folder.
        names: their file names; None infers them.
        first: number of the first frame, if `names` is None.
    """

    def __init__(self, folder: Path, names: FrameNames | None = None, first: int | None = None) -> None:
        self.folder = folder
        self.where = str(folder)
        self._given = names
        self._first = first

    @cached_property
    def names(self) -> FrameNames:
        return self._given or FrameNames.inferred(self._entries(), self.where, self._first) or FrameNames("", 1, ".jpg")

    def count(self) -> int:
        return self._listed[0]

    def numbers(self) -> list[int]:
        return sorted(self._files())

    def gap(self) -> str:
        return self._listed[2]

    @cached_property
    def _listed(self) -> tuple[int, dict[int, str], str]:
        """Number of frames, file names with an unexpected number of zeros by frame number, and the gap."""
        files = self._files()
        others = {number: name for number, name in files.items() if name != self.names.name(number)}
        return len(files), others, gap_in(sorted(files))

    def _files(self) -> dict[int, str]:
        """File names by frame number."""
        entries = self._entries()
        return {number: entries[row] for number, row in numbered(entries, self.names, self.where).items()}

    def _entries(self) -> list[str]:
        try:
            return [entry.name for entry in os.scandir(self.folder)]
        except OSError as error:
            raise FrameError(f"its frame folder cannot be read: {reason(error)}", where=self.folder) from error

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        for number in numbers:
            yield number, self._bytes(number)

    def place(self, number: int) -> str:
        return f"{self.where}/{self._name(number)}"

    def frame_sizes(self, numbers: Sequence[int]) -> list[int]:
        return [self._size(number) for number in numbers]

    def _size(self, number: int) -> int:
        try:
            return os.stat(self.place(number)).st_size  # noqa: PTH116  a Path takes longer than the call
        except OSError:
            return 0

    def _name(self, number: int) -> str:
        return self._listed[1].get(number) or self.names.name(number)

    def _bytes(self, number: int) -> bytes | FrameError:
        path = self.place(number)
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a Path, and a buffer, take longer than reading
                return file.read()
        except FileNotFoundError:
            return FrameError(f"frame {number} is missing", where=path)
        except OSError as error:
            return FrameError(f"frame {number} cannot be read: {reason(error)}", where=path)
