"""Frames as JPEG files in one folder per clip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from gsm_bench.errors import FrameError
from gsm_bench.splits import Clip


class FrameSource(Protocol):
    """Decoded frames of clips, by number from 1."""

    def count(self, clip: Clip) -> int:
        """Number of frames of `clip` as its list gives it, else as found; raises FrameError when some are missing."""

    def read(self, clip: Clip, number: int) -> Image.Image:
        """Frame `number` of `clip` as an RGB picture; raises FrameError when it is missing or damaged."""


class FolderSource:
    """JPEG folders: `root` joined with a pattern such as ``{id}/{frame:05d}.jpg``.

    For segments of longer videos the pattern names ``{participant}`` and ``{video}``; a folder is listed once.
    """

    def __init__(self, root: Path, pattern: str) -> None:
        self.root = root
        self._counted: dict[Path, int] = {}
        self.folder_pattern, _, self.file_pattern = pattern.rpartition("/")
        self._suffix = Path(self.file_pattern).suffix.lower()

    def count(self, clip: Clip) -> int:
        """Frames of `clip`: the list's number, which the folder must hold at least."""
        folder = self._folder(clip)
        found, needed = self._files_in(folder, clip), clip.start - 1 + clip.num_frames
        if found == 0 or found < needed:
            listed = f", {needed} are expected" if clip.num_frames and not clip.video else ""
            if clip.video:
                listed = f" in its video, its segment ends at frame {needed}"
            raise FrameError(f"clip {clip.id!r} has {found} frames{listed}", where=folder)
        return clip.num_frames or found

    def _files_in(self, folder: Path, clip: Clip) -> int:
        if clip.video and folder in self._counted:
            return self._counted[folder]
        try:
            found = sum(entry.name.lower().endswith(self._suffix) for entry in os.scandir(folder))
        except OSError as error:
            raise FrameError(
                f"the frame folder of clip {clip.id!r} cannot be read: {error.strerror}", where=folder
            ) from error
        if clip.video:
            self._counted[folder] = found
        return found

    def read(self, clip: Clip, number: int) -> Image.Image:
        """Decode one frame."""
        path = self._folder(clip) / self.file_pattern.format(id=clip.id, frame=clip.start + number - 1)
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except FileNotFoundError as error:
            raise FrameError(f"frame {number} of clip {clip.id!r} is missing", where=path) from error
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise FrameError(
                f"frame {number} of clip {clip.id!r} cannot be decoded: {_reason(error)}", where=path
            ) from error

    def _folder(self, clip: Clip) -> Path:
        return self.root / self.folder_pattern.format(id=clip.id, video=clip.container, participant=clip.participant)


def _reason(error: BaseException) -> str:
    return "not a picture" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
