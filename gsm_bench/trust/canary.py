"""Make and check canaries: are network, weights, frames and preprocessing those of the card?"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from torch import nn

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import FrameError, GsmBenchError
from gsm_bench.frames.read_views import view_indices
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import SCORED, read
from gsm_bench.scoring.job import Job, score_views
from gsm_bench.scoring.prepare import Request, prepare
from gsm_bench.scoring.resume import open_run
from gsm_bench.scoring.run import run
from gsm_bench.splits import Video
from gsm_bench.trust.canary_file import Canary, CanaryCard
from gsm_bench.workspace import Workspace

VIDEOS = 64
TOLERANCE = 0.01
"""Largest difference of sound logits, in standard deviations of all logits: rounding to float16 takes 0.001 to 0.003."""
LEAST_COMMON = 8
"""Videos of a canary that must be here."""
SETTINGS = ("network", "temporal", "frames", "classes", "class_order", "input", "head", "score_kind", "options")
"""What of an entry changes the scores of one clip."""
SHIFTS = {1: "one frame later", -1: "one frame earlier"}
EXPLAINED = 0.8
"""Share of the videos with other pixels that a cause must explain."""


@dataclass(frozen=True)
class CanaryCheck:
    """What the comparison with a canary says.

    Attributes:
        settings: which settings of the entry differ from the card's, in words.
        weights: whether the checkpoint is the file of the card.
        compared: videos compared; missing: ids that are not here, or cannot be read.
        other_pixels: ids whose decoded frames differ; cause: what explains them, in words.
        largest: largest difference of a logit, in standard deviations, by id.
    """

    canary: Canary
    settings: tuple[str, ...]
    weights: bool
    compared: int
    missing: tuple[str, ...]
    other_pixels: tuple[str, ...]
    cause: str
    largest: Mapping[str, float]

    @property
    def off(self) -> list[str]:
        """Ids whose logits differ."""
        return [name for name, difference in self.largest.items() if not difference <= TOLERANCE]

    @property
    def passes(self) -> bool:
        """Whether all logits are those of the card."""
        return not self.off

    @property
    def sentence(self) -> str:
        """The answer in plain words."""
        if self.passes:
            worst = max(self.largest.values(), default=0.0)
            note = f"; {self.cause or 'pixels differ a little'}" if self.other_pixels else ""
            return f"PASS: logits of {self.compared} videos are those of the card (largest difference {worst:.4f} sd){note}"
        count = (
            f"logits of {len(self.off)} of {self.compared} videos differ, by up to {max(self.largest.values()):.2f} sd"
        )
        return f"FAIL: {count}: {self._reason()}"

    def _reason(self) -> str:
        if self.settings:
            return f"the entry has other settings than the card: {'; '.join(self.settings)}"
        if self.other_pixels:
            share = f"{len(self.other_pixels)} of {self.compared} videos have other pixels"
            return f"{share}: {self.cause or 'encoded again, resized, or decoded by another library'}"
        if not self.weights:
            return "the checkpoint is another file than that of the card"
        return "frames, settings and weights are those of the card: the code of network or preprocessing differs"


def make_canary(request: Request, manifest: Manifest, workspace: Workspace) -> Canary:
    """Score `VIDEOS` videos, spread over the split, one clip each.

    Raises:
        GsmBenchError: what scoring needs is missing, or no video can be read.
    """
    job, loaded = prepare(request, manifest, workspace)
    rows = np.linspace(0, len(job.split) - 1, min(VIDEOS, len(job.split))).round().astype(np.int64)
    scores, sound = _scores(_one_clip(job, rows), loaded.network)
    if not sound.any():
        raise GsmBenchError("no video of the sample can be read", where=job.split.list_path, fix="gsmbench doctor data")
    videos = [job.split.video(int(row)) for row in rows[sound]]
    card = CanaryCard(
        model=job.entry.name, settings=_settings(job.entry), checkpoint_sha256=job.checkpoint_sha256,
        dataset=job.split.dataset, split=job.split.name, decoder=job.source.encoding, kind=job.entry.score_kind,
        versions={name: version(name) for name in ("gsm-bench", "torch", "pillow", "simplejpeg")},
        ids=tuple(video.id for video in videos), num_frames=tuple(job.source.count(video) for video in videos),
        pixels=tuple(pixels_of_clip(job, video) for video in videos),
        middle=tuple(pixels_of_middle(job, video) for video in videos),
    )  # fmt: skip
    return Canary(card, {task: values[sound].astype(np.float16) for task, values in scores.items()})


def check_canary(canary: Canary, request: Request, manifest: Manifest, workspace: Workspace) -> CanaryCheck:
    """Score the videos of a canary and compare.

    Raises:
        GsmBenchError: what scoring needs is missing, or too few of the videos are here.
    """
    card = canary.card
    job, loaded = prepare(
        replace(request, dataset=request.dataset or card.dataset, split=request.split or card.split),
        manifest,
        workspace,
    )
    row_of = {name: row for row, name in enumerate(job.split.ids)}
    here = [at for at, name in enumerate(card.ids) if name in row_of]
    if len(here) < min(LEAST_COMMON, len(card.ids)):
        raise GsmBenchError(
            f"{len(here)} of the {len(card.ids)} videos of the canary are in this list, such as {card.ids[0]!r}",
            where=job.split.list_path, fix=f"use the list of {card.dataset}/{card.split}",
        )  # fmt: skip
    _check_tasks(canary, job.entry)
    rows = np.array([row_of[card.ids[at]] for at in here], np.int64)
    scores, sound = _scores(_one_clip(job, rows), loaded.network)
    chosen = [at for at, one in zip(here, sound, strict=True) if one]
    if not chosen:
        raise GsmBenchError("no video of the canary can be read", where=job.frames_path, fix="gsmbench doctor data")
    videos = [job.split.video(row_of[card.ids[at]]) for at in chosen]
    other = [at for at, video in zip(chosen, videos, strict=True) if pixels_of_clip(job, video) != card.pixels[at]]
    return CanaryCheck(
        canary,
        settings=_setting_changes(card, job.entry),
        weights=job.checkpoint_sha256 == card.checkpoint_sha256,
        compared=len(chosen),
        missing=tuple(name for at, name in enumerate(card.ids) if at not in chosen),
        other_pixels=tuple(card.ids[at] for at in other),
        cause=_cause(job, [(card.middle[at], job.split.video(row_of[card.ids[at]])) for at in other]),
        largest=_differences(canary, {task: values[sound] for task, values in scores.items()}, chosen),
    )


def _one_clip(job: Job, rows: NDArray[np.int64]) -> Job:
    """The job on some rows, with one clip and the centre crop."""
    return replace(job, split=job.split.reordered(rows), views=score_views(1, 1), limit=None, fresh=False)


def _scores(job: Job, network: nn.Module) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
    """Scores float32 [n, C] per task, and bool [n], which videos have some; by the way of ``score``, in a folder aside."""
    with tempfile.TemporaryDirectory(prefix="gsmbench-") as folder:
        outcome = run(open_run(replace(job, target=Path(folder) / "canary.h5")), network)
        assert outcome.path is not None
        scores = read(outcome.path)
        return {task: values[:, 0] for task, values in scores.scores.items()}, scores.status == SCORED


def pixels_of_clip(job: Job, video: Video) -> str:
    """A checksum of the decoded frames of the one clip, 8 hexadecimal digits; ``unread`` if one cannot be read."""
    return _checksum(job, video, _clip_numbers(job, video))


def pixels_of_middle(job: Job, video: Video, shift: int = 0, *, swapped: bool = False) -> str:
    """A checksum of the middle frame of the clip, or of one `shift` later, or with red and blue `swapped`."""
    numbers = _clip_numbers(job, video)
    return _checksum(job, video, [numbers[len(numbers) // 2] + shift], swapped=swapped)


def _clip_numbers(job: Job, video: Video) -> list[int]:
    """Numbers of the frames of the one clip, ascending, each once."""
    numbers: list[int] = np.unique(view_indices(job.source.count(video), job.read_plan, score_views(1, 1)[0])).tolist()
    return numbers


def _checksum(job: Job, video: Video, numbers: Sequence[int], *, swapped: bool = False) -> str:
    digest = 0
    for _, picture in job.source.pictures(video, numbers):
        if isinstance(picture, FrameError):
            return "unread"
        pixels = np.asarray(picture)
        digest = isal_zlib.crc32(np.ascontiguousarray(pixels[:, :, ::-1] if swapped else pixels), digest)
    return f"{digest:08x}"


def _cause(job: Job, others: Sequence[tuple[str, Video]]) -> str:
    """What explains the pixels of nearly all videos that differ from the card's, given the card's middle frames.

    Videos that stand still in the middle tell nothing of a shift, and are left out.
    """
    moving = [(expected, video) for expected, video in others if pixels_of_middle(job, video) != expected]
    explained: Counter[str] = Counter()
    for expected, video in moving:
        for shift, words in SHIFTS.items():
            explained[f"the frames are those {words}"] += pixels_of_middle(job, video, -shift) == expected
        explained["red and blue are swapped in the pictures"] += pixels_of_middle(job, video, swapped=True) == expected
    words, count = explained.most_common(1)[0] if explained else ("", 0)
    return words if count and count >= EXPLAINED * len(moving) else ""


def _settings(entry: ModelEntry) -> dict[str, Any]:
    """What of an entry changes scores, as JSON holds it."""
    values = asdict(entry)
    settings: dict[str, Any] = json.loads(json.dumps({key: values[key] for key in SETTINGS}))
    return settings


def _setting_changes(card: CanaryCard, entry: ModelEntry) -> tuple[str, ...]:
    """Settings in which the entry differs from the card, in words."""
    before, now = _flat(card.settings), _flat(_settings(entry))
    return tuple(
        f"{key} is {now.get(key)}, the card's {before.get(key)}"
        for key in before.keys() | now.keys()
        if before.get(key) != now.get(key)
    )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    inner = {f"input.{key}": value for key, value in dict(settings.get("input") or {}).items()}
    return {key: value for key, value in settings.items() if key != "input"} | inner


def _check_tasks(canary: Canary, entry: ModelEntry) -> None:
    shapes = {task: values.shape[1] for task, values in canary.logits.items()}
    if shapes != entry.tasks:
        raise GsmBenchError(
            f"the canary has {shapes} classes, the entry {entry.name} {entry.tasks}", fix="use the canary of this model"
        )


def _differences(canary: Canary, scores: Mapping[str, NDArray[np.float32]], chosen: Sequence[int]) -> dict[str, float]:
    """Largest difference of a logit per video, in standard deviations of the canary's logits."""
    worst = np.zeros(len(chosen))
    for task, stored in canary.logits.items():
        expected = stored.astype(np.float32)
        scale = float(expected.std()) or 1.0
        worst = np.maximum(worst, np.abs(scores[task] - expected[list(chosen)]).max(axis=1) / scale)
    return {canary.card.ids[at]: float(value) for at, value in zip(chosen, worst, strict=True)}
