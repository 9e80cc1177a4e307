"""From a request to a training that can run: network, splits, frames, first weights and recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gsm_bench.entries import OWN_NETWORKS, DatasetEntry, ModelEntry, library_of
from gsm_bench.errors import FrameError, GsmBenchError, NetworkError, SplitError
from gsm_bench.files import file_sha256
from gsm_bench.geometry import input_settings
from gsm_bench.manifest import Manifest
from gsm_bench.nets.identify import gate_options
from gsm_bench.nets.registry import network_for
from gsm_bench.nets.segment import SegmentNetwork
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.prepare import Request, job_of
from gsm_bench.settings import Prefer
from gsm_bench.splits import Split
from gsm_bench.train.first_weights import load_backbone
from gsm_bench.train.mirror import Swaps, swaps_of
from gsm_bench.train.rules import TrainingRecipe, deviations
from gsm_bench.train.steps import start_values
from gsm_bench.workspace import Workspace

MIRRORLESS = (
    "no class names are known, so mirrored clips keep their labels; name left and right classes, or use --no-mirror"
)


@dataclass(frozen=True)
class TrainRequest:
    """What to train and how.

    Attributes:
        like: the model whose network, input, frames and data set are used.
        out: the checkpoint to write.
        init: a backbone file, such as ImageNet weights; None for random weights.
        dataset, split, validation: another data set, and its lists to train on and to validate on.
        data, frames_at: directory of the lists; place of the frames, where elsewhere.
        frames: T, if another than the model's.
        options: of the network's constructor, over those of the model.
    """

    like: str
    out: Path
    recipe: TrainingRecipe
    init: Path | None = None
    dataset: str | None = None
    split: str | None = None
    validation: str | None = None
    data: Path | None = None
    frames_at: Path | None = None
    prefer: Prefer = "folder"
    frames: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    workers: int | None = None
    force: bool = False


@dataclass(frozen=True)
class Training:
    """A training that can run.

    Attributes:
        network: with its first weights, on the CPU.
        training, validation: videos, frames and settings of both splits; no validation where the data set has none.
        split: the videos that are trained on.
        swaps: classes that a mirror swaps.
        notes: what a user should know before it starts.
    """

    entry: ModelEntry
    network: SegmentNetwork
    recipe: TrainingRecipe
    out: Path
    training: Job
    validation: Job | None
    split: Split
    swaps: Swaps
    init_sha256: str
    workers: int
    force: bool = False
    notes: tuple[str, ...] = ()

    @property
    def state_path(self) -> Path:
        """The unfinished run."""
        return self.out.with_name(f"{self.out.name}.state")

    @property
    def log_path(self) -> Path:
        """One JSON line per epoch."""
        return self.out.with_suffix(".jsonl")

    @property
    def best_path(self) -> Path:
        """The weights of the best validation so far."""
        return best_of(self.out)

    @property
    def signature(self) -> dict[str, str]:
        """Everything that decides the weights and their accuracies, as text by name."""
        entry = self.entry
        return {
            "network": f"{entry.network}/{entry.temporal}/{entry.frames}f",
            "options": json.dumps(dict(entry.options), sort_keys=True),
            "classes": json.dumps(entry.tasks, sort_keys=True),
            "input": json.dumps(input_settings(entry.input), sort_keys=True),
            "init": self.init_sha256 or "none",
            "list": f"{self.split.dataset}/{self.split.name}/{self.split.sha256}",
            "labels": f"{_content_sha256(self.split)}/{json.dumps(self.swaps, sort_keys=True)}",
            "validation": _validation_words(self.validation),
            **{f"recipe.{key}": str(value) for key, value in asdict(self.recipe).items()},
        }

    @property
    def card(self) -> dict[str, str]:
        """What the checkpoint says of its training: the signature, deviations from the released recipe, versions."""
        return {
            **self.signature,
            "arch": {"bninception": "BNInception", "inceptionv3": "InceptionV3"}.get(
                self.entry.network, self.entry.network
            ),
            "temporal": self.entry.temporal,
            **gate_options(self.network),
            "head": self.entry.head,
            "frames": str(self.entry.frames),
            "deviations": json.dumps(deviations(self.recipe)),
            "torch": torch.__version__,
        }


def resolve(request: TrainRequest, manifest: Manifest, workspace: Workspace) -> Training:
    """The training of a request; raises a GsmBenchError that says what is missing and how to get it."""
    like = trainable(manifest, request.like)
    _check_places(request)
    dataset = manifest.dataset(request.dataset or like.dataset)
    entry = _entry(like, dataset, request)
    manifest = replace(manifest, models={**manifest.models, entry.name: entry})
    training = _job(request, entry, request.split or _training_split(dataset), manifest, workspace)
    chosen = request.validation or _validation_split(dataset, training.split.name)
    validation = _job(request, entry, chosen, manifest, workspace) if chosen else None
    training, validation = _with_one_task(training), _with_one_task(validation) if validation else None
    entry = training.entry
    split, left_out = _long_enough(_labelled(training.split, entry), training, request.recipe.shortest)
    if not len(split):
        raise SplitError(f"{split.dataset}/{split.name} has no videos to train on", where=split.list_path)
    torch.manual_seed(request.recipe.seed)
    network = network_for(entry, search=workspace.root)
    assert isinstance(network, SegmentNetwork)
    start_values(network, request.recipe.seed)
    if request.init is not None:
        load_backbone(network, request.init)
    swaps = swaps_of(request.recipe, split.dataset, entry.tasks, split.class_names)
    return Training(
        entry, network, request.recipe, request.out, training, validation, split, swaps,
        file_sha256(request.init) if request.init is not None else "",
        _workers(request, training), request.force, _notes(request, split, swaps, left_out, validation),
    )  # fmt: skip


def trainable(manifest: Manifest, name: str) -> ModelEntry:
    """The entry of a model whose network can be trained.

    Raises:
        NetworkError: its network is that of a library, or other code.
        ManifestError: there is no such model.
    """
    network = name if library_of(name) and name not in manifest.models else manifest.model(name).network
    if network not in OWN_NETWORKS:
        raise NetworkError(
            f"{name} has the network {network}, which this command cannot train",
            fix=f"use a model with one of {', '.join(OWN_NETWORKS)}",
        )
    return manifest.model(name)


def _check_places(request: TrainRequest) -> None:
    """Raise a GsmBenchError for files that cannot be read or written, before anything takes time."""
    out = request.out
    if out.suffix != ".safetensors" or out.is_dir():
        raise GsmBenchError("no checkpoint can be written here", where=out, fix="use --out DIRECTORY/NAME.safetensors")
    for kept in (out, best_of(out)):
        if request.init is not None and kept.exists() and request.init.exists() and kept.samefile(request.init):
            raise GsmBenchError("--out would replace the file of --init", where=kept, fix="use another --out")
    if request.frames_at is not None and not request.frames_at.exists():
        raise FrameError("this path does not exist", where=request.frames_at, fix="--frames-at FILE or FOLDER")
    if request.device is not None and "," in request.device:
        raise GsmBenchError(
            f"one process trains on one device, not on {request.device}",
            fix="start one process per GPU: torchrun --nproc-per-node 2 -m gsm_bench train .. --device cuda",
        )


def best_of(out: Path) -> Path:
    """The place of the best weights of a training beside its checkpoint."""
    return out.with_name(f"{out.stem}.best{out.suffix}")


def _validation_words(validation: Job | None) -> str:
    if validation is None:
        return "none"
    split = validation.split
    return f"{split.dataset}/{split.name}/{split.sha256[:12]}-{_content_sha256(split)}"


def _content_sha256(split: Split) -> str:
    """Hexadecimal sha256, cut short, of labels, frame counts and places of segments, which the ids do not decide."""
    digest = hashlib.sha256(np.ascontiguousarray(split.num_frames, "<i8").tobytes())
    for task, labels in sorted(split.labels.items()):
        digest.update(task.encode() + np.ascontiguousarray(labels, "<i8").tobytes())
    if split.segments is not None:
        digest.update(np.ascontiguousarray(split.segments.starts, "<i8").tobytes())
    return digest.hexdigest()[:12]


def _entry(like: ModelEntry, dataset: DatasetEntry, request: TrainRequest) -> ModelEntry:
    """The entry to be trained: the model's, with the classes of the data set and the options of the request."""
    same = dataset.name == like.dataset
    classes = like.classes if same else dataset.classes
    return replace(
        like,
        name=request.out.stem,
        title=f"{like.title}, trained here",
        dataset=dataset.name,
        split=like.split if same else dataset.evaluation_split,
        classes=classes,
        class_order=dataset.class_order,
        head="action" if isinstance(classes, int) or set(classes) == {"action"} else "verb-noun-action",
        frames=request.frames or like.frames,
        options={**like.options, **request.options, "dropout": request.recipe.dropout},
        published=(),
        ignore_keys=(),
        trained_on=(),
    )


