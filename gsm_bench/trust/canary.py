"""Make and check canaries: are network, weights, frames and preprocessing those of the card?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import GsmBenchError
from gsm_bench.manifest import Manifest
from gsm_bench.sampling_rules import TICKS
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.prepare import Request
from gsm_bench.trust.canary_clips import CanaryClips, prepare_clips
from gsm_bench.trust.canary_file import Canary, CanaryCard
from gsm_bench.workspace import Workspace

VIDEOS = 64
TOLERANCE = 0.01
"""Largest difference of sound logits, in standard deviations of all logits: rounding to float16 takes 0.001 to 0.003."""
LEAST_COMMON = 8
"""Videos of a canary that must be here."""
PROTOCOL = ("sampling", "clips", "crops")
SETTINGS = (
    "network",
    "temporal",
    "frames",
    "classes",
    "class_order",
    "input",
    "head",
    "score_kind",
    "options",
    *PROTOCOL,
)
"""What of an entry changes the scores of a view."""
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
    """Score `VIDEOS` videos, spread over the split: of each one clip and crop of those that the entry has, in turn.

    Raises:
        GsmBenchError: what scoring needs is missing, or no video can be read.
    """
    job, loaded = prepare_clips(request, manifest, workspace)
    rows = np.linspace(0, len(job.split) - 1, min(VIDEOS, len(job.split))).round().astype(np.int64)
    clips = CanaryClips.in_turn(job, rows)
    scores, sound = clips.scores(loaded.network)
    if not sound.any():
        raise GsmBenchError("no video of the sample can be read", where=job.split.list_path, fix="gsmbench doctor data")
    clips = clips.chosen(sound)
    every = range(len(clips.view))
    card = CanaryCard(
        model=job.entry.name, settings=_settings(job.entry), checkpoint_sha256=job.checkpoint_sha256,
        dataset=job.split.dataset, split=job.split.name, decoder=job.source.encoding, kind=job.entry.score_kind,
        versions={name: version(name) for name in ("gsm-bench", "torch", "pillow", "simplejpeg")},
        ids=tuple(clips.video(at).id for at in every), num_frames=tuple(clips.num_frames(at) for at in every),
        pixels=tuple(clips.pixels(at) for at in every), middle=tuple(clips.middle(at) for at in every),
        view=tuple(clips.view.tolist()),
    )  # fmt: skip
    return Canary(card, {task: values[sound].astype(np.float16) for task, values in scores.items()})


def check_canary(canary: Canary, request: Request, manifest: Manifest, workspace: Workspace) -> CanaryCheck:
    """Score the videos of a canary and compare.

    Raises:
        GsmBenchError: what scoring needs is missing, or too few of the videos are here.
    """
    card = canary.card
    request = replace(request, dataset=request.dataset or card.dataset, split=request.split or card.split)
    job, loaded = prepare_clips(request, manifest, workspace)
    _check_tasks(canary, job.entry)
    _check_rule(card, job.entry)
    here = _videos_here(card, job)
    row_of = {name: row for row, name in enumerate(job.split.ids)}
    rows = np.array([row_of[card.ids[at]] for at in here], np.int64)
    clips = CanaryClips.of_views(job, rows, [card.view[at] for at in here] if card.view else ())
    scores, sound = clips.scores(loaded.network)
    if not sound.any():
        raise GsmBenchError("no video of the canary can be read", where=job.frames_path, fix="gsmbench doctor data")
    chosen, clips = [at for at, one in zip(here, sound, strict=True) if one], clips.chosen(sound)
    other = [place for place, at in enumerate(chosen) if clips.pixels(place) != card.pixels[at]]
    return CanaryCheck(
        canary,
        settings=_setting_changes(card, job.entry),
        weights=job.checkpoint_sha256 == card.checkpoint_sha256,
        compared=len(chosen),
        missing=tuple(name for at, name in enumerate(card.ids) if at not in chosen),
        other_pixels=tuple(card.ids[chosen[place]] for place in other),
        cause=_cause(clips, card, {place: chosen[place] for place in other}),
        largest=_differences(canary, {task: values[sound] for task, values in scores.items()}, chosen),
    )


def _videos_here(card: CanaryCard, job: Job) -> list[int]:
    """Places of the canary's videos that the split has."""
    listed = set(job.split.ids)
    here = [at for at, name in enumerate(card.ids) if name in listed]
    if len(here) < min(LEAST_COMMON, len(card.ids)):
        raise GsmBenchError(
            f"{len(here)} of the {len(card.ids)} videos of the canary are in this list, such as {card.ids[0]!r}",
            where=job.split.list_path, fix=f"use the list of {card.dataset}/{card.split}",
        )  # fmt: skip
    return here


def _check_rule(card: CanaryCard, entry: ModelEntry) -> None:
    """Refuse a canary without a sampling rule, unless it can only be that of ticks."""
    if not card.view and entry.sampling != TICKS:
        raise GsmBenchError(
            f"the canary of {entry.name} does not say which sampling rule it was made with; the entry has {entry.sampling}",
            fix=f"make it again, with the right set-up: gsmbench models canary {entry.name} --force",
        )


def _cause(clips: CanaryClips, card: CanaryCard, others: Mapping[int, int]) -> str:
    """What explains the pixels of nearly all videos that differ from the card's.

    Videos that stand still in the middle tell nothing of a shift, and are left out.

    Args:
        others: places of these videos among the clips, and on the card.
    """
    moving = {place: at for place, at in others.items() if clips.middle(place) != card.middle[at]}
    explained: Counter[str] = Counter()
    for place, at in moving.items():
        for shift, words in SHIFTS.items():
            explained[f"the frames are those {words}"] += clips.middle(place, -shift) == card.middle[at]
        swapped = clips.middle(place, swapped=True) == card.middle[at]
        explained["red and blue are swapped in the pictures"] += swapped
    words, count = explained.most_common(1)[0] if explained else ("", 0)
    if count and count >= EXPLAINED * len(moving):
        return words
    counts = [(clips.num_frames(place), card.num_frames[at]) for place, at in others.items()]
    unlike = [f"other numbers of frames, such as {here}, the card's {there}" for here, there in counts if here != there]
    return unlike[0] if unlike and len(unlike) >= EXPLAINED * len(others) else ""


def _settings(entry: ModelEntry) -> dict[str, Any]:
    """What of an entry changes scores, as JSON holds it."""
    values = asdict(entry) | {"sampling": str(entry.sampling)}
    settings: dict[str, Any] = json.loads(json.dumps({key: values[key] for key in SETTINGS}))
    return settings


def _setting_changes(card: CanaryCard, entry: ModelEntry) -> tuple[str, ...]:
    """Settings in which the entry differs from the card, in words."""
    before, now = _flat(card.settings), _flat(_settings(entry))
    keys = [key for key in dict.fromkeys([*now, *before]) if card.view or key not in PROTOCOL]
    return tuple(
        f"{key} is {now.get(key)}, the card's {before.get(key)}" for key in keys if before.get(key) != now.get(key)
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
