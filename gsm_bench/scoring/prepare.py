"""From a request to a job that can run: entry, split, frames, checkpoint, views, paths."""

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
from gsm_bench.frames.sources import FrameSource, open_source
from gsm_bench.manifest import Manifest, check_same_classes
from gsm_bench.nets.features import with_features
from gsm_bench.nets.registry import LoadedNetwork, load_network
from gsm_bench.places import Place
from gsm_bench.sampling_rules import parse_sampling, sampling_problem
from gsm_bench.score_head import FEATURES, SCORES, FileForm
from gsm_bench.scorefile import NOT_SCORED, open_scores
from gsm_bench.scoring.job import (
    DEFAULT_BATCH,
    Job,
    Settings,
    check_device,
    default_device,
    score_views,
)
from gsm_bench.scoring.list_columns import read_with_frames
from gsm_bench.settings import BadFramePolicy, Compile, Crops, FrameOrder, Precision, Prefer, Resize
from gsm_bench.splits import Split, Video, read_split
from gsm_bench.workspace import Workspace

SAMPLED_VIDEOS = 256
"""Videos that are looked up to find out where frames lie, and in what form."""
COUNTED_VIDEOS = 8
"""Videos whose frames are counted to compare them with the list."""
MAX_WORKERS = 16


@dataclass(frozen=True)
class Request:
    """What to score and how; None takes the value of the model's entry, or the default for this machine.

    Attributes:
        limit: only the first so many videos; sample: so many at equal distances.
        layers: whose features are computed instead of scores.
        sampling: ``RULE`` or ``RULE:STRIDE``, as of `sampling_rules`.
        test_frames: T of the test, where it is not that of training.
    """

    model: str
    dataset: str | None = None
    split: str | None = None
    data: Path | None = None
    frames: Place | None = None
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
    prefer: Prefer = "folder"
    compile: Compile = "none"
    sample: int | None = None
    layers: tuple[str, ...] = ()
    sampling: str | None = None
    test_frames: int | None = None


def prepare(request: Request, manifest: Manifest, workspace: Workspace) -> tuple[Job, LoadedNetwork]:
    """Resolve a request, its checkpoint loaded; raises a GsmBenchError that says what is missing and how to get it."""
    job = job_of(request, manifest, workspace)
    network = load_network(job.entry, workspace.checkpoint_path(job.entry.checkpoint.file), search=workspace.root)
    job = replace(job, checkpoint_sha256=network.sha256, left_out_keys=network.left_out)
    if not request.layers:
        return job, network
    features = with_features(network.network, request.layers, job.entry)
    return replace(job, layers=features.widths), replace(network, network=features.network)


def job_of(request: Request, manifest: Manifest, workspace: Workspace, checkpoint_sha256: str = "") -> Job:
    """The job of a request, without reading its checkpoint."""
    entry = manifest.model(request.model)
    settings = _settings(request)
    requested = _requested_split(request, entry, manifest, workspace)
    entry = _as_tested(_with_counted_classes(entry, requested.split), request)
    return _job(request, entry, settings, requested, workspace, checkpoint_sha256)


def prepare_together(
    requests: Sequence[Request], manifest: Manifest, workspace: Workspace
) -> list[tuple[Job, LoadedNetwork]]:
    """Resolve requests that differ only in their model, to share one reading of the frames."""
    prepared = [prepare(request, manifest, workspace) for request in requests]
    first = prepared[0][0]
    for job, _ in prepared[1:]:
        if (job.split.dataset, job.split.name, job.split.ids) != (
            first.split.dataset,
            first.split.name,
            first.split.ids,
        ):
            raise GsmBenchError(
                f"models of one run need one split: {first.entry.name} is scored on {first.split.dataset}/{first.split.name}, "
                f"{job.entry.name} on {job.split.dataset}/{job.split.name}",
                fix="set --dataset and --split for all of them, or use one run each",
            )
    return [(replace(job, source=first.source), loaded) for job, loaded in prepared]


def longer_than_listed(job: Job) -> tuple[Video, int] | None:
    """One of a few sampled videos with more frames than its list says, and their number: the list may not fit."""
    for video in job.split.sample(COUNTED_VIDEOS):
        with suppress(FrameError):
            if video.num_frames and not video.video and (frames := job.source.available(video)) > video.num_frames:
                return video, frames
    return None


@dataclass(frozen=True)
class _RequestedSplit:
    """The split of a request, and the directory with its lists and frames."""

    dataset: DatasetEntry
    split: Split
    data: Path


def _requested_split(request: Request, entry: ModelEntry, manifest: Manifest, workspace: Workspace) -> _RequestedSplit:
    dataset_name, split_name = manifest.place(entry.dataset, entry.split, request.dataset, request.split)
    dataset = manifest.dataset(dataset_name)
    check_same_classes(entry, dataset)
    data = request.data or workspace.data / dataset.folder
    split = read_split(dataset, split_name, data)
    return _RequestedSplit(dataset, _part(split, request), data)


def _part(split: Split, request: Request) -> Split:
    """The requested videos of a split."""
    if request.sample:
        return split.spread(request.sample)
    return split.head(request.limit) if request.limit else split


def _with_frames(request: Request, requested: _RequestedSplit) -> tuple[Split, FrameSource]:
    """The split and its frames; what the columns of its list mean may depend on the frames."""
    dataset = requested.dataset

    def read(columns: Sequence[str]) -> Split:
        if not columns:
            return requested.split
        return _part(read_split(dataset, requested.split.name, requested.data, columns), request)

    def open_frames(split: Split) -> FrameSource:
        return open_source(dataset, requested.data, split.sample(SAMPLED_VIDEOS), request.frames, request.prefer)

    return read_with_frames(read, open_frames, dataset.tasks.get("action", 0))