def _job(request: TrainRequest, entry: ModelEntry, split: str, manifest: Manifest, workspace: Workspace) -> Job:
    return job_of(
        Request(
            entry.name, dataset=entry.dataset, split=split, data=request.data, frames=request.frames_at, clips=1,
            crops=1, device=request.device, fresh=True, prefer=request.prefer, workers=request.workers,
            on_bad_frame="skip", resize="reader",
        ),
        manifest,
        workspace,
    )  # fmt: skip


def _with_one_task(job: Job) -> Job:
    """The job with a number of classes where actions are the only task: so networks of one classifier take it."""
    entry = job.entry
    if isinstance(entry.classes, int) or set(entry.classes) != {"action"}:
        return job
    return replace(job, entry=replace(entry, classes=entry.classes["action"]))


def _training_split(dataset: DatasetEntry) -> str:
    """The split called ``train``, or the first whose name begins so."""
    names = [name for name in dataset.splits if name.startswith("train")]
    if not names:
        raise SplitError(
            f"{dataset.name} has no split called train", fix=f"--split is one of {', '.join(dataset.splits)}"
        )
    return names[0]


def _validation_split(dataset: DatasetEntry, training: str) -> str | None:
    """The split that belongs to the training split: ``val``, ``validation``, ``test``, or ``test2`` for ``train2``."""
    for word in ("validation", "val", "test"):
        name = word + training.removeprefix("train")
        if name in dataset.splits and name != training:
            return name
    return None


