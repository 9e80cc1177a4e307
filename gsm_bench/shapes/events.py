"""Plan what happens in a video: motion, shape, textures, length and pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gsm_bench.shapes.classes import CLASS_IDS, PAIRS, SHAPES, MotionPair
from gsm_bench.shapes.textures import SEEN, UNSEEN

Split = Literal["train", "val"]
Pace = Literal["steady", "stretch", "burst"]

FRAMES_LEAST, FRAMES_MOST = 12, 72

LENGTHS = tuple(n for n in range(FRAMES_LEAST, FRAMES_MOST + 1) if n % 8)
"""Possible numbers of frames of a video.

Multiples of 8 are left out: for these, some test positions (x + 1/2) n / T fall between two frames and are rounded
down, so a video and its reversal give different bags of frames.
"""

PACES: dict[Pace, float] = {"steady": 0.5, "stretch": 0.25, "burst": 0.25}
"""Shares of the paces: motion through the whole video, in a part of it, or in a moment at its start or end."""

BURST_FRAMES = 2.5
"""Least length of a burst in frames, so all frames together always show the direction."""

FIRST_ID = {"train": 100_001, "val": 200_001}


@dataclass(frozen=True)
class Event:
    """One motion, drawn once and written as two videos: its frames in order, and in reverse order.

    Attributes:
        index: number of the event in its split, from 0.
        split: its split.
        seed: seed of the split; with `index` and `split` it determines every pixel.
        pair: the motion and its reversal.
        shape: the noun.
        group: texture family of background and shape.
        frames: n, number of frames of either video.
        pace: how the motion is distributed over time.
    """

    index: int
    split: Split
    seed: int
    pair: MotionPair
    shape: str
    group: str
    frames: int
    pace: Pace


@dataclass(frozen=True)
class DrawnVideo:
    """One video of a split: an event in one of its two directions."""

    id: str
    event: Event
    backward: bool

    @property
    def verb(self) -> str:
        return self.event.pair.backward if self.backward else self.event.pair.forward

    @property
    def label(self) -> int:
        return CLASS_IDS[self.verb]


def event_rng(split: Split, seed: int, index: int, stream: int) -> np.random.Generator:
    """A generator per event, so the result does not depend on order or number of processes."""
    return np.random.default_rng([seed, FIRST_ID[split], index, stream])


def plan_event(split: Split, seed: int, index: int) -> Event:
    """Everything about event `index` except its pixels; events cycle through the seven motions."""
    rng = event_rng(split, seed, index, 0)
    unseen = split == "val" and (index // len(PAIRS)) % 2 == 1
    return Event(
        index=index,
        split=split,
        seed=seed,
        pair=PAIRS[index % len(PAIRS)],
        shape=SHAPES[rng.integers(len(SHAPES))],
        group=str(rng.choice(UNSEEN if unseen else SEEN)),
        frames=int(rng.choice(LENGTHS)),
        pace=tuple(PACES)[rng.choice(len(PACES), p=list(PACES.values()))],
    )


def plan_videos(split: Split, seed: int, videos: int) -> tuple[DrawnVideo, ...]:
    """The videos of a split in list order; videos 2k and 2k + 1 are event k in its two directions."""
    events = [plan_event(split, seed, index) for index in range((videos + 1) // 2)]
    return tuple(DrawnVideo(str(FIRST_ID[split] + k), events[k // 2], bool(k % 2)) for k in range(videos))


def progress_curve(event: Event) -> NDArray[np.float64]:
    """Progress of the motion in each frame: float64 [n], rising from 0 to 1, constant outside its window."""
    rng = event_rng(event.split, event.seed, event.index, 1)
    begin, end = _window(event, rng)
    knots = np.linspace(begin, end, 4)
    speeds = rng.uniform(0.4, 1.6, 3)
    heights = np.concatenate(([0.0], np.cumsum(speeds) / speeds.sum()))
    return np.interp((np.arange(event.frames) + 0.5) / event.frames, knots, heights)


def _window(event: Event, rng: np.random.Generator) -> tuple[float, float]:
    """Begin and end of the motion as fractions of the video."""
    if event.pace == "steady":
        return float(rng.uniform(0, 0.1)), float(rng.uniform(0.9, 1))
    if event.pace == "stretch":
        length = rng.uniform(0.3, 0.6)
        begin = rng.uniform(0, 1 - length)
        return float(begin), float(begin + length)
    length = max(rng.uniform(0.03, 0.11), BURST_FRAMES / event.frames)
    return (0.0, float(length)) if rng.random() < 0.5 else (float(1 - length), 1.0)
