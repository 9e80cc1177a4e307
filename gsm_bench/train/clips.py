"""A split in memory, and random clips from it: which frames, which crop, mirrored or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gsm_bench.frames import preprocess
from gsm_bench.frames.transform import normalise
from gsm_bench.geometry import InputSpec
from gsm_bench.sampling import Indices, sample_indices
from gsm_bench.shapes.classes import mirrored_class
from gsm_bench.shapes.events import Split
from gsm_bench.shapes.make import FRAMES_FOLDER, frame_name, read_list, read_nouns
from gsm_bench.train.augment import spread_indices

CROP_SCALES = (0.88, 1.08)
"""Sides of a random crop against the test crop's."""

CROP_SHIFT = 0.06
"""Farthest centre of a random crop from the picture's, against the test crop's side."""


@dataclass(frozen=True)
class LoadedSplit:
    """Every frame of a split, decoded once: uint8 RGB [n, H, W, 3] per video, motions and shapes int64 [N]."""

    videos: tuple[NDArray[np.uint8], ...]
    labels: NDArray[np.int64]
    nouns: NDArray[np.int64]


def load_split(directory: Path, split: Split) -> LoadedSplit:
    """Decode a split of `gsm_bench.shapes.make`."""
    rows = read_list(directory, split)
    videos = tuple(_decode(directory / FRAMES_FOLDER / clip, frames) for clip, frames, _ in rows)
    return LoadedSplit(videos, np.array([label for _, _, label in rows], dtype=np.int64), read_nouns(directory, split))


def random_indices(num_frames: int, frames: int, rng: np.random.Generator) -> Indices:
    """One random frame, counted from 1, of each of T equal parts of a video: int64 [T].

    The parts are the n / T ticks of the test rule. The released training code cuts n // T whole frames per part,
    so that the end of a video is never seen: a clip and its reversal would then differ as bags of frames.
    """
    return spread_indices(num_frames, frames, rng.random(frames))


def random_clip(
    video: NDArray[np.uint8], label: int, frames: int, spec: InputSpec, rng: np.random.Generator
) -> tuple[Tensor, int]:
    """A training sample: float32 [T, 3, S, S] and its label, which a mirror image may change."""
    pixels = video[random_indices(len(video), frames, rng) - 1]  # [T, H, W, 3]
    if mirrored := rng.random() < 0.5:
        pixels = pixels[:, :, ::-1]
    crop = torch.from_numpy(np.ascontiguousarray(_random_crop(pixels, spec, rng)))
    scaled = F.interpolate(crop.permute(0, 3, 1, 2).float(), size=(spec.size, spec.size), mode="bilinear")
    clip = normalise(scaled.permute(0, 2, 3, 1), spec)
    return clip, mirrored_class(label) if mirrored else label


def centre_clip(video: NDArray[np.uint8], frames: int, spec: InputSpec) -> Tensor:
    """The released one-clip test sample of a video: float32 [T, 3, S, S]."""
    return preprocess(video[sample_indices(len(video), frames)[0] - 1], spec)


def _random_crop(pixels: NDArray[np.uint8], spec: InputSpec, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = pixels.shape[1:3]
    side = min(height, width) * spec.size / spec.resize
    size = min(round(side * rng.uniform(*CROP_SCALES)), height, width)
    shift = rng.uniform(-CROP_SHIFT, CROP_SHIFT, 2) * side
    top = int(np.clip(round((height - size) / 2 + shift[0]), 0, height - size))
    left = int(np.clip(round((width - size) / 2 + shift[1]), 0, width - size))
    return pixels[:, top : top + size, left : left + size]


def _decode(folder: Path, frames: int) -> NDArray[np.uint8]:
    pictures = []
    for number in range(1, frames + 1):
        with Image.open(folder / frame_name(number)) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    return np.stack(pictures)
