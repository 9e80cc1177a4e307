"""The videos, frames, labels and networks that a diagnosis or a probe works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import nn

from gsm_bench.entries import Published
from gsm_bench.errors import FrameError, NoLabelsError
from gsm_bench.manifest import Manifest
from gsm_bench.nets.registry import load_network
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.network import ForwardPool
from gsm_bench.scoring.prepare import Request, job_of
from gsm_bench.trust.diagnose_frames import FrameStore
from gsm_bench.trust.diagnose_network import Load, NetworkUnderTrial
from gsm_bench.trust.diagnose_settings import Trial
from gsm_bench.workspace import Workspace

VIDEOS = 300


@dataclass(frozen=True)
class DiagnosisRequest:
    """What to diagnose.

    Attributes:
        scoring: model, data set, split, frames and device, as of `score`.
        videos: how many are tried, chosen at random by `seed`; 0 for all.
        task: whose labels are used; the first with labels if None.
    """

    scoring: Request
    videos: int = VIDEOS
    seed: int = 0
    task: str | None = None


@dataclass(frozen=True)
class Setup:
    """Videos with labels and frames.

    Attributes:
        labels: int64 [N], of the split.
        places: int64 [n], the videos of the store that can be used; rows: their rows in the split.
        base: the settings of the entry.
    """

    job: Job
    task: str
    load: Load
    store: FrameStore
    labels: NDArray[np.int64]
    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    base: Trial

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """int64 [n], equal for videos that are not independent."""
        return None if self.job.split.groups is None else self.job.split.groups[self.rows]

    @property
    def published(self) -> Published | None:
        """The published accuracy of one clip, if it is of this split."""
        entry, split = self.job.entry, self.job.split
        return entry.published_for(1, split.name, self.task) if split.dataset == entry.dataset else None

    def network(self, pool: ForwardPool) -> NetworkUnderTrial:
        """The network, which runs its passes in a pool."""
        return NetworkUnderTrial(self.job.entry, self.load, self.store, self.job.settings, self.task, pool)


def set_up(
    request: DiagnosisRequest, manifest: Manifest, workspace: Workspace,
    trials: Callable[[Trial, int, bool], Sequence[Trial]], progress: Callable[[int, int], None],
) -> Setup:  # fmt: skip
    """Choose videos, load the network and decode the frames that trials of the entry's settings need.

    Args:
        trials: what will be tried, from the entry's settings, the frames of a video, and whether it has more than listed.
        progress: called with the videos whose frames are read, and all.

    Raises:
        NoLabelsError: the split has no labels.
        FrameError: no video can be read.
    """
    job = job_of(replace(request.scoring, crops=1, fresh=True), manifest, workspace)
    task = _task(job, request.task)
    load = _loader(job, workspace)
    load(job.entry)  # its errors come before anything is read
    labels = job.split.labels[task].astype(np.int64)
    rows = chosen_rows(labels, request.videos, request.seed)
    store = FrameStore(job.source, job.split, rows)
    base = Trial.of_entry(job.entry.input, job.entry.frames, job.entry.sampling, job.entry.clips)
    usable = store.load(lambda total, longer: trials(base, total, longer), job.settings.workers, progress)
    if not usable.any():
        name, reason = next(iter(store.bad.items()))
        raise FrameError(
            f"none of {len(rows)} videos can be read, first {name!r}: {reason}", fix="gsmbench doctor data"
        )
    return Setup(job, task, load, store, labels, np.flatnonzero(usable), rows[usable], base)


def chosen_rows(labels: NDArray[np.int64], videos: int, seed: int) -> NDArray[np.int64]:
    """At most `videos` labelled rows int64 [n] in random order; all for 0."""
    known = np.flatnonzero(labels >= 0)
    order: NDArray[np.int64] = np.random.default_rng(seed).permutation(known)
    return order[: videos or None]


def _task(job: Job, task: str | None) -> str:
    with_labels = [name for name in job.entry.tasks if (job.split.labels.get(name, np.empty(0)) >= 0).any()]
    if not with_labels or (task is not None and task not in with_labels):
        wanted = f"{task} labels" if task is not None else "labels"
        raise NoLabelsError(
            f"{job.split.dataset}/{job.split.name} has no {wanted}, and without them no accuracy says what is wrong",
            where=job.split.list_path,
            fix=f"use a split with labels, or --task {' or '.join(with_labels)}"
            if with_labels
            else "use a split with labels",
        )
    return task or with_labels[0]


def _loader(job: Job, workspace: Workspace) -> Load:
    """Loads the network of an entry, which may have another number of frames."""
    checkpoint = workspace.checkpoint_path(job.entry.checkpoint.file)

    @lru_cache(maxsize=8)
    def load(frames: int) -> nn.Module:
        return load_network(replace(job.entry, frames=frames), checkpoint, search=workspace.root).network

    return lambda entry: load(entry.frames)
