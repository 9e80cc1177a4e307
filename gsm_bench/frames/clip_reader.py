"""All views of one clip as bytes: each needed frame is decoded and resized once, then cropped for every view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources import FrameSource
from gsm_bench.frames.transform import resize_image
from gsm_bench.geometry import InputSpec, crop_corner
from gsm_bench.sampling import indices_at
from gsm_bench.splits import Clip

BadFramePolicy = Literal["skip", "error", "nearest"]
FrameOrder = Literal["forward", "reversed"]


@dataclass(frozen=True)
class ReadPlan:
    """What every clip is read for: T frames, the views, the geometry, what to do about bad frames."""

    frames: int
    views: NDArray[np.void]
    input: InputSpec
    frame_order: FrameOrder = "forward"
    on_bad_frame: BadFramePolicy = "skip"


@dataclass(frozen=True)
class ClipPixels:
    """One clip ready to score.

    Attributes:
        pixels: uint8 RGB [V, T, S, S, 3], or None for a clip that cannot be scored.
        problem: why not, or which frames were substituted; empty for a sound clip.
        decoded: frames that were decoded.
        num_frames: frames of the video, 0 where they could not be counted.
    """

    pixels: NDArray[np.uint8] | None
    problem: str = ""
    decoded: int = 0
    num_frames: int = 0


def read_clip(source: FrameSource, clip: Clip, plan: ReadPlan) -> ClipPixels:
    """Read all views of `clip`; a bad clip comes back without pixels unless the policy is ``error``.

    Raises:
        FrameError: a frame is missing or damaged and the policy is ``error``.
    """
    total = 0
    try:
        total = source.count(clip)
        numbers = [view_indices(total, plan, view) for view in plan.views]
        resized, problem = _resized_frames(source, clip, sorted(set(np.concatenate(numbers).tolist())), total, plan)
    except FrameError as error:
        if plan.on_bad_frame == "error":
            raise
        return ClipPixels(None, f"{error.what} ({error.where})" if error.where else error.what, num_frames=total)
    size = plan.input.size
    pixels = np.empty((len(plan.views), plan.frames, size, size, 3), np.uint8)
    for view, place in enumerate(plan.views):
        for at, number in enumerate(numbers[view]):
            pixels[view, at] = _crop(resized[int(number)], size, int(place["crop"]), bool(place["flip"]))
    return ClipPixels(pixels, problem, len(resized), total)


def view_indices(num_frames: int, plan: ReadPlan, view: np.void) -> NDArray[np.int64]:
    """Frame numbers [T] of one view; a reversed run plays the sampled frames backwards."""
    numbers = indices_at(num_frames, plan.frames, float(view["offset"]))
    return numbers[::-1] if plan.frame_order == "reversed" else numbers


def _resized_frames(
    source: FrameSource, clip: Clip, numbers: list[int], total: int, plan: ReadPlan
) -> tuple[dict[int, NDArray[np.uint8]], str]:
    """uint8 [H', W', 3] by frame number, and what was substituted."""
    resized, substituted = {}, []
    for number in numbers:
        try:
            image = source.read(clip, number)
        except FrameError as error:
            if plan.on_bad_frame != "nearest":
                raise
            image, stand_in = _nearest(source, clip, number, total, error)
            substituted.append(f"frame {number} by {stand_in}")
        resized[number] = np.asarray(resize_image(image, plan.input))
    return resized, ", ".join(substituted)


def _nearest(source: FrameSource, clip: Clip, number: int, total: int, error: FrameError) -> tuple[Image.Image, int]:
    """The readable frame nearest to `number`, the earlier of two."""
    for distance in range(1, total):
        for candidate in (number - distance, number + distance):
            if 1 <= candidate <= total:
                try:
                    return source.read(clip, candidate), candidate
                except FrameError:
                    continue
    raise FrameError(f"no frame of clip {clip.id!r} can be read; {error.what}", where=error.where)


def _crop(frame: NDArray[np.uint8], size: int, crop: int, flip: bool) -> NDArray[np.uint8]:
    left, top = crop_corner(frame.shape[1], frame.shape[0], size, crop)
    window = frame[top : top + size, left : left + size]
    return window[:, ::-1] if flip else window
