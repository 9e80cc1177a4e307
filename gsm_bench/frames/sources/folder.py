"""Frames as picture files in one folder per video."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.reels import FrameNames, Picture, StillsReel, decoded, reason


class FolderReel(StillsReel):
    """The frames of one video as files in one folder."""

    def __init__(self, folder: Path, names: FrameNames) -> None:
        self.folder = folder
        self.names = names
        self.where = str(folder)

    def count(self) -> int:
        return self._found

    @cached_property
    def _found(self) -> int:
        suffix = self.names.suffix.lower()
        try:
            return sum(entry.name.lower().endswith(suffix) for entry in os.scandir(self.folder))
        except OSError as error:
            raise FrameError(f"its frame folder cannot be read: {reason(error)}", where=self.folder) from error

    def numbers(self) -> list[int]:
        try:
            found = (self.names.number(entry.name) for entry in os.scandir(self.folder))
            return sorted(number for number in found if number is not None)
        except OSError as error:
            raise FrameError(f"its frame folder cannot be read: {reason(error)}", where=self.folder) from error

    def strangers(self) -> list[str]:
        return self.names.strangers(entry.name for entry in os.scandir(self.folder))

    def encoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | FrameError]]:
        for number in numbers:
            yield number, self._bytes(number)

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        for number, content in self.encoded(numbers):
            where = str(self.folder / self.names.name(number))
            yield number, content if isinstance(content, FrameError) else decoded(content, number, where)

    def _bytes(self, number: int) -> bytes | FrameError:
        path = self.folder / self.names.name(number)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return FrameError(f"frame {number} is missing", where=path)
        except OSError as error:
            return FrameError(f"frame {number} cannot be read: {reason(error)}", where=path)
