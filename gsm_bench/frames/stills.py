"""Some frames of one video as small pictures, for figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources import FrameSource
from gsm_bench.splits import Video


@dataclass(frozen=True)
class Stills:
    """Frames of a video.

    Attributes:
        num_frames: of the video.
        pictures: uint8 RGB [h, w, 3] by frame number from 1.
    """

    num_frames: int
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)


def stills(source: FrameSource, video: Video, numbers: Iterable[int], height: int) -> Stills:
    """Frames of a video by number, at most `height` pixels high.

    Raises:
        FrameError: a frame is missing or damaged.
    """
    small = Stills(source.count(video))
    for number, picture in source.pictures(video, sorted(set(numbers))):
        if isinstance(picture, FrameError):
            raise picture
        small.pictures[number] = np.asarray(_shrunk(picture, height))
    return small


def _shrunk(picture: Image.Image, height: int) -> Image.Image:
    if picture.height <= height:
        return picture
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)
