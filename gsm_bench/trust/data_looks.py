"""Looks of pictures: small copies in which black, frozen, grey and equal pictures are recognised, and their hashes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
"""Side of the small copies, in pixels taken from the picture."""
HASHED_SIDE, HASHED_WAVES = 128, 8
"""Side of the copy that is hashed, and the lowest frequencies that are kept in each direction."""
ALIKE_BITS = 20
"""Looks of a picture that was encoded again or resized differ in fewer of their 64 bits; those of other pictures in about 32."""
FLAT = 12
"""A picture has one colour if nearly all values of each channel lie within so many levels."""
STILL = 10
"""Two pictures are equal if nearly all pixels differ by at most so many levels."""
NEARLY_ALL = 0.998
PART = 4
"""Least side of the parts whose means are compared, in pixels: in smaller ones the noise of encoding counts."""
COPY_MEAN, COPY_MOST = 4, 24
"""Levels by which parts of two encodings of a picture differ, on average and at most."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
Pixels = NDArray[np.uint8]
"""A decoded picture, uint8 RGB [H, W, 3]."""
Small = NDArray[np.uint8]


def small_copy(pixels: Pixels) -> Small:
    """Pixels on a grid of `SIDE` x `SIDE`: uint8 [SIDE, SIDE, 3]. The mean of all pixels of a cell would take too long."""
    return _taken(pixels, SIDE)


def small_copies(copies: Sequence[Small]) -> Small:
    """Small copies of n pictures by channel, uint8 [n, 3, SIDE * SIDE]: reductions along the last axis are fast."""
    stacked = np.stack(copies) if copies else np.empty((0, SIDE, SIDE, 3), np.uint8)
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)).reshape(-1, 3, SIDE * SIDE)


def _taken(pixels: Pixels, side: int) -> Pixels:
    """`side` x `side` pixels at equal distances; two calls of take cost a quarter of one index."""
    return pixels.take(_grid(pixels.shape[0], side), axis=0).take(_grid(pixels.shape[1], side), axis=1)


@lru_cache(maxsize=256)
def _grid(length: int, count: int) -> NDArray[np.int64]:
    """`count` places in a row of `length` pixels, in the middles of equal parts."""
    return ((np.arange(count) + 0.5) * length / count).astype(np.int64)


def distance(first: Small, second: Small) -> Small:
    """How far values of two arrays lie apart, uint8."""
    return np.maximum(first, second) - np.minimum(first, second)


def looks_of(pictures: Sequence[Pixels]) -> list[str]:
    """A perceptual hash of 64 bits of each picture: signs of the lowest frequencies of a small grey copy.

    The method is the DCT hash of pHash (C. Zauner 2010, "Implementation and benchmarking of perceptual image hash
    functions"), with signs against zero instead of the median; the constant term is left out, so brightness does not
    count.
    """
    if not pictures:
        return []
    waves = _waves()
    low = waves @ np.stack([_grey(pixels) for pixels in pictures]) @ waves.T  # [n, HASHED_WAVES, HASHED_WAVES]
    low[:, 0, 0] = 0
    return [bits.tobytes().hex() for bits in np.packbits(low.reshape(len(low), -1) > 0, axis=1)]


def _grey(pixels: Pixels) -> NDArray[np.float32]:
    """A grey copy, float32 [HASHED_SIDE, HASHED_SIDE]; of large pictures not all pixels are taken, which saves time."""
    return np.asarray(_taken(pixels, HASHED_SIDE).astype(np.float32) @ LUMA, np.float32)


def pixels_of(pixels: Pixels) -> str:
    """A checksum of the decoded bytes, 8 hexadecimal digits."""
    return f"{isal_zlib.crc32(np.ascontiguousarray(pixels)):08x}"


def bits_between(first: str, second: str) -> int:
    """Bits in which two looks differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def is_flat(pixels: Pixels) -> bool:
    """Whether a picture has one colour, apart from noise of its encoding."""
    values = pixels.reshape(-1, 3)
    middle = np.median(values, axis=0)
    return bool((np.abs(values - middle).max(axis=1) <= FLAT).mean() >= NEARLY_ALL)


def are_equal(first: Pixels, second: Pixels) -> bool:
    """Whether two pictures are the same, apart from noise of their encoding."""
    return first.shape == second.shape and bool((distance(first, second) <= STILL).mean() >= NEARLY_ALL)


def are_copies(first: Image.Image, second: Image.Image) -> bool:
    """Whether one picture is the other one, encoded again or resized."""
    parts = min(SIDE, max(1, min(*first.size, *second.size) // PART))
    apart = np.abs(_means(first, parts) - _means(second, parts))
    return bool(apart.max() <= COPY_MOST and apart.mean() <= COPY_MEAN)


def _means(picture: Image.Image, parts: int) -> NDArray[np.float32]:
    """Means of n x n parts, float32 [n, n, 3]."""
    return np.asarray(picture.resize((parts, parts), Image.Resampling.BOX), np.float32)


def colour_name(pixels: Pixels) -> str:
    """The colour of a flat picture: black, white, or its values."""
    red, green, blue = (int(value) for value in np.median(pixels.reshape(-1, 3), axis=0))
    if max(red, green, blue) <= 2 * FLAT:
        return "black"
    return "white" if min(red, green, blue) >= 255 - 2 * FLAT else f"one colour ({red}, {green}, {blue})"


@lru_cache(maxsize=1)
def _waves() -> NDArray[np.float32]:
    """The lowest waves of the discrete cosine transform, type 2: float32 [HASHED_WAVES, HASHED_SIDE]."""
    at = np.arange(HASHED_SIDE) + 0.5
    return np.cos(math.pi / HASHED_SIDE * np.arange(HASHED_WAVES)[:, None] * at).astype(np.float32)
