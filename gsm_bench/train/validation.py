"""Accuracies of a network in training on a split, by the scorer's own code."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gsm_bench.errors import NetworkError
from gsm_bench.frames.read_views import read_views
from gsm_bench.metrics.topk import topk_accuracy
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.network import ForwardPool, Scorer, collect
from gsm_bench.scoring.transfer import StackedPixels
from gsm_bench.train.parallel import Group
from gsm_bench.train.training_clips import read_ahead


class ValidationClips(Dataset[Tensor | None]):
    """The one-clip views of a split's videos, as `score` reads them: uint8 [1, T, S, S, 3]; None where one cannot be read.

    Tensors reach the main process through shared memory. Arrays would fill a pipe, and a reading process whose main process
    was killed would wait for ever to write into it.
    """

    def __init__(self, job: Job) -> None:
        self._split, self._plan, self._packed = job.split, job.read_plan, pickle.dumps(job.source)
        self._source: Any = None

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, row: int) -> Tensor | None:
        if self._source is None:
            self._source = pickle.loads(self._packed)  # our own bytes, made above
        pixels = read_views(self._source, self._split.video(row), self._plan).pixels
        return None if pixels is None else torch.from_numpy(np.asarray(pixels))


def validate(network: torch.nn.Module, job: Job, group: Group, workers: int) -> dict[str, float]:
    """Top-1 and top-5 of a split by the scorer's own code, fractions; also per task, for several tasks.

    Videos that cannot be read count as `unread` and in no accuracy; there is none if no video can be read.

    Raises:
        NetworkError: a score is not finite.
    """
    entry, rows = job.entry, np.arange(len(job.split))[group.rank :: group.processes]
    settings = {"batch_size": job.settings.batch, "sampler": rows.tolist(), "collate_fn": list}
    sums = dict.fromkeys([f"{task}/{k}" for task in entry.tasks for k in (1, 5)], 0.0)
    read = at = 0
    with ForwardPool(job.settings) as pool:
        scorer = Scorer(copy.deepcopy(network), entry, job.settings, pool)
        for videos in read_ahead(ValidationClips(job), workers, **settings):
            chosen, at = rows[at : at + len(videos)], at + len(videos)
            scored, scores = _scores(scorer, pool, videos)
            if not all(np.isfinite(values[scored]).all() for values in scores.values()):
                raise NetworkError(
                    f"scores of {job.split.dataset}/{job.split.name} became infinite",
                    fix="use a smaller --learning-rate, with --force or another --out",
                )
            read += int(scored.sum())
            for task, values in scores.items():
                labels = job.split.labels[task][chosen][scored]
                for k, accuracy in zip((1, 5), topk_accuracy(values[scored], labels, (1, 5)), strict=True):
                    sums[f"{task}/{k}"] += 0.0 if math.isnan(accuracy) else accuracy * len(labels)
    *hits, total, videos_read = group.sums([*sums.values(), float(len(rows)), float(read)])
    return _accuracies(dict(zip(sums, hits, strict=True)), total, videos_read)


def _scores(scorer: Scorer, pool: ForwardPool, videos: Sequence[Tensor | None]) -> tuple[Any, dict[str, Any]]:
    """Whether each video could be read, bool [B], and scores [B, C] per task; none where no video could."""
    pixels = [None if video is None else video.numpy() for video in videos]
    present = np.array([each is not None for each in pixels])
    if not present.any():
        return present, {}
    batch = StackedPixels(pixels, pool.loader.copies)
    return present, {task: values[:, 0] for task, values in collect(scorer.submit(batch), present).items()}


def _accuracies(hits: dict[str, float], total: float, read: float) -> dict[str, float]:
    if not read:
        return {"unread": total}
    values = {"top1": hits["action/1"] / read, "top5": hits["action/5"] / read}
    for name, count in hits.items():
        task, _, k = name.partition("/")
        if task != "action":
            values[f"{task}_top{k}"] = count / read
    return {**values, "unread": total - read} if read < total else values
