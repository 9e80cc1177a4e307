"""The settings of a training run, and its learning-rate schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from gsm_bench.geometry import InputSpec
from gsm_bench.settings import GateActivation, GsmBranch, Head, Temporal

INPUT = InputSpec(
    size=64, resize=64 * 256 // 224, channel_order="BGR", value_range=255, mean=(104, 117, 128), std=(1, 1, 1)
)
"""The released input geometry and values, at 64 pixels."""


@dataclass(frozen=True)
class TrainConfig:
    """One training; two configurations that differ in `temporal` and `frames` alone make comparable networks.

    Attributes:
        data: a directory with both splits in the layout of `gsm_bench.shapes.make`.
        out: the checkpoint to write, ``.safetensors``; the log goes beside it as ``.jsonl``.
        temporal: ``gsm`` or ``none``.
        head: ``action`` for the fourteen motions; ``verb-noun-action`` for motions, shapes and their 84 pairs.
        frames: T, frames per clip.
        epochs: passes over the training list.
        batch: videos per step.
        learning_rate: the highest, reached after the warm-up.
        momentum: of SGD.
        weight_decay: on every weight.
        warmup: share of the steps in which the learning rate rises.
        dropout: rate before the classifier.
        clip_norm: the gradient's norm is cut to this.
        width: factor on BN-Inception's channels.
        gate, gsm_blocks, gsm_branch: of `gsm_bench.nets.build_network`.
        seed: of the first weights, the order of the videos and every random choice.
        threads: of torch; None leaves torch's own number.
        device: where torch computes, ``cpu`` or ``cuda``.
        validate_every: epochs between two validations; the last epoch is always validated.
        force: write over a checkpoint that is there.
    """

    data: Path
    out: Path
    temporal: Temporal = "gsm"
    head: Head = "action"
    frames: int = 8
    epochs: int = 5
    batch: int = 16
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 1 / 6
    dropout: float = 0.5
    clip_norm: float = 20.0
    width: float = 0.25
    gate: GateActivation = "tanh"
    gsm_blocks: int | None = None
    gsm_branch: GsmBranch = "1x1"
    seed: int = 1
    threads: int | None = None
    device: str = "cpu"
    validate_every: int = 1
    force: bool = False


@dataclass(frozen=True)
class TrainResult:
    """Result of a training run.

    Attributes:
        checkpoint: the weights, float16 safetensors.
        log: one JSON line per epoch.
        top1: action accuracy of the saved float16 weights on the validation split, one clip, a fraction.
        top5: the same, label among the five highest.
        top1_reversed: the same as `top1` with the sampled frames in reverse order.
        duration_s: of all epochs and validations.
    """

    checkpoint: Path
    log: Path
    top1: float
    top5: float
    top1_reversed: float
    duration_s: float


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The rate of `step`, from 0, of `steps`: a linear rise over the warm-up, then half a cosine down to zero."""
    rise = config.warmup * steps
    if step < rise:
        return config.learning_rate * (step + 1) / (rise + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))
