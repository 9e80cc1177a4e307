"""What a training will take, from a few timed micro-batches."""

from __future__ import annotations

import copy
import math
import resource
import time
from dataclasses import dataclass, replace

import torch

from gsm_bench.errors import GsmBenchError
from gsm_bench.train.fit import Marks, Trainer
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
        read_s, step_s: seconds of a clip's reading in this process alone, and of its forward and backward pass.
        memory: largest memory so far, of the GPU if there is one, else of this process, in bytes.
    """

    training: Training
    batches: int
    read_s: float
    step_s: float
    memory: int

    @property
    def epoch_s(self) -> float:
        """Seconds of an epoch: reading processes work beside the network."""
        workers = max(1, self.training.workers)
        if not self.training.workers:
            return len(self.training.split) * (self.step_s + self.read_s)
        return len(self.training.split) * max(self.step_s, self.read_s / workers)

    def rows(self) -> list[tuple[str, str]]:
        """What and how much, in words."""
        training, recipe = self.training, self.training.recipe
        place = "GPU" if training.training.settings.device_type == "cuda" else "machine"
        return [
            ("videos", f"{len(training.split):,} of {training.split.dataset}/{training.split.name}"),
            (
                "network",
                f"{training.entry.network}, temporal {training.entry.temporal}, {training.entry.frames} frames",
            ),
            ("first weights", f"a file, sha256 {training.init_sha256[:12]}" if training.init_sha256 else "random"),
            ("epochs", f"{recipe.epochs}, {recipe.warmup} of them warm-up"),
            ("batch", f"{recipe.batch} clips x {recipe.accumulate} per step, {self.batches:,} micro-batches an epoch"),
            ("steps", f"{1 / self.step_s:.3g} clips/s"),
            ("reading", f"{1 / self.read_s:.3g} clips/s in one process, {training.workers} processes"),
            ("memory", f"{self.memory / 1e9:.1f} GB of the {place}, without reading processes"),
            ("an epoch", duration(self.epoch_s)),
            ("all epochs", f"{duration(self.epoch_s * recipe.epochs)}, without validation"),
            *[("differs from the release", sentence) for sentence in deviations(recipe)],
        ]


def plan_training(training: Training) -> TrainingPlan:
    """Time a few micro-batches of a copy of the network; nothing is written."""
    device = torch.device(training.training.settings.device)
    alone = replace(training, network=copy.deepcopy(training.network), workers=0)
    trainer = Trainer(alone, Group(0, 1, device), None)
    reading, computing, clips = [], [], []
    batches = iter(trainer.batches())
    for _ in range(min(1 + TIMED, trainer.order.batches() * training.recipe.epochs)):
        started = time.perf_counter()
        batch = next(batches)
        read = time.perf_counter()
        if isinstance(batch, GsmBenchError):
            raise batch
        assert isinstance(batch, ClipBatch)
        trainer.micro_batch(batch)
        if trainer.marks.number == trainer.order.batches():
            trainer.marks = Marks(epoch=trainer.marks.epoch + 1)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        reading.append(read - started)
        computing.append(time.perf_counter() - read)
        clips.append(len(batch.pixels))
    timed = slice(1, None) if len(reading) > 1 else slice(None)
    seen = sum(clips[timed])
    times = sum(reading[timed]) / seen, sum(computing[timed]) / seen
    return TrainingPlan(training, trainer.order.batches(), *times, _largest_memory(device))


def _largest_memory(device: torch.device) -> int:
    """Bytes: of the GPU if the device is one, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, in words."""
    if not math.isfinite(seconds):
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
