"""Calibration of results, unscaled and with a temperature fitted on other videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.fuse import FusedBlock, fuse_blocks
from gsm_bench.ensembles.member_files import MemberFile, member_files
from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.calibration import Calibration, calibration_of
from gsm_bench.metrics.folds import folds_of
from gsm_bench.metrics.softmax import safe_log
from gsm_bench.metrics.temperature import Blocks, Floats, fit_temperatures
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.settings import Space

Out = TypeVar("Out")


@dataclass(frozen=True)
class Calibrated:
    """Calibration of one result in one task.

    Attributes:
        label, task, space: what is calibrated, and the space its members are fused in.
        plain: calibration without scaling.
        scaled: calibration of scores divided by temperatures that were fitted on the other folds.
        temperature: fitted on all videos.
        files: the score files that the result is made of.
    """

    label: str
    task: str
    space: Space
    plain: Calibration
    scaled: Calibration
    temperature: float
    files: tuple[MemberFile, ...] = ()


def calibrate(
    label: str, members: Sequence[OpenMember], truth: GroundTruth, space: Space | None, *, bins: int, folds: int
) -> Iterator[Calibrated]:
    """Calibrate a fused result, per task with labels.

    Probabilities and log-probabilities are scaled through their logarithms.
    """
    for task in (task for task in common_tasks(members) if task in truth.labels):
        task_space = fusion_space(members, task, space)
        rows = _known_rows(members, truth.labels[task])
        if not len(rows):
            continue
        blocks = _log_scores(members, task, task_space, rows)
        labels = truth.labels[task][rows]
        fold_of = folds_of(len(rows), None if truth.groups is None else truth.groups[rows], folds)
        temperature, held_out = fit_temperatures(blocks, labels, fold_of)
        plain = calibration_of(blocks, labels, None, bins)
        scaled = calibration_of(blocks, labels, held_out[fold_of], bins)
        yield Calibrated(label, task, task_space, plain, scaled, temperature, member_files(members))


def _known_rows(members: Sequence[OpenMember], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """The rows [n] that have a label, and a score of every member."""
    scored = np.logical_and.reduce([member.status != NOT_SCORED for member in members])
    return np.flatnonzero(scored & (labels >= 0))


def _log_scores(members: Sequence[OpenMember], task: str, space: Space, rows: NDArray[np.int64]) -> Blocks:
    """Fused scores [n, C] of some ascending rows, block by block, such that their softmax is the prediction."""

    def each(work: Callable[[Floats, NDArray[np.int64]], Out]) -> Iterator[Out]:
        def on_block(block: FusedBlock) -> Out:
            first, last = np.searchsorted(rows, (block.start, block.start + len(block.scored)))
            scores = block.scores[rows[first:last] - block.start]
            if space == "probabilities":
                scores = safe_log(scores)
            return work(scores, np.arange(first, last))

        return fuse_blocks(members, task, space, on_block)

    return each


def bins_of(results: Sequence[Calibrated]) -> int:
    """Number of bins of the calibration errors."""
    return round(1 / (results[0].plain.bins[0].high - results[0].plain.bins[0].low)) if results else 0
