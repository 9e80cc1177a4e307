"""What a training will take, from a few timed micro-batches."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace

import torch

from gsm_bench.errors import GsmBenchError
from gsm_bench.train.fit import Trainer
from gsm_bench.train.parallel import Group
from gsm_bench.train.resolve import Training
from gsm_bench.train.rules import deviations
from gsm_bench.train.training_clips import ClipBatch

TIMED = 3
"""Micro-batches that are timed, after one that is not."""


@dataclass(frozen=True)
class TrainingPlan:
    """A training, with times from `TIMED` micro-batches.

    Attributes:
        read_s, step_s: seconds of a micro-batch's reading in this process alone, and of its forward and backward pass.
    """

    training: Training
    batches: int
    read_s: float
    step_s: float

    @property
    def epoch_s(self) -> float:
        """Seconds of an epoch: reading processes work beside the network."""
        workers = max(1, self.training.workers)
        return self.batches * max(self.step_s, self.read_s / workers)

    def rows(self) -> list[tuple[str, str]]:
        """What and how much, in words."""
        training, recipe = self.training, self.training.recipe
        clips = min(recipe.batch, len(training.split))
        return [
            ("videos", f"{len(training.split):,} of {training.split.dataset}/{training.split.name}"),
            (
                "network",
                f"{training.entry.network}, temporal {training.entry.temporal}, {training.entry.frames} frames",
            ),
            ("first weights", "ImageNet file" if training.init_sha256 else "random"),
            ("epochs", f"{recipe.epochs}, {recipe.warmup} of them warm-up"),
            ("batch", f"{recipe.batch} clips x {recipe.accumulate} per step, {self.batches:,} micro-batches an epoch"),
            ("steps", f"{clips / self.step_s:.1f} clips/s"),
            ("reading", f"{clips / self.read_s:.1f} clips/s in one process, {training.workers} processes"),
            ("an epoch", _duration(self.epoch_s)),
            ("all epochs", f"{_duration(self.epoch_s * recipe.epochs)}, without validation"),
            *[("differs from the release", sentence) for sentence in deviations(recipe)],
        ]


def plan_training(training: Training) -> TrainingPlan:
    """Time a few micro-batches of a copy of the network; nothing is written."""
    device = torch.device(training.training.settings.device)
    alone = replace(training, network=copy.deepcopy(training.network), workers=0)
    trainer = Trainer(alone, Group(0, 1, device), None)
    reading, computing = [], []
    batches = iter(trainer.batches())
    for _ in range(min(1 + TIMED, trainer.order.batches() * training.recipe.epochs)):
        started = time.perf_counter()
        batch = next(batches)
        read = time.perf_counter()
        if isinstance(batch, GsmBenchError):
            raise batch
        assert isinstance(batch, ClipBatch)
        trainer.micro_batch(batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        reading.append(read - started)
        computing.append(time.perf_counter() - read)
    timed = slice(1, None) if len(reading) > 1 else slice(None)
    return TrainingPlan(training, trainer.order.batches(), _mean(reading[timed]), _mean(computing[timed]))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
