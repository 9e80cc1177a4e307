"""Quantised scores, from which a page fuses any members at any weights.

A score is stored as its distance d from the highest score of its row, in natural logarithms: logits as they are,
probabilities through their logarithms. Code q in 0..L-1 stands for the distance DEEPEST * (q / (L - 1))^2, so that steps are
finest at the top, where ranks are decided. What a row has lost, a constant, changes no rank: fused logits and fused
log-probabilities are ranked by sums of distances, and probabilities are exp(-d) over their sum.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import BLOCK_ROWS, floored
from gsm_bench.ensembles.members import MemberSpec, OpenMember
from gsm_bench.ensembles.spaces import to_space
from gsm_bench.report.payload import SplitPayload
from gsm_bench.sampling import clip_offsets
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.settings import Space

Codes = NDArray[np.uint8]
DEEPEST = 20.0
"""Distance of the last code; lower scores count as this low."""
LEVELS = (256, 128, 64)
"""Numbers of codes that are tried; fewer take less room."""
MOST_BYTES = 15_000_000
"""The playground is left out where it would take more of a page than this."""
BASE64 = 4 / 3
SAMPLED_ROWS = 512
"""Rows, spread over the split, that are compressed to learn what all would take."""


@dataclass(frozen=True)
class Layer:
    """Scores of one clip of a model, in log space [N, C] of its own rows, with the mean over crops.

    Attributes:
        member: the open file.
        views: indices of the views of this clip.
        rows: int64 [N] its row of each video of the split; -1 where it has none.
    """

    member: OpenMember
    views: NDArray[np.int64]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class PlaygroundMember:
    """A member that can be ticked.

    Attributes:
        name: as a command line names it.
        layers: numbers of the layers that it averages.
        hits: of the library, by k; scored: videos that they are counted over.
    """

    name: str
    layers: tuple[int, ...]
    hits: Mapping[int, int]
    scored: int


@dataclass(frozen=True)
class SavedPoint:
    """An ensemble with the library's figures.

    Attributes:
        members: number, weight and temperature of each.
        space: what is averaged.
    """

    name: str
    members: tuple[tuple[int, float, float], ...]
    space: Space
    hits: Mapping[int, int]
    scored: int


@dataclass(frozen=True)
class Playground:
    """The quantised scores of one task of a split.

    Attributes:
        levels: number of codes; 0 if the scores are left out.
        codes: uint8 [N, C] per layer.
        scored: uint8 [L, N] per layer, 1 where a video has scores.
        size: bytes that they would take of the page, estimated.
        kinds: of the members' scores.
        crops: whether some layers are means over several crops, so that their probabilities are those of the mean.
    """

    task: str
    members: tuple[PlaygroundMember, ...]
    saved: tuple[SavedPoint, ...]
    levels: int
    codes: tuple[Codes, ...]
    scored: NDArray[np.uint8]
    size: int
    kinds: tuple[Space, ...] = ("logits",)
    crops: bool = False


def member_layers(member: OpenMember, rows: NDArray[np.int64]) -> dict[float, Layer]:
    """A layer for each clip offset that a member averages; NaN alone where views have no offsets.

    Args:
        rows: int64 [N], the member's rows of the videos of the split.
    """
    offsets = member.head.views["offset"][member.views]
    if np.isnan(offsets).any():
        return {np.nan: Layer(member, member.views, rows)}
    return {
        float(offset): Layer(member, member.views[np.isclose(offsets, offset, atol=1e-9)], rows)
        for offset in clip_offsets(member.spec.clips or 1)
    }


def layer_key(spec: MemberSpec, offset: float) -> tuple[str, float]:
    """What tells layers apart: file and clip."""
    return str(spec.path.absolute()), -1.0 if np.isnan(offset) else round(offset, 9)


def quantised(scores: NDArray[np.floating], levels: int) -> Codes:
    """Codes uint8 [n, C] of scores [n, C] in log space."""
    distance = scores.max(axis=1, keepdims=True) - scores
    places = np.sqrt(np.minimum(distance, DEEPEST) / DEEPEST) * (levels - 1)
    codes: Codes = np.rint(places).astype(np.uint8)
    return codes


def distances(levels: int) -> NDArray[np.float64]:
    """The distance float64 [L] of each code."""
    return DEEPEST * (np.arange(levels) / (levels - 1)) ** 2


def quantise_layers(
    layers: Sequence[Layer], task: str, videos: int, most: int = MOST_BYTES
) -> tuple[int, list[Codes], int]:
    """The codes of each layer, with the most levels that fit into `most` bytes of a page.

    Returns:
        The number of levels, 0 if none fits; codes uint8 [N, C] per layer; the estimated size in bytes.
    """
    size = 0
    for levels in LEVELS:
        size = sum(_estimated_size(layer, task, videos, levels) for layer in layers)
        if size <= most:
            return levels, [_codes(layer, task, videos, levels) for layer in layers], size
    return 0, [], size


def scored_rows(layer: Layer) -> NDArray[np.uint8]:
    """uint8 [N]: 1 where a video has scores in a layer."""
    status = layer.member.file.head.status
    scored: NDArray[np.uint8] = ((layer.rows >= 0) & (status[np.maximum(layer.rows, 0)] != NOT_SCORED)).astype(np.uint8)
    return scored


def add_playground(payload: SplitPayload, playground: Playground) -> None:
    """Add a task's playground.

    Fact ``playground``: per task levels, deepest, classes, size, members and saved points. Arrays ``playground/TASK/0``, ..
    uint8 [N, C], a blob each, and ``playground/TASK/scored`` uint8 [L, N].
    """
    name = f"playground/{playground.task}"
    for number, codes in enumerate(playground.codes):
        payload.add(f"{name}/{number}", codes, blob=f"scores-{playground.task}-{number}")
    if playground.codes:
        payload.add(f"{name}/scored", playground.scored, blob=f"scores-{playground.task}-0")
    known = payload.facts.setdefault("playground", {})
    known[playground.task] = {
        "levels": playground.levels,
        "deepest": DEEPEST,
        "size": playground.size,
        "most": MOST_BYTES,
        "kinds": playground.kinds,
        "crops": playground.crops,
        "members": [
            {"name": one.name, "layers": one.layers, "hits": _by_k(one.hits), "scored": one.scored}
            for one in playground.members
        ],
        "saved": [
            {
                "name": one.name, "members": one.members, "space": one.space, "hits": _by_k(one.hits), "scored": one.scored,
            }
            for one in playground.saved
        ],
    }  # fmt: skip


def _by_k(hits: Mapping[int, int]) -> dict[str, int]:
    return {str(k): int(count) for k, count in hits.items()}


def _estimated_size(layer: Layer, task: str, videos: int, levels: int) -> int:
    """Bytes of a layer in the page, from some of its rows."""
    present = layer.rows[scored_rows(layer) > 0]
    rows = present[:: max(1, len(present) // SAMPLED_ROWS)]
    if not len(rows):
        return 0
    codes = quantised(_log_scores(layer, layer.member.file.rows(task, rows), task), levels)
    return int(len(zlib.compress(codes.tobytes(), 6)) * BASE64 * videos / len(rows))


def _codes(layer: Layer, task: str, videos: int, levels: int) -> Codes:
    """Codes uint8 [N, C] in the rows of the split; 0 where a video has no scores."""
    codes = np.zeros((videos, layer.member.head.classes_per_task[task]), np.uint8)
    present = np.flatnonzero(scored_rows(layer))
    for start in range(0, len(present), BLOCK_ROWS):
        rows = present[start : start + BLOCK_ROWS]
        block = layer.member.file.rows(task, layer.rows[rows])
        codes[rows] = quantised(_log_scores(layer, block, task), levels)
    return codes


def _log_scores(layer: Layer, block: NDArray[np.float32], task: str) -> NDArray[np.floating]:
    """Scores [n, C] of a block float32 [n, V, C] as logits or logarithms of probabilities."""
    kind = layer.member.head.kinds[task]
    means = floored(block[:, layer.views]).mean(axis=1, dtype=np.float64)
    return means if kind == "logits" else to_space(means.astype(np.float32), kind, "log_probabilities")
