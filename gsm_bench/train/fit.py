"""The loop of a training: micro-batches, steps, validation, and a state on disk to go on from."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from gsm_bench.errors import GsmBenchError, NetworkError, RunConflictError
from gsm_bench.files import locked, sweep
from gsm_bench.frames.transform import channel_constants, normalise
from gsm_bench.nets.checkpoint import read_checkpoint
from gsm_bench.nets.heads import by_task
from gsm_bench.scoring.arithmetic import arithmetic_of
from gsm_bench.scoring.job import HALF_DTYPES
from gsm_bench.train.draws import BatchOrder, dropout_seed
from gsm_bench.train.parallel import Group, process_group
from gsm_bench.train.resolve import Training
from gsm_bench.train.saved import (
    DAMAGE,
    damaged_state,
    give_gradients,
    gradients_of,
    load_state,
    save_checkpoint,
    save_state,
)
from gsm_bench.train.schedule import released_rate
from gsm_bench.train.steps import StepMaker, StepRule, released_optimiser, set_to_train
from gsm_bench.train.training_clips import (
    ClipBatch,
    ClipSettings,
    TrainingClips,
    batches_of,
    lost_readers_named,
)
from gsm_bench.train.validation import validate

SAVE_EVERY_S = 600.0
"""Time between two saved states inside an epoch."""
LINE_EVERY_S = 30.0
"""Time between two lines of progress."""

Progress = Callable[[dict[str, Any]], None]
"""Called with each line of the log, and with lines in between that have a rate and the time left."""


@dataclass(frozen=True)
class TrainingOutcome:
    """What came of a training.

    Attributes:
        top1: accuracy of the last epoch on the validation split, a fraction; None without one.
        best_top1: of the best validated epoch; best_epoch: counted from 1, 0 without one.
        resumed: whether an unfinished run was continued. already_done: whether there was nothing to do.
    """

    top1: float | None
    best_top1: float | None
    best_epoch: int
    seconds: float
    resumed: bool = False
    already_done: bool = False


@dataclass
class Totals:
    """Sums over the clips of an epoch so far."""

    loss: float = 0.0
    hits: int = 0
    clips: int = 0


@dataclass
class Marks:
    """Where a training is: next micro-batch, sums of its epoch, the best so far, and the length of its log.

    Attributes:
        top1: of the last validation.
    """

    epoch: int = 0
    number: int = 0
    totals: Totals = field(default_factory=Totals)
    top1: float | None = None
    best_top1: float | None = None
    best_epoch: int = 0
    seconds: float = 0.0
    log_bytes: int = 0


def fit(training: Training, *, progress: Progress | None = None, save_every_s: float = SAVE_EVERY_S) -> TrainingOutcome:
    """Train a network, or go on with a training that was stopped, to its last epoch.

    On a CPU with a fixed number of threads, the weights do not depend on where it was stopped.

    Raises:
        RunConflictError: another process trains this, or the checkpoint is there already.
        NetworkError: the loss became infinite.
        FrameError: a frame cannot be read.
        WorkerError: a reading process died.
    """
    done = _finished(training)
    if done is not None:
        return done
    with ExitStack() as entered:
        group = entered.enter_context(process_group(training.training.settings.device))
        entered.enter_context(arithmetic_of(training.recipe.precision))
        entered.enter_context(lost_readers_named())
        if group.leads:
            entered.enter_context(_alone(training))
            sweep(training.state_path)
            if training.force:
                for path in (training.state_path, training.best_path):
                    path.unlink(missing_ok=True)
        group.meet()  # nobody looks for a state before it is removed
        return Trainer(training, group, progress if group.leads else None).run(save_every_s)


@contextmanager
def _alone(training: Training) -> Iterator[None]:
    """Keep other runs of this training out; raises RunConflictError if there is one."""
    with ExitStack() as entered:
        try:
            entered.enter_context(locked(training.state_path, wait=False))
        except BlockingIOError as error:
            raise RunConflictError(
                "another process trains this", where=training.out, fix="wait for it, or use another --out"
            ) from error
        yield


def _finished(training: Training) -> TrainingOutcome | None:
    """The outcome of a training whose checkpoint is there already; raises RunConflictError for one of other settings."""
    if training.force or training.state_path.exists():
        return None
    if training.best_path.exists():  # of this training, where it was killed before its first state
        _check_same(training, training.best_path, read_checkpoint(training.best_path).beside)
    _check_log(training)
    if not training.out.exists():
        return None
    card = read_checkpoint(training.out).beside
    _check_same(training, training.out, card)
    top1, best = (float(card[key]) if card.get(key) else None for key in ("top1", "best_top1"))
    return TrainingOutcome(top1, best, int(card.get("best_epoch", 0)), 0.0, already_done=True)


def _check_same(training: Training, path: Path, card: Mapping[str, Any]) -> None:
    """Raise RunConflictError if a file is of a training with other settings."""
    for key, value in training.signature.items():
        if card.get(key) != value:
            raise RunConflictError(
                f"this is of another training: {key} is {card.get(key, 'not said')}, now {value}",
                where=path,
                fix="use another --out, or --force",
            )


def _check_log(training: Training) -> None:
    """Raise RunConflictError if the place of the log has something else."""
    path = training.log_path
    if not path.exists() or not path.stat().st_size:
        return
    try:
        with path.open("rb") as log:
            card = json.loads(log.readline())["training"]
        values = dict(card)
    except (ValueError, KeyError, TypeError) as error:
        raise RunConflictError(
            "this is no log of a training", where=path, fix="use another --out, or --force"
        ) from error
    _check_same(training, path, values)


class Trainer:
    """One process of a training."""

    def __init__(self, training: Training, group: Group, progress: Progress | None) -> None:
        recipe = training.recipe
        if recipe.batch < group.processes:
            raise GsmBenchError(
                f"{group.processes} processes cannot share micro-batches of {recipe.batch} clips",
                fix="use a larger --batch, or fewer processes",
            )
        self.training, self.group, self.recipe, self._progress = training, group, recipe, progress
        self.threads = torch.get_num_threads()
        self.network = training.network.to(group.device)
        for parameter in self.network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        set_to_train(self.network, full_batch_norm=recipe.full_batch_norm)
        self.optimiser = released_optimiser(self.network, rate=recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.scaler = torch.amp.GradScaler(group.device.type) if recipe.precision == "float16" else None
        rule = StepRule(recipe.accumulate, recipe.clip_norm, recipe.clip_each, recipe.carry)
        self.maker = StepMaker(self.network, self.optimiser, rule, self.scaler)
        self.order = BatchOrder(
            recipe.seed, len(training.split), recipe.batch, recipe.epochs, group.rank, group.processes
        )
        if recipe.carry and self.order.batches() < recipe.accumulate:
            raise GsmBenchError(
                f"an epoch has {self.order.batches()} micro-batches, and a step takes {recipe.accumulate}: none would be made",
                fix="use a smaller --accumulate or --batch, or --recipe default",
            )
        self.marks = Marks()
        self._constants = tuple(each.to(group.device) for each in channel_constants(training.entry.input))
        self._wrapped = group.wrapped(self.network)

    def run(self, save_every_s: float) -> TrainingOutcome:
        """Train from where it was stopped to the last epoch."""
        resumed = self._restore()
        self._start_log()
        if resumed and self._progress:
            self._progress({"resumed_in_epoch": self.marks.epoch + 1, "batch": self.marks.number})
        started = saved = told_at = time.monotonic()
        before, at_start = self.marks.seconds, self._clips_done()
        for batch in self.batches():
            if isinstance(batch, GsmBenchError):
                raise batch
            stepped = self.micro_batch(batch)
            now = time.monotonic()
            self.marks.seconds = before + now - started
            if self.marks.number == self.order.batches():
                self._end_epoch()
                self._save()
                saved = now
            elif stepped and now - saved >= save_every_s:
                self._check_weights()
                self._save()
                saved = now
            if self._progress and self.marks.number and now - told_at >= LINE_EVERY_S:
                self._progress(self._rate(now - started, self._clips_done() - at_start))
                told_at = now
        return self._finish(resumed)

    def micro_batch(self, batch: ClipBatch) -> bool:
        """Add the gradient of this process's clips of the next micro-batch; returns whether a step was made."""
        marks, device = self.marks, self.group.device
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        torch.manual_seed(dropout_seed(self.recipe.seed, marks.epoch, marks.number, self.group.rank))
        pixels = batch.pixels.to(device, non_blocking=True)
        clips = normalise(pixels, self.training.entry.input, self._constants, keep_layout=True)  # type: ignore[arg-type]
        with self._casting():
            logits = by_task(self._wrapped(clips))
        losses = [
            F.cross_entropy(logits[task].float(), labels.to(device), reduction="sum")
            for task, labels in batch.labels.items()
            if task in logits
        ]
        total = torch.stack(losses).sum()
        if not torch.isfinite(total):
            raise self._diverged("loss")
        # The mean over the clips of all processes: wrapped networks take the mean of the processes' gradients.
        _, stepped = self.maker.add(total * (self.group.processes / self.order.size(marks.number)))
        marks.totals.loss += total.item()
        marks.totals.hits += int((logits["action"].argmax(1).cpu() == batch.labels["action"]).sum())
        marks.totals.clips += len(clips)
        marks.number += 1
        return stepped

    def rate(self) -> float:
        """The learning rate of this epoch."""
        recipe = self.recipe
        return released_rate(self.marks.epoch, highest=recipe.learning_rate, warmup=recipe.warmup, epochs=recipe.epochs)

    def _casting(self) -> Any:
        half = HALF_DTYPES.get(self.recipe.precision)
        return nullcontext() if half is None else torch.autocast(self.group.device.type, dtype=half)

    def batches(self) -> Any:
        """This process's micro-batches from the next one on, read ahead; an error where one cannot be read."""
        training = self.training
        settings = ClipSettings(training.entry.frames, training.entry.input.size, self.recipe, training.swaps)
        clips = TrainingClips(training.split, training.training.source, settings)
        keys = _Batches(self.order, self.marks.epoch, self.marks.number)
        return batches_of(clips, keys, training.workers, pinned=self.group.device.type == "cuda")

    def _end_epoch(self) -> None:
        """Finish the epoch's steps, validate, keep the best, and write a line of the log."""
        marks, recipe = self.marks, self.recipe
        self.maker.end_epoch()
        self._check_weights()
        loss, hits, clips = self.group.sums([marks.totals.loss, marks.totals.hits, marks.totals.clips])
        line: dict[str, Any] = {
            "epoch": marks.epoch + 1,
            "learning_rate": self.rate(),
            "loss": loss / clips,
            "train_top1": hits / clips,
        }
        last = marks.epoch + 1 == recipe.epochs
        if (marks.epoch + 1) % recipe.validate_every == 0 or last:
            line |= self._validated(marks.epoch + 1)
        marks.epoch, marks.number, marks.totals = marks.epoch + 1, 0, Totals()
        self._note({**line, "seconds": round(marks.seconds, 1)})

    def _check_weights(self) -> None:
        """Raise NetworkError for weights that must not be kept: those of the last state are finite."""
        values = self.network.state_dict().values()
        if not all(torch.isfinite(value).all() for value in values if value.is_floating_point()):
            raise self._diverged("weights")

    def _diverged(self, what: str) -> NetworkError:
        half = "--precision bfloat16, or " if self.recipe.precision == "float16" else ""
        return NetworkError(
            f"the {what} became infinite in epoch {self.marks.epoch + 1}",
            where=self.training.out,
            fix=f"use {half}a smaller --learning-rate, with --force or another --out",
        )

    def _validated(self, epoch: int) -> dict[str, Any]:
        """Accuracies on the validation split; the weights are kept if no earlier ones were as good."""
        job, marks = self.training.validation, self.marks
        if job is None or not job.split.labels:
            return {}
        accuracies = validate(self.network, job, self.group, self.training.workers)
        torch.set_num_threads(self.threads)  # passes of the validation take one thread each
        if "top1" not in accuracies:
            return accuracies
        marks.top1 = accuracies["top1"]
        if marks.best_top1 is None or marks.top1 > marks.best_top1:
            marks.best_top1, marks.best_epoch = marks.top1, epoch
            if self.group.leads:
                save_checkpoint(self.training.best_path, self.network, self._card(epoch))
        return accuracies

    def _card(self, epoch: int) -> dict[str, str]:
        marks = self.marks
        numbers = {"epoch": epoch, "top1": marks.top1, "best_top1": marks.best_top1, "best_epoch": marks.best_epoch}
        return {**self.training.card, **{key: str(value) for key, value in numbers.items() if value is not None}}

    def _restore(self) -> bool:
        """Continue the unfinished training on disk, if there is one."""
        state = load_state(self.training.state_path, self.training.signature)
        self.group.meet()
        if state is None:
            return False
        try:
            self._continue(state)
        except DAMAGE as error:
            raise damaged_state(self.training.state_path) from error
        return True

    def _continue(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        give_gradients(self.network, state["gradients"])
        self.maker.number, self.maker.waiting = state["number_in_epoch"], state["waiting"]
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        saved = dict(state["marks"])
        self.marks = Marks(**{**saved, "totals": Totals(**saved["totals"])})
        if not self.group.leads:
            self.marks.totals = Totals()  # the first process's hold the sums of all

    def _save(self) -> None:
        marks = self.marks
        loss, hits, clips = self.group.sums([marks.totals.loss, marks.totals.hits, marks.totals.clips])
        if not self.group.leads:
            return
        totals = {"loss": loss, "hits": int(hits), "clips": int(clips)}
        save_state(
            self.training.state_path,
            {
                "signature": self.training.signature,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "gradients": gradients_of(self.network),
                "number_in_epoch": self.maker.number,
                "waiting": self.maker.waiting,
                "scaler": self.scaler.state_dict() if self.scaler else {},
                "marks": {**vars(marks), "totals": totals},
            },
        )

    def _finish(self, resumed: bool) -> TrainingOutcome:
        marks = self.marks
        if self.group.leads:
            save_checkpoint(self.training.out, self.network, self._card(self.recipe.epochs))
            self.training.state_path.unlink(missing_ok=True)
        self.group.meet()
        return TrainingOutcome(marks.top1, marks.best_top1, marks.best_epoch, marks.seconds, resumed)

    def _start_log(self) -> None:
        """Cut the log to where the state was saved, or begin it."""
        if not self.group.leads:
            return
        path = self.training.log_path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log:
            log.truncate(min(self.marks.log_bytes, log.tell()))
        if not path.stat().st_size:
            videos = len(self.training.split)
            self._note({"training": self.training.card, "videos": videos, "batches": self.order.batches()})

    def _note(self, line: dict[str, Any]) -> None:
        if not self.group.leads:
            return
        with self.training.log_path.open("ab") as log:
            log.write(json.dumps(line).encode() + b"\n")
            self.marks.log_bytes = log.tell()
        if self._progress:
            self._progress(line)

    def _clips_done(self) -> int:
        return self.marks.epoch * self.order.rows + self.marks.number * self.recipe.batch

    def _rate(self, seconds: float, clips: int) -> dict[str, Any]:
        rate = clips / seconds
        left = (self.recipe.epochs * self.order.rows - self._clips_done()) / rate if rate else math.inf
        return {"in_epoch": self.marks.epoch + 1, "batch": self.marks.number, "clips_per_s": rate, "left_s": left}


@dataclass(frozen=True)
class _Batches:
    """An iterable of keys for a DataLoader, which may begin it anew."""

    order: BatchOrder
    epoch: int
    number: int

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self.order.batches_from(self.epoch, self.number)
