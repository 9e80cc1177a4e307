"""Training: epochs of SGD, validation by the released one-clip rule, a checkpoint and a log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save as serialise
from torch import Tensor

from gsm_bench.errors import NetworkError, RunConflictError, SplitError
from gsm_bench.files import new_file, refuse_existing
from gsm_bench.nets import SegmentNetwork, build_network
from gsm_bench.nets.heads import by_task
from gsm_bench.shapes.classes import CLASSES, action_ids, class_counts
from gsm_bench.train.clips import LoadedSplit, centre_clip, load_split, random_clip
from gsm_bench.train.recipe import INPUT, TrainConfig, TrainResult, learning_rate
from gsm_bench.train.saved import with_metadata

NOT_RECIPE = ("data", "out", "device", "validate_every", "force")
"""Fields of a configuration that say where things lie and run, and what is shown meanwhile."""

Progress = Callable[[dict[str, Any]], None]
"""Called with each line of the log as it is written."""


@dataclass(frozen=True)
class TrainingPass:
    """Mean loss and top-1, a fraction, of an epoch's own batches, with dropout and random clips."""

    loss: float
    top1: float


@dataclass(frozen=True)
class Validation:
    """Accuracies of one pass over the validation split, fractions."""

    top1: float
    top5: float


def train(config: TrainConfig, *, progress: Progress | None = None) -> TrainResult:
    """Train one network and write its weights and log; the network of the last epoch is kept, none is chosen.

    Args:
        config: what decides the training.
        progress: told every line of the log.

    Raises:
        SplitError: a split is missing, or has fewer videos than a batch.
        RunConflictError: the checkpoint exists.
        NetworkError: no such network can be built, or the loss became infinite.
    """
    refuse_existing(config.out, force=config.force, exists=_exists(config))
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    network = new_network(config)
    training, validation = load_split(config.data, "train"), load_split(config.data, "val")
    if len(training.videos) < config.batch:
        raise SplitError(
            f"the training split has {len(training.videos)} videos, fewer than a batch of {config.batch}",
            where=config.data,
            fix="make more videos, or use a smaller --batch",
        )
    log = config.out.with_suffix(".jsonl")
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("w", encoding="utf-8") as lines:

        def note(line: dict[str, Any]) -> None:
            line["elapsed_s"] = round(time.perf_counter() - started, 1)
            lines.write(json.dumps(line) + "\n")
            lines.flush()
            if progress:
                progress(line)

        note({"recipe": recipe_text(config), "train_clips": len(training.videos), "val_clips": len(validation.videos)})
        for line in _epochs(network, training, validation, config):
            note(line)
        _check_rounded(network, config)
        network.load_state_dict(_rounded(network))
        final = validate(network, validation, config.frames)
        reverse = validate(network, validation, config.frames, backwards=True)
        note({"saved": "float16", "top1": final.top1, "top5": final.top5, "top1_reversed": reverse.top1})
    save(network, config, final)
    return TrainResult(config.out, log, final.top1, final.top5, reverse.top1, time.perf_counter() - started)


def new_network(config: TrainConfig) -> SegmentNetwork:
    """The untrained network, in the memory layout that CPUs like; gates start at zero."""
    classes = len(CLASSES) if config.head == "action" else class_counts()
    try:
        network = build_network(
            "bninception", config.temporal, config.frames, classes, width=config.width, dropout=config.dropout,
            gate=config.gate, gsm_blocks=config.gsm_blocks, gsm_branch=config.gsm_branch,
        )  # fmt: skip
    except ValueError as error:
        raise NetworkError(str(error), fix="change the option of the network") from error
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network.to(config.device)


def train_epoch(
    network: SegmentNetwork,
    optimiser: torch.optim.Optimizer,
    split: LoadedSplit,
    config: TrainConfig,
    epoch: int,
) -> TrainingPass:
    """One pass over the split in random order."""
    network.train()
    batches = len(split.videos) // config.batch
    rng = np.random.default_rng([config.seed, epoch])
    order, total, hits = rng.permutation(len(split.videos)), 0.0, 0
    for number in range(batches):
        rate = learning_rate(config, epoch * batches + number, config.epochs * batches)
        for group in optimiser.param_groups:
            group["lr"] = rate
        clips, labels = _batch(split, order[number * config.batch : (number + 1) * config.batch], config, rng)
        logits = by_task(network(clips.to(config.device)))
        losses = [F.cross_entropy(logits[task], targets.to(config.device)) for task, targets in labels.items()]
        loss = torch.stack(losses).sum()
        if not torch.isfinite(loss):
            raise NetworkError(f"the loss became infinite in epoch {epoch + 1}", fix="use a smaller --learning-rate")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
        optimiser.step()
        total += loss.item()
        hits += int((logits["action"].argmax(1).cpu() == labels["action"]).sum())
    return TrainingPass(total / batches, hits / (batches * config.batch))


