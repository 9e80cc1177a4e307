"""Draw one textured shape over a textured background, with the objects that the motion needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.shapes.events import Event, event_rng, progress_curve
from gsm_bench.shapes.textures import COLUMNS, HEIGHT, ROWS, WIDTH, Field, muted, paint, texture, vivid

Picture = NDArray[np.float32]
"""float32 [H, W, 3], RGB, 0..255."""

Frames = NDArray[np.uint8]
"""uint8 [n, H, W, 3], RGB."""

Distance = NDArray[np.floating]
"""[H, W], distance to the nearest edge in pixels or radii, negative inside."""

MARK = np.array((255, 255, 255), np.float32)
EDGE = np.array((12, 12, 12), np.float32)


@dataclass(frozen=True)
class Pose:
    """Pose of the shape: centre and radius in pixels, angle in radians clockwise, opacity 0..1."""

    x: float
    y: float
    radius: float
    angle: float
    opacity: float = 1.0


@dataclass(frozen=True)
class Canvas:
    """The pictures that a video is composed of, and the place of its action.

    Attributes:
        background: the background.
        fill: the shape's texture and colour; it stays still while the shape moves.
        cover: texture and colour of the object that hides the shape.
        shape: name of the shape.
        x: horizontal centre of the action, in pixels.
        y: vertical centre of the action, in pixels.
        radius: radius of the shape in pixels, unless the motion changes it.
        angle: angle of the shape in radians, unless the motion changes it.
        sweep: extent of the motion, in -1..1.
    """

    background: Picture
    fill: Picture
    cover: Picture
    shape: str
    x: float
    y: float
    radius: float
    angle: float
    sweep: float


def draw_event(event: Event) -> Frames:
    """All frames of an event in forward order."""
    stage = _stage(event)
    draw = MOTIONS[event.pair.motion]
    return np.stack([np.rint(draw(stage, float(p))).astype(np.uint8) for p in progress_curve(event)])


def _stage(event: Event) -> Canvas:
    rng = event_rng(event.split, event.seed, event.index, 2)
    return Canvas(
        background=paint(texture(event.group, rng), muted(rng), rng.uniform(15, 45)),
        fill=paint(texture(event.group, rng), vivid(rng), 30),
        cover=paint(texture(event.group, rng), vivid(rng), 45),
        shape=event.shape,
        x=WIDTH / 2 + rng.uniform(-4, 4),
        y=HEIGHT / 2 + rng.uniform(-4, 4),
        radius=rng.uniform(11, 14),
        angle=rng.uniform(0, 2 * np.pi),
        sweep=rng.uniform(-1, 1),
    )


def _across(stage: Canvas, p: float) -> Picture:
    reach = 22 + 3 * stage.sweep
    return _with_shape(stage, stage.background, Pose(stage.x + reach * (2 * p - 1), stage.y, stage.radius, stage.angle))


def _along(stage: Canvas, p: float) -> Picture:
    reach = 22 + 3 * stage.sweep
    return _with_shape(stage, stage.background, Pose(stage.x, stage.y + reach * (2 * p - 1), stage.radius, stage.angle))


def _depth(stage: Canvas, p: float) -> Picture:
    far, near = 4.0, 25 + 3 * stage.sweep
    return _with_shape(stage, stage.background, Pose(stage.x, stage.y, far * (near / far) ** p, stage.angle))


def _fade(stage: Canvas, p: float) -> Picture:
    return _with_shape(stage, stage.background, Pose(stage.x, stage.y, stage.radius + 2, stage.angle, opacity=p))


def _turn(stage: Canvas, p: float) -> Picture:
    radius, turns = stage.radius + 5, 1.6 + 0.6 * stage.sweep
    distance = np.hypot(COLUMNS - stage.x, ROWS - stage.y)
    dial = _blend(stage.background, MARK, _inside(np.abs(distance - radius - 5) - 1))
    return _with_shape(stage, dial, Pose(stage.x, stage.y, radius, stage.angle + 2 * np.pi * turns * p))


def _cloth(stage: Canvas, p: float) -> Picture:
    picture = _with_shape(stage, stage.background, Pose(stage.x, stage.y, stage.radius, stage.angle))
    half = 16.0
    away = (30 + 4 * abs(stage.sweep)) * (1 - p) * math.copysign(1, stage.sweep)
    side, flat = (away, 0.0) if abs(stage.sweep) < 0.5 else (0.0, away)
    return _panel(picture, stage.cover, (stage.x + side, stage.y + flat), (half, half))


def _box(stage: Canvas, p: float) -> Picture:
    front = (stage.x, stage.y + 14)
    opening = _panel(stage.background, np.broadcast_to(EDGE, stage.background.shape), (stage.x, stage.y), (16, 4))
    pose = Pose(stage.x, stage.y - 22 + 36 * p, stage.radius, stage.angle)
    return _panel(_with_shape(stage, opening, pose), stage.cover, front, (18, 14))


MOTIONS: dict[str, Callable[[Canvas, float], Picture]] = {
    "across": _across,
    "along": _along,
    "depth": _depth,
    "fade": _fade,
    "cloth": _cloth,
    "turn": _turn,
    "box": _box,
}


def _with_shape(stage: Canvas, picture: Picture, pose: Pose) -> Picture:
    """Draw the shape with an edge, and a white mark that shows its direction, onto a copy of `picture`."""
    if pose.opacity <= 0:
        return picture
    window = _window(pose)
    dx, dy = COLUMNS[window] - pose.x, ROWS[window] - pose.y
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    u, v = (dx * cos + dy * sin) / pose.radius, (dy * cos - dx * sin) / pose.radius
    distance = SIGNED_DISTANCES[stage.shape](u, v) * pose.radius
    mark = np.maximum(np.abs(u) - 0.24, np.abs(v + 0.6) - 0.5) * pose.radius
    body = _blend(stage.fill[window], MARK, _inside(mark))
    body = _blend(EDGE, body, _inside(distance + 1.5))
    result = picture.copy()
    result[window] = _blend(picture[window], body, _inside(distance) * np.float32(pose.opacity))
    return result


def _window(pose: Pose) -> tuple[slice, slice]:
    """The part of the picture that a shape can cover."""
    reach = pose.radius * 1.1 + 2
    rows = slice(max(int(pose.y - reach), 0), max(int(pose.y + reach) + 2, 0))
    return rows, slice(max(int(pose.x - reach), 0), max(int(pose.x + reach) + 2, 0))


def _panel(picture: Picture, cover: Picture, centre: tuple[float, float], half: tuple[float, float]) -> Picture:
    """Draw a rectangle of `cover` with an edge; centre and half sides are (x, y) in pixels."""
    distance = np.maximum(np.abs(COLUMNS - centre[0]) - half[0], np.abs(ROWS - centre[1]) - half[1])
    return _blend(picture, _blend(EDGE, cover, _inside(distance + 1.5)), _inside(distance))


def _inside(distance: Distance) -> Field:
    """Coverage 0..1 of a pixel from its signed distance to an edge, in pixels."""
    return np.asarray(np.clip(0.5 - distance, 0, 1), dtype=np.float32)


def _blend(below: NDArray[np.float32], above: NDArray[np.float32], coverage: Field) -> Picture:
    return np.asarray(below + (above - below) * coverage[:, :, None], dtype=np.float32)


def _triangle(u: Field, v: Field) -> Distance:
    return np.asarray(np.maximum(v, 0.866 * np.abs(u) - 0.5 * v) - 0.5)


def _cross(u: Field, v: Field) -> Distance:
    upright = np.maximum(np.abs(u) - 0.36, np.abs(v) - 1)
    lying = np.maximum(np.abs(u) - 1, np.abs(v) - 0.36)
    return np.asarray(np.minimum(upright, lying))


def _star(u: Field, v: Field) -> Distance:
    return np.asarray(np.hypot(u, v) - 0.75 - 0.25 * np.cos(5 * np.arctan2(u, -v)))


SIGNED_DISTANCES: dict[str, Callable[[Field, Field], Distance]] = {
    "cross": _cross,
    "disc": lambda u, v: np.hypot(u, v) - 1,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.72) - 0.28,
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) - 0.82,
    "star": _star,
    "triangle": _triangle,
}
"""Signed distance to the edge of each shape of radius 1, negative inside; the mark points to (0, -1)."""
