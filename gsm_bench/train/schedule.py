"""The released learning rates: one per epoch, equal for all parameters."""

from __future__ import annotations

import math

START = 0.1
"""Share of the highest rate in epoch 0 of a warm-up."""

END = 1e-7
"""Share of the highest rate at which the cosine ends."""


def released_rate(epoch: int, *, highest: float, warmup: int, epochs: int) -> float:
    """The rate of every step of `epoch`, counted from 0: a linear rise over the warm-up, then half a cosine.

    The multipliers that the released code declares for biases (rate x2) and batch norms (no decay) are never applied
    there; one rate and one weight decay hold for all tensors.

    Args:
        epoch: counted from 0; `epochs` itself gives the rate that the release writes into its last checkpoint.
        highest: the rate after the warm-up.
        warmup: epochs of the warm-up, 0 for none.
        epochs: of the whole training.

    Raises:
        ValueError: the warm-up leaves no epoch for the cosine.
    """
    if not 0 <= warmup < epochs:
        raise ValueError(f"the warm-up must be shorter than the training: {warmup} of {epochs} epochs")
    if epoch < warmup:
        return highest * (START + (1 - START) * epoch / warmup)
    lowest, turn = highest * END, math.pi * (epoch - warmup) / (epochs - warmup)
    return lowest + (highest - lowest) * (1 + math.cos(turn)) / 2
