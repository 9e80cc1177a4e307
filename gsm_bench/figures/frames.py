"""The frames of one video that each model of an ensemble is shown, on one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gsm_bench.ensembles.shown_frames import ShownClip
from gsm_bench.figures.pictures import Picture
from gsm_bench.figures.style import PAGE_IN, SMALL_PT, FigureStyle, Plot, abbreviated, fit_height, shortened, styled
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL_IN = 0.75
"""Room for the names of models, left of the axis."""
PICTURE_IN = 0.34
"""Greatest height of a picture."""
PICTURES_DPI = 100
"""Pixels per inch: 80 pictures of an ensemble shall not make a large file."""
COLUMNS = (
    Column("model", "Model"),
    Column("clip", "Clip", "count"),
    Column("offset", "Offset (ticks)", "number"),
    Column("position", "Position", "count"),
    Column("frame", "Frame", "count"),
)


@dataclass(frozen=True)
class ShownVideo:
    """One video.

    Attributes:
        name: its id; label: its class, empty if unknown.
        num_frames: how many it has.
        pictures: uint8 RGB [h, w, 3] by frame number.
    """

    name: str
    label: str
    num_frames: int
    pictures: Mapping[int, Picture]


def picture_height(style: FigureStyle, most_frames: int, aspect: float) -> float:
    """Height of the pictures in inches: as many as the longest clip has stand side by side.

    Args:
        most_frames: frames of the longest clip.
        aspect: width of a picture by its height.
    """
    return min(PICTURE_IN, ((style.width_in or PAGE_IN) - LABEL_IN) / most_frames * 0.94 / aspect)


def picture_pixels(style: FigureStyle, most_frames: int) -> int:
    """Height in pixels that pictures of the usual shape, 4 by 3, are printed with."""
    return round(picture_height(style, most_frames, 4 / 3) * PICTURES_DPI)


@styled
def draw_frames(style: FigureStyle, video: ShownVideo, clips: Sequence[ShownClip]) -> Plot:
    """A row of pictures per clip, each near its time, with a mark at the frame itself."""
    first = next(iter(video.pictures.values()))
    aspect = first.shape[1] / first.shape[0]
    height = picture_height(style, max(len(clip.numbers) for clip in clips), aspect)
    width = style.width_in or PAGE_IN
    figure = style.figure(PAGE_IN, (height + 0.16) * len(clips) + 0.5)
    axes = figure.subplots()
    scale = video.num_frames / (width - LABEL_IN)  # frames per inch
    pitch = 1 + 0.16 / height
    for row, clip in enumerate(clips):
        _draw_clip(style, axes, video, clip, -row * pitch, height * aspect * scale)
    axes.set_yticks([-row * pitch for row in range(len(clips))], [_name(clip, int(LABEL_IN * 17)) for clip in clips])
    axes.set(xlim=(0, video.num_frames), ylim=(-(len(clips) - 1) * pitch - 0.8, 0.6), aspect=height * scale)
    _number_frames(axes, video.num_frames)
    label = f", {abbreviated(video.label, 40)}" if video.label else ""
    axes.set_xlabel(f"frame of video {shortened(video.name, 30)}{label}")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    fit_height(figure)
    return Plot(figure, _numbers(clips), style)


def _draw_clip(style: FigureStyle, axes: Axes, video: ShownVideo, clip: ShownClip, centre: float, wide: float) -> None:
    """The pictures of a clip, each as near to its time as its neighbours allow; `wide` in frames."""
    numbers = np.sort(clip.numbers)
    for number, x in zip(
        numbers.tolist(), spread_out([number - 0.5 for number in numbers.tolist()], wide, video.num_frames), strict=True
    ):
        axes.imshow(
            video.pictures[number], extent=(x - wide / 2, x + wide / 2, centre - 0.5, centre + 0.5), aspect="auto",
            interpolation="none",
        )  # fmt: skip
    axes.plot(
        numbers - 0.5, np.full(len(numbers), centre - 0.6), linestyle="", marker="|", markersize=3, markeredgewidth=0.7,
        color=style.palette.ink, clip_on=False,
    )  # fmt: skip


def spread_out(times: Sequence[float], wide: float, end: float) -> list[float]:
    """Places of pictures near ascending times, `wide` and a little apart, all of them between 0 and `end`."""
    step = min(wide * 1.04, end / len(times))
    places: list[float] = []
    for at, time in enumerate(times):
        earliest = places[-1] + step if places else wide / 2
        latest = end - wide / 2 - (len(times) - 1 - at) * step
        places.append(min(max(time, earliest), max(latest, earliest)))
    return places


def _name(clip: ShownClip, characters: int) -> str:
    """The model, and the number of the clip on a line of its own."""
    lines = [shortened(clip.label, characters), f"{len(clip.numbers)} frames"]
    if clip.clips > 1:
        lines[1] += f", clip {clip.clip}"
    return "\n".join(lines)


def _number_frames(axes: Axes, num_frames: int) -> None:
    """Ticks at round frame numbers; frame k lies from k - 1 to k."""
    from matplotlib.ticker import MaxNLocator

    numbers = [int(number) for number in MaxNLocator(10, integer=True).tick_values(1, num_frames)]
    inside = [number for number in numbers if 1 <= number <= num_frames]
    axes.set_xticks([number - 0.5 for number in inside], [f"{number:,}" for number in inside], fontsize=SMALL_PT)


def _numbers(clips: Sequence[ShownClip]) -> Table:
    rows = tuple(
        {"model": clip.label, "clip": clip.clip, "offset": clip.offset, "position": position, "frame": int(number)}
        for clip in clips
        for position, number in enumerate(clip.numbers, start=1)
    )
    return Table("Frames that each model is shown", COLUMNS, (rows,), name="frames")
