"""Clips of single videos through a network, with the saliency tube of a class and the frames that it saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gsm_bench.errors import FrameError, SplitError
from gsm_bench.frames.read_views import read_views, view_indices
from gsm_bench.frames.transform import normalise
from gsm_bench.manifest_files import nearest
from gsm_bench.metrics.saliency import SaliencyTube
from gsm_bench.metrics.softmax import softmax
from gsm_bench.nets.saliency import explain_clip
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.network_output import scores_by_task


@dataclass(frozen=True)
class WatchedClip:
    """One clip that a model saw.

    Attributes:
        model, video: their names.
        frames: uint8 RGB [T, S, S, 3], as the network takes them.
        numbers: frame numbers int64 [T], from 1.
        label: class of the video, -1 if unknown.
        probabilities: float64 [C].
        chosen: the class that the tube explains.
        tube: its saliency tube.
    """

    model: str
    video: str
    frames: NDArray[np.uint8]
    numbers: NDArray[np.int64]
    label: int
    probabilities: NDArray[np.float64]
    chosen: int
    tube: SaliencyTube

    @property
    def answer(self) -> int:
        """The predicted class."""
        return int(self.probabilities.argmax())


def watch_clips(
    job: Job, network: nn.Module, ids: Sequence[str], task: str, explained: int | None = None
) -> Iterator[WatchedClip]:
    """The centre clip of some videos of a job's split, in float32.

    Args:
        ids: of the videos.
        task: whose classes are meant.
        explained: the class that is explained; the predicted one if None.

    Raises:
        SplitError: the split has no such video.
        FrameError: a frame is missing or damaged.
    """
    device = torch.device(job.settings.device)
    network = network.eval().to(device)
    job = replace(job, settings=replace(job.settings, resize="reader"))
    rows = [row_of(job, name) for name in ids]
    for row in rows:
        yield _watch(job, network, row, task, explained)


def row_of(job: Job, name: str) -> int:
    """Row of a video in the split; raises SplitError if there is none."""
    ids = list(job.split.ids)
    if name not in ids:
        raise SplitError(
            f"no video {name!r} in {job.split.dataset}/{job.split.name}{nearest(name, ids)}",
            where=job.split.list_path,
            fix="name videos of this list",
        )
    return ids.index(name)


def _watch(job: Job, network: nn.Module, row: int, task: str, explained: int | None) -> WatchedClip:
    video, plan = job.split.video(row), job.read_plan
    views = read_views(job.source, video, plan)
    if views.pixels is None or views.problem:
        raise FrameError(f"video {video.id!r} cannot be shown: {views.problem}", fix="repair it, or name another one")
    pixels = np.asarray(views.pixels)[0]  # [T, S, S, 3]
    clip = normalise(torch.from_numpy(pixels), job.entry.input)[None].to(job.settings.device)
    seen = explain_clip(
        network, clip, lambda output: scores_by_task(output, job.entry, 1)[task], task,
        lambda scores: int(scores.argmax()) if explained is None else explained,
    )  # fmt: skip
    scores = seen.scores.numpy().astype(np.float64)
    labels = job.split.labels.get(task)
    return WatchedClip(
        model=job.entry.name, video=video.id, frames=pixels,
        numbers=view_indices(views.num_frames, plan, job.views[0]),
        label=-1 if labels is None else int(labels[row]),
        probabilities=scores if job.entry.score_kind == "probabilities" else softmax(scores), chosen=seen.chosen,
        tube=seen.tube,
    )  # fmt: skip