@torch.no_grad()
def predict(
    network: SegmentNetwork, split: LoadedSplit, frames: int, *, backwards: bool = False
) -> NDArray[np.float32]:
    """Logits of the actions by the released one-clip rule, float32 [N, C]; sampled frames in reverse order if `backwards`."""
    network.eval()
    device = next(network.parameters()).device
    scores = []
    for first in range(0, len(split.videos), 32):
        clips = torch.stack([centre_clip(video, frames, INPUT) for video in split.videos[first : first + 32]])
        output = by_task(network(_laid_out(clips.flip(1) if backwards else clips).to(device)))
        scores.append(output["action"].cpu().numpy())
    return np.concatenate(scores)


def validate(network: SegmentNetwork, split: LoadedSplit, frames: int, *, backwards: bool = False) -> Validation:
    """Top-1 and top-5 by the released one-clip rule, with the sampled frames in reverse order if `backwards`."""
    # Equal scores rank by the lower class index.
    ranking = np.argsort(-predict(network, split, frames, backwards=backwards), axis=1, kind="stable")
    motions_alone = ranking.shape[1] == len(CLASSES)
    labels = split.labels if motions_alone else action_ids(split.labels, split.nouns)
    hits = ranking[:, :5] == labels[:, None]
    return Validation(float(hits[:, 0].mean()), float(hits.any(1).mean()))


def save(network: SegmentNetwork, config: TrainConfig, validation: Validation) -> None:
    """Write the state as safetensors, its weights in float16, with the recipe as metadata."""
    metadata = {
        "epoch": str(config.epochs),
        "arch": "BNInception",
        "temporal": config.temporal,
        "head": config.head,
        "frames": str(config.frames),
        "width": str(config.width),
        "top1": f"{validation.top1:.6f}",
        "recipe": recipe_text(config),
    }
    with new_file(config.out, force=config.force, exists=_exists(config)) as written:
        written.write_bytes(with_metadata(serialise(_rounded(network)), metadata))


def _exists(config: TrainConfig) -> RunConflictError:
    return RunConflictError("this checkpoint exists", where=config.out, fix="use another --out, or --force")


def recipe_text(config: TrainConfig) -> str:
    """All of the configuration that decides the weights, as JSON; where files lie is left out."""
    kept = {key: value for key, value in asdict(config).items() if key not in NOT_RECIPE}
    return json.dumps(kept)


def _epochs(
    network: SegmentNetwork, training: LoadedSplit, validation: LoadedSplit, config: TrainConfig
) -> Iterator[dict[str, Any]]:
    optimiser = torch.optim.SGD(
        network.parameters(), config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
    )
    for epoch in range(config.epochs):
        started = time.perf_counter()
        done = train_epoch(network, optimiser, training, config, epoch)
        line: dict[str, Any] = {
            "epoch": epoch + 1,
            "loss": round(done.loss, 5),
            "train_top1": round(done.top1, 4),
            "train_s": round(time.perf_counter() - started, 1),
        }
        if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
            line["top1"] = validate(network, validation, config.frames).top1
        yield line


def _batch(
    split: LoadedSplit, chosen: NDArray[np.int64], config: TrainConfig, rng: np.random.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """float32 [B, T, 3, S, S] and labels int64 [B] per task."""
    samples = [random_clip(split.videos[i], int(split.labels[i]), config.frames, INPUT, rng) for i in chosen]
    verbs = np.array([label for _, label in samples])
    labels = {"action": verbs}
    if config.head != "action":
        nouns = split.nouns[chosen]
        labels = {"verb": verbs, "noun": nouns, "action": action_ids(verbs, nouns)}
    clips = _laid_out(torch.stack([clip for clip, _ in samples]))
    return clips, {task: torch.from_numpy(values) for task, values in labels.items()}


def _laid_out(clips: Tensor) -> Tensor:
    """The same clips [B, T, 3, S, S] with the channels last in memory."""
    return clips.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(clips.shape)


def _check_rounded(network: SegmentNetwork, config: TrainConfig) -> None:
    """Raise NetworkError for weights that no file should hold: not finite, or too large for float16."""
    if not all(torch.isfinite(value).all() for value in _rounded(network).values() if value.is_floating_point()):
        raise NetworkError(f"the weights became infinite in epoch {config.epochs}", fix="use a smaller --learning-rate")


def _rounded(network: SegmentNetwork) -> dict[str, Tensor]:
    """The state as it is saved: weights in float16, batch-norm statistics as they are.

    The first layer's running variance sits beside pixel values up to 255 and may exceed what float16 can hold.
    """
    weights = {name: parameter.detach().to(torch.float16) for name, parameter in network.named_parameters()}
    return {key: weights.get(key, value).cpu().contiguous() for key, value in network.state_dict().items()}