def _as_tested(entry: ModelEntry, request: Request) -> ModelEntry:
    """The entry with the sampling and the frames of a request; its published accuracies are of others, so they are left out.

    Raises:
        GsmBenchError: the sampling is unknown, or does not fit frames and clips.
    """
    try:
        sampling = parse_sampling(request.sampling) if request.sampling else entry.sampling
    except ValueError as error:
        raise GsmBenchError(str(error), fix="see docs/protocols.md, or gsmbench score --help") from error
    frames = request.test_frames or entry.frames
    problem = sampling_problem(sampling, frames, request.clips or entry.clips)
    if problem:
        raise GsmBenchError(problem, fix="change --sampling, --clips or --test-frames; see docs/protocols.md")
    if (sampling, frames) == (entry.sampling, entry.frames):
        return entry
    return replace(entry, sampling=sampling, frames=frames, published=())


def _with_counted_classes(entry: ModelEntry, split: Split) -> ModelEntry:
    """The entry with its numbers of classes; a number of 0 is counted in the files of the split.

    Raises:
        SplitError: the files that name the classes are missing.
    """
    uncounted = [task for task, classes in entry.tasks.items() if classes == 0]
    absent = [task for task in uncounted if not split.class_names.get(task)]
    if absent:
        raise SplitError(
            f"the {absent[0]} classes of {entry.name} are counted in the training csv of {split.dataset}, which is not here",
            where=split.list_path.parent,
            fix="put it beside the list; its verb-noun pairs are the action classes",
        )
    listed = len(split.class_names.get("action", ()))
    if listed and entry.tasks.get("action", 0) not in (0, listed):
        raise SplitError(
            f"{entry.name} has {entry.tasks['action']} action classes, {split.dataset} has {listed}", where=split.list_path,
            fix="score the data set that the model was trained for, or name all of its classes beside the list",
        )  # fmt: skip
    if not uncounted:
        return entry
    return replace(entry, classes=entry.tasks | {task: len(split.class_names[task]) for task in uncounted})


def _job(
    request: Request,
    entry: ModelEntry,
    settings: Settings,
    requested: _RequestedSplit,
    workspace: Workspace,
    checkpoint_sha256: str,
) -> Job:
    """The job of a request whose split is read."""
    dataset, split = requested.dataset, requested.split
    if not len(split):
        raise GsmBenchError(
            f"{dataset.name}/{split.name} has no videos", where=split.list_path, fix="use a list with rows"
        )
    target = request.out or _target(request, entry, dataset.name, split.name, workspace)
    form = FEATURES if request.layers else SCORES
    if target.is_dir():
        raise GsmBenchError(
            f"the {form.noun} would be written over a directory", where=target, fix="use --out DIRECTORY/FILE.h5"
        )
    split, source = _with_frames(request, requested)
    return Job(
        entry=entry,
        split=split if request.fresh else _with_kept_counts(split, target, form),
        source=source,
        views=score_views(request.clips or entry.clips, request.crops or entry.crops, entry.sampling),
        settings=settings,
        target=target,
        checkpoint_sha256=checkpoint_sha256,
        fresh=request.fresh,
        limit=request.limit,
        sample=request.sample,
        search=workspace.root,
        frames_path=str((request.frames or requested.data).resolve()),
    )


def default_workers() -> int:
    """Threads that read frames, unless told: one per core."""
    return min(usable_cpus(), MAX_WORKERS)


def _settings(request: Request) -> Settings:
    device = request.device or default_device()
    check_device(device)
    if request.compile == "graphs" and torch.device(device).type != "cuda":
        raise GsmBenchError("--compile graphs works on cuda only", fix="use --compile kernels, or --device cuda")
    settings = Settings(
        device=device,
        precision=request.precision,
        batch=request.batch or DEFAULT_BATCH[torch.device(device).type],
        workers=request.workers or default_workers(),
        on_bad_frame=request.on_bad_frame,
        frame_order=request.frame_order,
        shard=request.shard,
        compile=request.compile,
        resize=request.resize or ("reader" if torch.device(device).type == "cpu" else "device"),
    )
    if request.shard and not 1 <= request.shard[0] <= request.shard[1]:
        this, of = request.shard
        raise GsmBenchError(
            f"no shard {this}/{of}", fix=f"use --shard 1/{max(of, 1)} to --shard {max(of, 1)}/{max(of, 1)}"
        )
    return replace(settings, threads=request.threads) if request.threads else settings


def _target(request: Request, entry: ModelEntry, dataset: str, split: str, workspace: Workspace) -> Path:
    name = entry.name
    if request.frame_order != "forward":
        name += f".{request.frame_order}"
    if request.sampling:
        name += f".{str(entry.sampling).replace(':', '-')}"
    if request.test_frames:
        name += f".{request.test_frames}f"
    if request.limit:
        name += f".limit-{request.limit}"
    if request.sample:
        name += f".sample-{request.sample}"
    place = workspace.feature_path if request.layers else workspace.score_path
    return place(dataset, split, name)


def _with_kept_counts(split: Split, target: Path, form: FileForm) -> Split:
    """The split with frame counts of an earlier run where its list has none, so that missing frames are noticed.

    Counts that came from a list, and not from the stored frames, are not kept.
    """
    if split.num_frames.all() or not target.exists():
        return split
    with open_scores(target, form) as file:
        head = file.head
    if head.ids != split.ids or head.num_frames is None:
        return split
    kept = (split.num_frames == 0) & (head.status != NOT_SCORED)
    if head.fingerprints is not None:
        stored = head.fingerprints["frames"]
        kept &= (stored == 0) | (stored == head.num_frames)
    return replace(split, num_frames=np.where(kept, head.num_frames, split.num_frames))
