"""From what a user asks for to a job that can run: entry, split, frames, checkpoint, views, places."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.entries import DatasetEntry, ModelEntry
from gsm_bench.errors import FrameError, GsmBenchError, SplitError
from gsm_bench.frames.sources import open_source
from gsm_bench.manifest import Manifest
from gsm_bench.nets.registry import LoadedNetwork, load_network
from gsm_bench.scorefile import NOT_SCORED, open_scores
from gsm_bench.scoring.job import (
    DEFAULT_BATCH,
    Job,
    Settings,
    check_classes,
    check_device,
    default_device,
    score_views,
)
from gsm_bench.settings import BadFramePolicy, Compile, Crops, FrameOrder, Precision, Resize
from gsm_bench.splits import Split, Video, read_split
from gsm_bench.workspace import Workspace

SAMPLED_CLIPS = 256
"""Clips that are looked for to find out where frames lie, and in what form."""


COUNTED_CLIPS = 8


@dataclass(frozen=True)
class Request:
    """What to score and how; None leaves a choice to the model's entry or to the machine."""

    model: str
    dataset: str | None = None
    split: str | None = None
    data: Path | None = None
    frames: Path | None = None
    clips: int | None = None
    crops: Crops | None = None
    device: str | None = None
    precision: Precision = "float32"
    batch: int | None = None
    workers: int | None = None
    threads: int | None = None
    limit: int | None = None
    fresh: bool = False
    out: Path | None = None
    on_bad_frame: BadFramePolicy = "skip"
    frame_order: FrameOrder = "forward"
    shard: tuple[int, int] | None = None
    resize: Resize | None = None
    compile: Compile = "none"


def prepare(request: Request, manifest: Manifest, workspace: Workspace) -> tuple[Job, LoadedNetwork]:
    """Resolve a request; raises a GsmBenchError that says what is missing and how to get it."""
    job = job_of(request, manifest, workspace)
    network = load_network(job.entry, workspace.checkpoint_path(job.entry.checkpoint.file), search=workspace.root)
    return replace(job, checkpoint_sha256=network.sha256), network


def job_of(request: Request, manifest: Manifest, workspace: Workspace, checkpoint_sha256: str = "") -> Job:
    """The job of a request, before its checkpoint is looked at."""
    entry = manifest.model(request.model)
    settings = _settings(request)
    place = _place(request, entry, manifest, workspace)
    entry = _with_counted_classes(entry, place.split)
    return _job(request, entry, settings, place, workspace, checkpoint_sha256)


def prepare_together(
    requests: Sequence[Request], manifest: Manifest, workspace: Workspace
) -> list[tuple[Job, LoadedNetwork]]:
    """Resolve requests that differ in their model only and share one reading of the frames."""
    prepared = [prepare(request, manifest, workspace) for request in requests]
    first = prepared[0][0]
    for job, _ in prepared[1:]:
        if (job.split.dataset, job.split.name, job.split.ids) != (
            first.split.dataset,
            first.split.name,
            first.split.ids,
        ):
            raise GsmBenchError(
                f"models of one run read one split: {first.entry.name} is scored on {first.split.dataset}/{first.split.name}, "
                f"{job.entry.name} on {job.split.dataset}/{job.split.name}",
                fix="--dataset and --split for all of them, or one run each",
            )
    return [(replace(job, source=first.source), loaded) for job, loaded in prepared]


def longer_than_listed(job: Job) -> tuple[Video, int] | None:
    """One of a few clips that has more frames than its list says, and how many: the list may be of other frames."""
    for clip in job.split.sample(COUNTED_CLIPS):
        with suppress(FrameError):
            if clip.num_frames and not clip.video and (found := job.source.available(clip)) > clip.num_frames:
                return clip, found
    return None


@dataclass(frozen=True)
class _Place:
    """The split of a request, and the directory with its lists and frames."""

    dataset: DatasetEntry
    split: Split
    data: Path


