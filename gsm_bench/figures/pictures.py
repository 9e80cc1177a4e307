"""Pictures in figures: at the size at which they are printed, so that files stay small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PICTURE_DPI = 150
"""Pixels per inch of pictures in a figure."""

Picture = NDArray[np.uint8]


def shrunk(picture: Picture, height: int) -> Picture:
    """A picture uint8 [h, w, 3], at most about `height` pixels high, by means over blocks of pixels."""
    factor = max(1, len(picture) // max(1, height))
    if factor == 1:
        return picture
    rows, columns = (size // factor * factor for size in picture.shape[:2])
    blocks = picture[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor, 3)
    return np.asarray(blocks.mean(axis=(1, 3)).round(), np.uint8)


def enlarged(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Values [h, w] at the centres of equal cells, interpolated linearly to [height, width] pixels."""
    rows, columns = (
        (np.arange(to) + 0.5) * have / to - 0.5 for to, have in zip((height, width), values.shape, strict=True)
    )
    across = np.stack([np.interp(columns, np.arange(values.shape[1]), row) for row in values])
    return np.stack([np.interp(rows, np.arange(values.shape[0]), column) for column in across.T], axis=1)
