"""Saliency tubes over frames: what in a clip speaks for the class that a model predicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.figures.pictures import PICTURE_DPI, Picture, enlarged, shrunk
from gsm_bench.figures.style import PAGE_IN, SMALL_PT, FigureStyle, Plot, abbreviated, fit_height, shortened, styled
from gsm_bench.metrics.saliency import SaliencyTube
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FRAME_IN = 0.6
"""Greatest width of a frame."""
DIMMED = 0.3
"""Brightness of what does not speak for the class."""
TINT = np.array([230, 159, 0], np.float64)
"""Orange of Okabe and Ito, mixed into what does."""
GAP = 2
"""Pixels between frames."""
FILM_PANEL_IN, FILM_DPI = 3.2, 160
"""Width of a model in a film, and pixels per inch."""
COLUMNS = (
    Column("video", "Video"),
    Column("model", "Model"),
    Column("label", "Label"),
    Column("answer", "Answer"),
    Column("probability", "Probability", "percent"),
    Column("explained", "Class explained"),
    Column("frame", "Frame", "count"),
    Column("evidence", "Evidence", "number"),
    Column("bias", "Bias", "number"),
    Column("logit", "Logit", "number"),
    Column("exact", "Exact"),
)


@dataclass(frozen=True)
class ExplainedFrames:
    """A clip as one model saw it, with names in place of numbers.

    Attributes:
        frames: uint8 RGB [T, S, S, 3]; numbers: their numbers in the video, int64 [T].
        label: class of the video, empty if unknown.
        answer: the predicted class; probability: of it.
        explained: the class that the tube explains.
    """

    model: str
    video: str
    frames: NDArray[np.uint8]
    numbers: NDArray[np.int64]
    label: str
    answer: str
    probability: float
    explained: str
    tube: SaliencyTube


@styled
def draw_saliency(style: FigureStyle, clips: Sequence[ExplainedFrames]) -> Plot:
    """A row of frames per clip and model, from left to right in time; bright is what speaks for the class.

    Args:
        clips: by video, the models of each one after the other.
    """
    width = style.width_in or PAGE_IN
    heights = [min(FRAME_IN, (width - 0.1) / len(one.frames)) for one in clips]
    figure = style.figure(PAGE_IN, sum(heights) + 0.32 * len(clips) + 0.3)
    rows = figure.subplots(len(clips), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, one, height in zip(rows, clips, heights, strict=True):
        _draw_strip(style, axes, one, width, height)
    fit_height(figure)
    notes = () if all(one.tube.exact for one in clips) else (
        "approximate: the map of a network that is not of this package is its gradient at the last convolution",
    )  # fmt: skip
    return Plot(figure, _numbers(clips), style, notes)


def lit_frames(one: ExplainedFrames, height: int) -> list[Picture]:
    """The frames with their saliency, uint8 [h, w, 3] each, at most about `height` pixels high.

    What speaks most for the class in the whole clip is bright and tinted; what does not, or speaks against it, is dim.
    """
    evidence = one.tube.of_frames(len(one.frames)).clip(0)
    most = evidence.max() or 1.0
    lit = []
    for frame, values in zip(one.frames, evidence, strict=True):
        small = shrunk(frame, height).astype(np.float64)
        light = enlarged(values / most, *small.shape[:2])[..., None]
        mixed = small * (DIMMED + (1 - DIMMED) * light)
        lit.append(np.asarray((mixed * (1 - 0.3 * light) + TINT * 0.3 * light).round(), np.uint8))
    return lit


def titles(one: ExplainedFrames, characters: int) -> tuple[str, str]:
    """What stands above a clip: the model with its answer, and the video with its label, of so many characters each."""
    verdict = "" if not one.label else " ✓" if one.label == one.answer else " ✗"
    tail = f" {one.probability:.0%}{verdict}{'' if one.tube.exact else ' (approximate)'}"
    model, video = shortened(one.model, characters // 3), shortened(one.video, characters // 3)
    room = characters - len(model) - len(tail) - 2
    explained = "" if one.explained == one.answer else f", map of {abbreviated(one.explained, max(3, room // 2 - 8))}"
    answer = abbreviated(one.answer, max(3, room - len(explained)))
    label = f", label {abbreviated(one.label, characters - len(video) - 8)}" if one.label else ""
    return f"{model}: {answer}{tail}{explained}", f"{video}{label}"


def _draw_strip(style: FigureStyle, axes: Axes, one: ExplainedFrames, width: float, height: float) -> None:
    pictures = lit_frames(one, round(height * PICTURE_DPI))
    gap = np.full((len(pictures[0]), GAP, 3), 255 if style.theme == "light" else 17, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    axes.imshow(np.concatenate(parts, axis=1), interpolation="none", aspect="equal")
    axes.set_anchor("W")
    axes.set_axis_off()
    characters = int(width * 17)
    left, right = titles(one, characters)
    between = "   " if len(left) + len(right) + 3 <= characters else "\n"
    axes.set_title(f"{left}{between}{right}", loc="left", fontsize=SMALL_PT, pad=2)


def _numbers(clips: Sequence[ExplainedFrames]) -> Table:
    blocks = []
    for one in clips:
        shared: dict[str, Any] = {
            "video": one.video, "model": one.model, "label": one.label or None, "answer": one.answer,
            "probability": round(one.probability, 6), "explained": one.explained,
        }  # fmt: skip
        shown = one.tube.of_frames(len(one.frames))
        times = np.bincount(np.arange(len(one.frames)) * len(one.tube.evidence) // len(one.frames))
        share = np.repeat(1 / times, times)  # frames that share a map share its evidence
        blocks.append(
            tuple(
                shared | {"frame": int(number), "evidence": round(float(values.sum() * part), 6),
                          "bias": round(one.tube.rest, 6), "logit": round(one.tube.logit, 6),
                          "exact": "yes" if one.tube.exact else "no"}
                for number, values, part in zip(one.numbers, shown, share, strict=True)
            )
        )  # fmt: skip
    return Table("Saliency", COLUMNS, tuple(blocks), name="saliency")


def film(style: FigureStyle, videos: Sequence[Sequence[ExplainedFrames]]) -> Iterator[Picture]:
    """Pictures uint8 [h, w, 3] of a film, all of one even size: the models side by side, video after video.

    Models with fewer frames show each of them longer; the last picture of a video stands still.
    """
    most = max(map(len, videos))
    for models in videos:
        with style.context():
            figure = style.figure(FILM_PANEL_IN * most, FILM_PANEL_IN + 0.5)
            figure.set_size_inches(FILM_PANEL_IN * most, FILM_PANEL_IN + 0.5)
            figure.set_dpi(FILM_DPI)
            panels = figure.subplots(1, most, squeeze=False)[0]
            shown = [lit_frames(one, round(FILM_PANEL_IN * FILM_DPI)) for one in models]
            images = [_film_panel(axes, one, lit[0]) for axes, one, lit in zip(panels, models, shown, strict=False)]
            for axes in panels[len(models) :]:
                axes.set_axis_off()
            steps = max(len(lit) for lit in shown)
            for step in [*range(steps), *[steps - 1] * (steps // 4)]:
                for image, lit in zip(images, shown, strict=True):
                    image.set_data(lit[step * len(lit) // steps])
                yield _drawn(figure)


def _film_panel(axes: Axes, one: ExplainedFrames, picture: Picture) -> Any:
    axes.set_axis_off()
    left, right = titles(one, int(FILM_PANEL_IN * 30))
    axes.set_title(f"{left}\n{right}", fontsize=SMALL_PT + 2)
    return axes.imshow(picture, interpolation="none")


def _drawn(figure: Figure) -> Picture:
    """The figure as pixels, its height and width even, as videos want them."""
    canvas: Any = figure.canvas
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return np.ascontiguousarray(pixels[: len(pixels) // 2 * 2, : pixels.shape[1] // 2 * 2])
