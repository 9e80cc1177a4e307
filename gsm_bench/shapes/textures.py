"""Textures: grey fields over the picture, one family per group, coloured afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""float32 [H, W]."""

Colour = NDArray[np.float32]
"""float32 [3], RGB, 0..255."""

HEIGHT, WIDTH = 72, 96
"""Pixels of every frame."""

ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)  # [H, W] each


def texture(group: str, rng: np.random.Generator) -> Field:
    """A field of values in -1..1 from the texture family `group`, with its scale, angle and phase drawn from `rng`."""
    angle, scale = rng.uniform(0, np.pi), rng.uniform(5, 11)
    phase = rng.uniform(0, 2 * np.pi, 2)
    u = (COLUMNS * np.cos(angle) + ROWS * np.sin(angle)) * (2 * np.pi / scale) + phase[0]
    v = (ROWS * np.cos(angle) - COLUMNS * np.sin(angle)) * (2 * np.pi / scale) + phase[1]
    return np.asarray(np.clip(FAMILIES[group](u, v, rng), -1, 1), dtype=np.float32)


def paint(field: Field, base: Colour, contrast: float) -> NDArray[np.float32]:
    """Colour a field: float32 [H, W, 3] around `base`, `contrast` grey levels up and down."""
    return np.asarray(np.clip(base + contrast * field[:, :, None], 0, 255), dtype=np.float32)


def muted(rng: np.random.Generator) -> Colour:
    """A dark greyish colour for backgrounds."""
    return (rng.uniform(50, 85) + rng.uniform(-22, 22, 3)).astype(np.float32)


def vivid(rng: np.random.Generator) -> Colour:
    """A bright saturated colour for moving objects."""
    high, low, middle = rng.uniform(215, 255), rng.uniform(0, 60), rng.uniform(60, 230)
    return rng.permutation(np.array([high, low, middle])).astype(np.float32)


def _smooth(rng: np.random.Generator, cells: int) -> Field:
    """Value noise: a coarse random grid, bilinearly enlarged."""
    grid = rng.uniform(-1, 1, (cells + 2, cells + 2))
    y, x = ROWS * (cells / HEIGHT), COLUMNS * (cells / WIDTH)
    row, column = y.astype(int), x.astype(int)
    fy, fx = y - row, x - column
    top = grid[row, column] * (1 - fx) + grid[row, column + 1] * fx
    bottom = grid[row + 1, column] * (1 - fx) + grid[row + 1, column + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, dtype=np.float32)


def _bricks(u: Field, v: Field, _: np.random.Generator) -> Field:
    shifted = u / 2 + np.pi * (np.floor(v / (2 * np.pi)) % 2)
    mortar = np.minimum(np.abs(np.sin(v / 2)), np.abs(np.sin(shifted / 2)))
    return np.asarray(np.where(mortar < 0.25, -1, 0.5), dtype=np.float32)


FAMILIES: dict[str, Callable[[Field, Field, np.random.Generator], NDArray[np.floating]]] = {
    "stripes": lambda u, v, rng: np.sin(u),
    "checks": lambda u, v, rng: np.sign(np.sin(u) * np.sin(v)),
    "dots": lambda u, v, rng: 2.5 * (np.sin(u) * np.sin(v) - 0.4),
    "waves": lambda u, v, rng: np.sin(u + 1.5 * np.sin(v / 2)),
    "clouds": lambda u, v, rng: 1.4 * _smooth(rng, 5),
    "plaid": lambda u, v, rng: 0.5 * (np.sign(np.sin(u)) + np.sin(v)),
    "bricks": _bricks,
    "grain": lambda u, v, rng: _smooth(rng, 30),
    "zigzag": lambda u, v, rng: np.sin(u + 2 * np.abs((v / np.pi) % 2 - 1)),
    "rings": lambda u, v, rng: np.sin(np.hypot(u, v)),
    "marble": lambda u, v, rng: np.sin(u / 2 + 4 * _smooth(rng, 6)),
    "lattice": lambda u, v, rng: 2 * np.maximum(np.abs(np.sin(u / 2)), np.abs(np.sin(v / 2))) - 1,
}

SEEN = ("stripes", "checks", "dots", "waves", "clouds", "plaid", "bricks", "grain")
"""Groups of the training videos and of half of the validation videos."""

UNSEEN = ("zigzag", "rings", "marble", "lattice")
"""Groups of the other half of the validation videos, absent from training."""