def _labelled(split: Split, entry: ModelEntry) -> Split:
    """The split itself; raises SplitError unless every video has a class for every task."""
    for task in entry.tasks:
        labels = split.labels.get(task)
        if labels is None:
            raise SplitError(
                f"{split.dataset}/{split.name} has no {task} labels",
                where=split.list_path,
                fix="train on another --split",
            )
        if (labels < 0).any():
            row = int(np.flatnonzero(labels < 0)[0])
            raise SplitError(
                f"video {split.ids[row]!r} has no {task} label, nor have {int((labels < 0).sum()) - 1} others",
                where=split.list_path,
                fix="take them out of the list",
            )
    return split


def _long_enough(split: Split, job: Job, shortest: int) -> tuple[Split, int]:
    """The videos of at least `shortest` frames, and how many were left out; frames are counted where no list says."""
    if shortest <= 1:
        return split, 0
    frames = split.num_frames.copy()
    for row in np.flatnonzero(frames == 0).tolist():
        try:
            frames[row] = job.source.count(split.video(row))
        except FrameError:
            frames[row] = shortest  # reading it says what is wrong
    rows = np.flatnonzero(frames >= shortest)
    return (split, 0) if len(rows) == len(split) else (split.reordered(rows), len(split) - len(rows))


def _workers(request: TrainRequest, training: Job) -> int:
    return training.settings.workers if request.workers is None else request.workers


def _notes(request: TrainRequest, split: Split, swaps: Swaps, left_out: int, validation: Job | None) -> tuple[str, ...]:
    notes = [note for note in (split.note,) if note]
    if request.init is None:
        notes.append("training starts from random weights; --init FILE starts from ImageNet weights, as the paper does")
    if request.recipe.mirror and request.recipe.swap == "names" and not swaps and not split.class_names:
        notes.append(MIRRORLESS)
    if left_out:
        notes.append(f"{left_out:,} videos of fewer than {request.recipe.shortest} frames are left out")
    if validation is None:
        notes.append(f"{split.dataset} has no other split to validate on: the network is not validated")
    elif seen := len(set(validation.split.ids) & set(split.ids)):
        notes.append(f"{seen:,} of {len(validation.split):,} validation videos are trained on: accuracies are too high")
    if validation is not None and not validation.split.labels:
        notes.append(f"{split.dataset}/{validation.split.name} has no labels: the network is not validated")
    return tuple(notes)