def _place(request: Request, entry: ModelEntry, manifest: Manifest, workspace: Workspace) -> _Place:
    where, name = manifest.place(entry.dataset, entry.split, request.dataset, request.split)
    dataset = manifest.dataset(where)
    check_classes(entry, dataset)
    data = request.data or workspace.data / dataset.folder
    split = read_split(dataset, name, data)
    return _Place(dataset, split.head(request.limit) if request.limit else split, data)


def _with_counted_classes(entry: ModelEntry, split: Split) -> ModelEntry:
    """The entry with classes that it leaves to be counted (0), as the split's files name them.

    Raises:
        SplitError: the files that name them are not there.
    """
    uncounted = [task for task, classes in entry.tasks.items() if classes == 0]
    absent = [task for task in uncounted if not split.class_names.get(task)]
    if absent:
        raise SplitError(
            f"the {absent[0]} classes of {entry.name} are counted in the training csv of {split.dataset}, which is not here",
            where=split.list_path.parent,
            fix="put it beside the list: its verb-noun pairs are the action columns",
        )
    if not uncounted:
        return entry
    return replace(entry, classes=entry.tasks | {task: len(split.class_names[task]) for task in uncounted})


def _job(
    request: Request,
    entry: ModelEntry,
    settings: Settings,
    place: _Place,
    workspace: Workspace,
    checkpoint_sha256: str,
) -> Job:
    """The job of a request whose checkpoint and split are known."""
    dataset, split = place.dataset, place.split
    if not len(split):
        raise GsmBenchError(
            f"{dataset.name}/{split.name} has no clips", where=split.list_path, fix="use a list with rows"
        )
    target = request.out or _target(request, entry, dataset.name, split.name, workspace)
    if target.is_dir():
        raise GsmBenchError(
            "the score file would be written over a directory", where=target, fix="--out DIRECTORY/FILE.h5"
        )
    return Job(
        entry=entry,
        split=split if request.fresh else _with_kept_counts(split, target),
        source=open_source(dataset, place.data, split.sample(SAMPLED_CLIPS), request.frames),
        views=score_views(request.clips or entry.clips, request.crops or entry.crops),
        settings=settings,
        target=target,
        checkpoint_sha256=checkpoint_sha256,
        fresh=request.fresh,
        limit=request.limit,
        search=workspace.root,
    )


def _settings(request: Request) -> Settings:
    device = request.device or default_device()
    check_device(device)
    if request.compile == "graphs" and torch.device(device).type != "cuda":
        raise GsmBenchError("graphs of passes are there on cuda only", fix="--compile kernels, or --device cuda")
    settings = Settings(
        device=device,
        precision=request.precision,
        batch=request.batch or DEFAULT_BATCH[torch.device(device).type],
        workers=request.workers or min(usable_cpus(), 16),
        on_bad_frame=request.on_bad_frame,
        frame_order=request.frame_order,
        shard=request.shard,
        compile=request.compile,
        resize=request.resize or ("reader" if torch.device(device).type == "cpu" else "device"),
    )
    if request.shard and not 1 <= request.shard[0] <= request.shard[1]:
        this, of = request.shard
        raise GsmBenchError(
            f"there is no shard {this}/{of}", fix=f"--shard 1/{max(of, 1)} .. --shard {max(of, 1)}/{max(of, 1)}"
        )
    return replace(settings, threads=request.threads) if request.threads else settings


def _target(request: Request, entry: ModelEntry, dataset: str, split: str, workspace: Workspace) -> Path:
    name = entry.name
    if request.frame_order != "forward":
        name += f".{request.frame_order}"
    if request.limit:
        name += f".limit-{request.limit}"
    return workspace.score_path(dataset, split, name)


def _with_kept_counts(split: Split, target: Path) -> Split:
    """A list without frame counts keeps those that an earlier run counted, so that a vanished frame is noticed."""
    if split.num_frames.all() or not target.exists():
        return split
    with open_scores(target) as file:
        head = file.head
    if head.ids != split.ids or head.num_frames is None:
        return split
    kept = (split.num_frames == 0) & (head.status != NOT_SCORED)
    return replace(split, num_frames=np.where(kept, head.num_frames, split.num_frames))
