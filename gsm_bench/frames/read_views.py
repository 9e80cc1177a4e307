"""Read all views of one video as bytes, decoding each needed frame once.

Either the reader resizes once per geometry and cuts the views, or it returns decoded frames and a device does the rest
(`on_device`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsm_bench.errors import FrameError
from gsm_bench.fingerprints import UNKNOWN, Fingerprint
from gsm_bench.frames.sources import FrameSource
from gsm_bench.frames.sources.pictures import Decoded, as_image
from gsm_bench.frames.transform import resize_image
from gsm_bench.geometry import InputSpec, crop_corner, size_for
from gsm_bench.sampling import in_order, indices_at
from gsm_bench.sampling_rules import TICKS, Sampling, clip_indices
from gsm_bench.settings import BadFramePolicy, FrameOrder, Resize
from gsm_bench.splits import Video

Geometry = tuple[int, str, tuple[int, int] | None] | None
"""Shorter side, filter and fixed size of a resized frame; None for frames as decoded."""


@dataclass(frozen=True)
class ReadPlan:
    """How every video is read: T frames, views, geometry, policy for bad frames, and what resizes.

    Attributes:
        most_raw_bytes: what the decoded frames of a video may take if the device resizes them; where they take more, and
            resized frames take less, the reader resizes them first. 0 for no limit. It changes no byte of a view.
        clips: K of the sampling rule, where `views` are a part of them; None for all.
    """

    frames: int
    views: NDArray[np.void]
    input: InputSpec
    frame_order: FrameOrder = "forward"
    on_bad_frame: BadFramePolicy = "skip"
    resize: Resize = "reader"
    sampling: Sampling = TICKS
    most_raw_bytes: int = 0
    clips: int | None = None


@dataclass(frozen=True, eq=False)
class RawViews:
    """The views of a video as frames that a device resizes: as decoded, or resized already where they are many or large.

    Attributes:
        frames: uint8 RGB [H, W, 3] by number; one dict is shared by all plans of a video.
        numbers: int64 [V, T], the frames of each view.
        views: crop and flip of each view, [V].
    """

    frames: dict[int, NDArray[np.uint8]]
    numbers: NDArray[np.int64]
    views: NDArray[np.void]


Pixels = NDArray[np.uint8] | RawViews
"""uint8 RGB [V, T, S, S, 3], or the decoded frames from which a device computes them."""


@dataclass(frozen=True)
class VideoPixels:
    """The pixels of one video, ready to score.

    Attributes:
        pixels: the views, resized or raw, or None for a video that cannot be scored.
        problem: why not, or which frames were substituted; empty for a sound video.
        decoded: number of frames decoded.
        num_frames: number of frames of the video; 0 if unknown.
        stored_frames: number of stored frames, where a list gives fewer; else 0.
        fingerprint: what is stored of the video.
    """

    pixels: Pixels | None
    problem: str = ""
    decoded: int = 0
    num_frames: int = 0
    stored_frames: int = 0
    fingerprint: Fingerprint = UNKNOWN


def pixel_bytes(videos: Iterable[VideoPixels]) -> int:
    """Bytes of memory that the pixels of videos take; frames that several of them share count once."""
    arrays: dict[int, NDArray[np.uint8]] = {}
    for video in videos:
        pixels = video.pixels
        if isinstance(pixels, RawViews):
            arrays |= {id(frame): frame for frame in pixels.frames.values()}
        elif pixels is not None:
            arrays[id(pixels)] = pixels
    return sum(array.nbytes for array in arrays.values())


def read_views(source: FrameSource, video: Video, plan: ReadPlan) -> VideoPixels:
    """Read all views of `video`; a bad one has no pixels unless the policy is ``error``.

    Raises:
        FrameError: a frame is missing or damaged and the policy is ``error``.
    """
    return read_views_for(source, video, [plan])[0]


def read_views_for(source: FrameSource, video: Video, plans: Sequence[ReadPlan]) -> list[VideoPixels]:
    """Read `video` for several plans of one policy: every frame that any of them needs is decoded once.

    Each plan gets the same pixels as when it is read alone; a frame counts as decoded for the first plan that needs it.
    """
    try:
        total = source.count(video)
    except FrameError as error:
        return [_refused(error, plan, 0) for plan in plans]
    numbers = [[view_indices(total, plan, view, video.id) for view in plan.views] for plan in plans]
    needed = [set(np.concatenate(views).tolist()) for views in numbers]
    frames = _VideoFrames(source, video, total, plans)
    frames.load(sorted(set().union(*needed)))
    pixels, counted = [], set[int]()
    for plan, views, used in zip(plans, numbers, needed, strict=True):
        fresh = len([number for number in used - counted if number not in frames.bad])
        counted |= used
        pixels.append(_cut(frames, plan, views, sorted(used), fresh))
    stored = _stored_if_more(source, video)
    return [replace(one, stored_frames=stored) for one in pixels] if stored else pixels


def prefetch_views_for(source: FrameSource, video: Video, plans: Sequence[ReadPlan]) -> None:
    """Begin to fetch the frames that `read_views_for` will read."""

    def needed(total: int) -> set[int]:
        views = [view_indices(total, plan, view, video.id) for plan in plans for view in plan.views]
        return set(np.concatenate(views).tolist())

    source.prefetch(video, needed)


def _stored_if_more(source: FrameSource, video: Video) -> int:
    """Number of stored frames of a video whose list gives fewer; else 0. A segment uses a part of its file anyway."""
    stored = source.available(video) if video.num_frames and not video.video else 0
    return stored if stored > video.num_frames else 0


def view_indices(num_frames: int, plan: ReadPlan, view: np.void, video: str = "") -> NDArray[np.int64]:
    """Frame numbers [T] of one view of `video` (its id), in the order of the plan."""
    if plan.sampling == TICKS:
        numbers = indices_at(num_frames, plan.frames, float(view["offset"]))
    else:
        clips = plan.clips or int(plan.views["clip"].max()) + 1
        numbers = clip_indices(plan.sampling, num_frames, plan.frames, clips)[int(view["clip"])]
    return in_order(numbers, plan.frame_order, video)


class _VideoFrames:
    """The frames of one video, decoded once and resized once for every geometry.

    Attributes:
        ready: uint8 [H', W', 3] by geometry and frame number.
        bad: error by frame number.
        substitute_of: number of the frame that is used instead, by frame number.
    """

    def __init__(self, source: FrameSource, video: Video, total: int, plans: Sequence[ReadPlan]) -> None:
        self.source, self.video, self.total = source, video, total
        self.plans = plans
        self.resizes_all = False
        self.specs: dict[Geometry, InputSpec] = {self.geometry(plan): plan.input for plan in plans}
        self.substitutes = any(plan.on_bad_frame == "nearest" for plan in plans)
        self.ready: dict[Geometry, dict[int, NDArray[np.uint8]]] = {geometry: {} for geometry in self.specs}
        self.bad: dict[int, FrameError] = {}
        self.substitute_of: dict[int, int] = {}

    def geometry(self, plan: ReadPlan) -> Geometry:
        """What the reader makes of frames for a plan."""
        return _resized(plan) if plan.resize == "reader" or self.resizes_all else None

    def load(self, numbers: list[int]) -> None:
        """Decode the ascending `numbers`."""
        try:
            for number, picture in self.source.pixels(self.video, numbers):
                if not self._kept and not isinstance(picture, FrameError):
                    self._choose_what_resizes(picture, len(numbers))
                self._keep(number, picture)
        except FrameError as error:  # the whole video cannot be read
            self.bad |= {number: error for number in numbers if number not in self._kept}
        if self.substitutes:
            for number in list(self.bad):
                self._substitute(number)

    def _choose_what_resizes(self, first: NDArray[np.uint8] | Image.Image, count: int) -> None:
        """The reader, where `count` decoded frames would take too much memory, and less once resized."""
        most = min((plan.most_raw_bytes for plan in self.plans if plan.resize == "device"), default=0)
        width, height = first.size if isinstance(first, Image.Image) else first.shape[1::-1]
        resized = {_resized(plan): size_for(width, height, plan.input) for plan in self.plans}
        if most and count * 3 * width * height > most and sum(w * h for w, h in resized.values()) < width * height:
            self.resizes_all = True
            self.specs = {self.geometry(plan): plan.input for plan in self.plans}
            self.ready = {geometry: {} for geometry in self.specs}

    @property
    def _kept(self) -> dict[int, NDArray[np.uint8]]:
        return next(iter(self.ready.values()))

    def _keep(self, number: int, pixels: Decoded) -> None:
        if isinstance(pixels, FrameError):
            self.bad[number] = pixels
            return
        for geometry, spec in self.specs.items():
            # Frames for a device stay as they were decoded: Pillow's copies hold the interpreter's lock.
            picture = resize_image(as_image(pixels), spec) if geometry else pixels
            self.ready[geometry][number] = np.asarray(picture)

    def _substitute(self, number: int) -> None:
        """Use the readable frame nearest to a bad one, the earlier of two."""
        for distance in range(1, self.total):
            for candidate in (number - distance, number + distance):
                if 1 <= candidate <= self.total and self._readable(candidate):
                    for frames in self.ready.values():
                        frames[number] = frames[candidate]
                    self.substitute_of[number] = candidate
                    del self.bad[number]
                    return
        error = self.bad[number]
        self.bad[number] = FrameError(
            f"no frame of video {self.video.id!r} can be read; {error.what}", where=error.where
        )

    def _readable(self, number: int) -> bool:
        if number in self._kept and number not in self.substitute_of:
            return True
        if number in self.bad or number in self.substitute_of:
            return False
        try:
            picture = next(iter(self.source.pixels(self.video, [number])))[1]
        except FrameError:
            return False
        if isinstance(picture, FrameError):
            return False
        self._keep(number, picture)
        return True


def _resized(plan: ReadPlan) -> Geometry:
    return plan.input.resize, plan.input.interpolation, plan.input.stretch


def _cut(
    frames: _VideoFrames, plan: ReadPlan, views: list[NDArray[np.int64]], used: list[int], decoded: int
) -> VideoPixels:
    """The views of one plan: cut from resized frames, or raw."""
    bad = next((frames.bad[number] for number in used if number in frames.bad), None)
    if bad is not None:
        return _refused(bad, plan, frames.total)
    ready = frames.ready[frames.geometry(plan)]
    pixels = RawViews(ready, np.stack(views), plan.views) if plan.resize == "device" else _crops(ready, plan, views)
    substituted = [
        f"frame {number} by {frames.substitute_of[number]}" for number in used if number in frames.substitute_of
    ]
    return VideoPixels(pixels, ", ".join(substituted), decoded, frames.total)


def _refused(error: FrameError, plan: ReadPlan, total: int) -> VideoPixels:
    if plan.on_bad_frame == "error":
        fix = error.fix or "repair it, or leave it out of the scores with --on-bad-frame skip"
        raise FrameError(error.what, where=error.where, fix=fix) from error
    return VideoPixels(None, f"{error.what} ({error.where})" if error.where else error.what, num_frames=total)


def _crops(ready: dict[int, NDArray[np.uint8]], plan: ReadPlan, views: list[NDArray[np.int64]]) -> NDArray[np.uint8]:
    """uint8 RGB [V, T, S, S, 3] from resized frames."""
    size = plan.input.size
    pixels = np.empty((len(plan.views), plan.frames, size, size, 3), np.uint8)
    for view, place in enumerate(plan.views):
        for at, number in enumerate(views[view]):
            pixels[view, at] = _crop(ready[int(number)], size, int(place["crop"]), bool(place["flip"]))
    return pixels


def _crop(frame: NDArray[np.uint8], size: int, crop: int, flip: bool) -> NDArray[np.uint8]:
    left, top = crop_corner(frame.shape[1], frame.shape[0], size, crop)
    window = frame[top : top + size, left : left + size]
    return window[:, ::-1] if flip else window
