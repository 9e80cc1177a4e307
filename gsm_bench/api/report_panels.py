"""The parts of a report that scripts compute or draw: cascades, the playground, frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gsm_bench.api.report_cascade import reported_cascades
from gsm_bench.api.report_frames import NORMAL, FrameSettings, most_telling, reported_frames
from gsm_bench.api.report_parts import Where
from gsm_bench.api.report_playground import FusedResult, reported_playground
from gsm_bench.api.sources import LabelFinder, NamedSource
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.report.cascade import last_members
from gsm_bench.report.content import ReportedSplit
from gsm_bench.report.frames import ReportedFrames

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace


def with_panels(
    bench: OpenWorkspace, split: ReportedSplit, truth: GroundTruth | None, where: Where, labels: LabelFinder,
    messages: list[str], frames: FrameSettings = NORMAL,
) -> ReportedSplit:  # fmt: skip
    """A split with its cascades, playgrounds and frames.

    Args:
        truth: of the videos of the split.
        messages: gets what is left out, and why.
        frames: which frames are shown.
    """
    sources = {result.source: bench.source(result.source, **where) for result in split.results}
    ensembles = {name: source for name, source in sources.items() if len(source.members) > 1}
    known = bool(split.labels)
    cascades = tuple(reported_cascades(bench, ensembles, split.ids, where, labels, messages)) if known else ()
    fused = [FusedResult(result.name, sources[result.source], result.evaluation) for result in split.results]
    playgrounds = [reported_playground(fused, split.ids, task) for task in split.class_names] if known else []
    split = replace(split, cascades=cascades, playgrounds=tuple(one for one in playgrounds if one))
    return replace(split, frames=_frames(bench, split, sources, truth, labels, frames))


def _frames(
    bench: OpenWorkspace, split: ReportedSplit, sources: Mapping[str, NamedSource], truth: GroundTruth | None,
    labels: LabelFinder, frames: FrameSettings,
) -> ReportedFrames | None:  # fmt: skip
    """Frames of the most telling videos; no pictures for videos of no data set."""
    if truth is None:
        return None
    task = list(split.class_names)[-1]
    cascade = next((one for one in split.cascades if one.result.task == task), None)
    stops = last_members(cascade, len(split.ids)) if cascade else None
    names = {result.name: sources[result.source] for result in split.results if not result.members and result.best}
    telling = most_telling(split.results, task, stops)
    return reported_frames(bench.workspace, names, truth, labels.data, telling, frames)
