"""The settings of a scoring run that may be wrong, and what each may be instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from gsm_bench.geometry import ChannelOrder, InputSpec
from gsm_bench.sampling_rules import TICKS, Sampling
from gsm_bench.settings import FrameOrder

Shape = Literal["crop", "squash"]
Filter = Literal["bilinear", "bicubic", "nearest", "bilinear, not antialiased"]
Rule = Literal[
    "the entry's", "middle of ticks", "start of ticks", "first to last frame", "every second frame", "neighbouring frames",
    "first half",
]  # fmt: skip
Numbering = Literal["as stored", "sorted as text"]
Counts = Literal["listed", "stored"]
Statistics = Literal["stored", "of the batch"]
Triple = tuple[float, float, float]

CAFFE: Triple = (104.0, 117.0, 128.0)
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
FRAMES = (4, 8, 16, 32)
RESIZE_OVER_SIZE = (1.0, 8 / 7, 4 / 3, 2.0)
ALIKE = 0.03
"""Sizes that differ by less than this share make no difference."""
KEYS: dict[str, str] = {
    "channel_order": "channel order",
    "value_range": "value range",
    "mean": "mean",
    "std": "std",
    "resize": "resize",
    "size": "crop size",
    "shape": "crop",
    "filter": "interpolation",
    "frames": "frames per clip",
    "rule": "sampling rule",
    "shift": "frame offset",
    "numbering": "numbering of frames",
    "counts": "frame counts",
    "order": "frame order",
    "flip": "mirrored frames",
    "statistics": "batch-norm statistics",
    "labels": "labels",
}
"""What each setting is called."""
PRICES: dict[str, float] = {
    "channel_order": 1, "value_range": 1, "mean": 1.2, "std": 1.2, "resize": 1.2, "size": 1.4, "shape": 1.4, "filter": 1.3,
    "frames": 1.2, "rule": 1.3, "shift": 1.2, "numbering": 1.2, "counts": 1.1, "order": 1, "flip": 1, "statistics": 4,
}  # fmt: skip
"""How much a wrong setting asks one to believe: of explanations that fit alike, the cheapest is named."""


@dataclass(frozen=True)
class Trial:
    """Everything that decides the scores of a clip, apart from the weights; one of its settings may be wrong.

    Attributes:
        size, resize, channel_order, value_range, mean, std: as of `InputSpec`.
        shape: cut a square out of the picture, or squash all of it into one.
        filter: of the resize.
        frames: T, frames per clip.
        rule: which frames are sampled.
        shift: added to every frame number.
        numbering: whether the frames were renumbered after their names had been sorted as text (1, 10, 11, .., 2).
        counts: whose number of frames is used.
        order, flip: of the frames that a network is shown.
        statistics: of batch norms: those of the checkpoint, or those of a batch of clips.
        stretch: as of `InputSpec`, while `resize` is its shorter side; no trial changes it.
        sampling, clips: of the entry; no trial changes them.
    """

    size: int
    resize: int
    channel_order: ChannelOrder
    value_range: float
    mean: Triple
    std: Triple
    frames: int
    shape: Shape = "crop"
    filter: Filter = "bilinear"
    rule: Rule = "middle of ticks"
    shift: int = 0
    numbering: Numbering = "as stored"
    counts: Counts = "listed"
    order: FrameOrder = "forward"
    flip: bool = False
    statistics: Statistics = "stored"
    stretch: tuple[int, int] | None = None
    sampling: Sampling = TICKS
    clips: int = 1

    @classmethod
    def of_entry(cls, spec: InputSpec, frames: int, sampling: Sampling = TICKS, clips: int = 1) -> Trial:
        """The settings of a model's entry; `clips` are K of a sampling without ticks."""
        return cls(
            spec.size,
            spec.resize,
            spec.channel_order,
            float(spec.value_range),
            _triple(spec.mean),
            _triple(spec.std),
            frames,
            stretch=spec.stretch,
            rule="middle of ticks" if sampling == TICKS else "the entry's",
            sampling=sampling,
            clips=1 if sampling == TICKS else clips,
        )

    @property
    def spec(self) -> InputSpec:
        """The settings that an entry has."""
        values = (self.size, self.resize, self.channel_order, self.value_range, self.mean, self.std)
        stretched = self.stretch is not None and min(self.stretch) == self.resize
        return InputSpec(*values, stretch=self.stretch if stretched else None)

    def changes(self, base: Trial) -> dict[str, tuple[Any, Any]]:
        """The settings that differ from `base`: the value there and here, by name."""
        pairs = {field.name: (getattr(base, field.name), getattr(self, field.name)) for field in fields(self)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def price(self, base: Trial) -> float:
        """What the differences from `base` ask one to believe; see `PRICES`."""
        return sum(PRICES[name] for name in self.changes(base))


@dataclass(frozen=True)
class Possible:
    """What can be tried with a network and its frames.

    Attributes:
        batch_norms: whether the network has any.
        other_counts: whether videos have more stored frames than their list says.
        any_size: whether the network takes other sizes and numbers of frames.
    """

    batch_norms: bool = True
    other_counts: bool = False
    any_size: bool = True


def neighbours(trial: Trial, possible: Possible) -> list[Trial]:
    """What else the settings may be: one changed at a time, or several that belong together."""
    several = [*_values(trial), *_conventions(trial), *_geometry(trial, possible), *_times(trial, possible)]
    if possible.batch_norms:
        several.append(replace(trial, statistics="of the batch" if trial.statistics == "stored" else "stored"))
    return [other for other in dict.fromkeys(several) if other != trial]


def _values(trial: Trial) -> Iterator[Trial]:
    """Channel order, range, mean or std."""
    yield replace(trial, channel_order="RGB" if trial.channel_order == "BGR" else "BGR")
    yield replace(trial, value_range=1.0 if trial.value_range == 255 else 255.0)
    means, stds = usual_constants(trial.value_range, trial.channel_order)
    for mean in means:
        yield replace(trial, mean=mean)
    for std in stds:
        yield replace(trial, std=std)


def usual_constants(value_range: float, order: ChannelOrder) -> tuple[list[Triple], list[Triple]]:
    """Means and stds that networks are trained with, on the scale of a value range and in a channel order."""
    unit = value_range / 255
    imagenet_mean, imagenet_std = (_scaled(value, value_range, order) for value in (IMAGENET_MEAN, IMAGENET_STD))
    caffe = CAFFE if order == "BGR" else (CAFFE[2], CAFFE[1], CAFFE[0])
    half = (value_range / 2,) * 3
    means = [_triple(value * unit for value in caffe), imagenet_mean, half, (0.0, 0.0, 0.0)]
    stds = [(1.0, 1.0, 1.0), imagenet_std, half]
    return [_triple(mean) for mean in means], [_triple(std) for std in stds]


def _conventions(trial: Trial) -> Iterator[Trial]:
    """The whole preprocessing of other code bases."""
    caffe = replace(trial, channel_order="BGR", value_range=255.0, mean=CAFFE, std=(1.0, 1.0, 1.0))
    yield caffe
    yield replace(caffe, channel_order="RGB", mean=(CAFFE[2], CAFFE[1], CAFFE[0]))
    torchvision = replace(trial, channel_order="RGB", value_range=1.0, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    yield torchvision
    for mean, std in (((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))):
        yield replace(torchvision, mean=mean, std=std)


def _geometry(trial: Trial, possible: Possible) -> Iterator[Trial]:
    for ratio in RESIZE_OVER_SIZE:
        if not _alike(resize := round(trial.size * ratio), trial.resize):
            yield replace(trial, resize=resize)
    if possible.any_size:
        for size in (round(trial.size * 0.75), round(trial.size * 4 / 3), trial.resize):
            if size <= trial.resize and not _alike(size, trial.size):
                yield replace(trial, size=size)
            elif size > trial.resize:  # both wrong by the same factor
                yield replace(trial, size=size, resize=round(trial.resize * size / trial.size))
    yield replace(trial, shape="squash" if trial.shape == "crop" else "crop")
    for kernel in ("bicubic", "nearest", "bilinear, not antialiased"):
        yield replace(trial, filter=kernel)
    yield replace(trial, flip=not trial.flip)


def _times(trial: Trial, possible: Possible) -> Iterator[Trial]:
    for frames in FRAMES if possible.any_size else ():
        yield replace(trial, frames=frames)
    for rule in (
        "middle of ticks",
        "start of ticks",
        "first to last frame",
        "every second frame",
        "neighbouring frames",
    ):
        yield replace(trial, rule=rule)
    for shift in (-1, 1):
        yield replace(trial, shift=shift)
    yield replace(trial, order="reversed" if trial.order == "forward" else "forward")
    yield replace(trial, numbering="sorted as text" if trial.numbering == "as stored" else "as stored")
    if possible.other_counts:
        yield replace(trial, counts="stored" if trial.counts == "listed" else "listed")


def _alike(first: float, second: float) -> bool:
    return abs(first - second) <= ALIKE * second


def _scaled(constant: Triple, value_range: float, order: ChannelOrder) -> Triple:
    """A constant of RGB in 0..1, on another scale and in a channel order."""
    values = [round(value * value_range, 4) for value in constant]
    return _triple(values if order == "RGB" else values[::-1])


def _triple(values: Any) -> Triple:
    first, second, third = (float(value) for value in values)
    return first, second, third
