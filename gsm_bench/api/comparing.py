"""Comparisons and calibration of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gsm_bench.api.per_video import video_paths
from gsm_bench.api.results import CalibrationResult, ComparisonResult
from gsm_bench.api.sources import LabelFinder, NamedSource, short_names
from gsm_bench.ensembles.members import OpenMember, open_members, protocols, shared_out
from gsm_bench.errors import LabelError
from gsm_bench.evaluation.calibrate import Calibrated, calibrate
from gsm_bench.evaluation.compare import Side, compare
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.tables.calibration import calibration_table, reliability_table
from gsm_bench.tables.comparison import classes_table, difference_table, videos_table
from gsm_bench.tables.notes import order_notes
from gsm_bench.tables.power import power_table
from gsm_bench.tables.settings_diff import settings_diff_table
from gsm_bench.tables.table import with_notes

if TYPE_CHECKING:
    from gsm_bench.settings import ActionSource, Space
    from gsm_bench.workspace import Workspace


def compare_sources(
    sources: Sequence[NamedSource],
    truth_of: LabelFinder,
    *,
    actions: ActionSource | None = None,
    why: bool = False,
    list_videos: bool = False,
    most: int = 10,
    power: bool = False,
    points: float | None = None,
    workspace: Workspace | None = None,
) -> ComparisonResult:
    """Compare two results video by video; see `Bench.compare`. With a workspace, paths are known."""
    first, second = sources
    labels = short_names([first.label, second.label]) if first.label != second.label else ["first", "second"]
    with open_members([*first.members, *second.members], first.opened | second.opened) as members:
        truth = truth_of.members(members)
        parts = members[: len(first.members)], members[len(first.members) :]
        sides = [
            Side(label, shared_out(part), source.space)
            for label, part, source in zip(labels, parts, sources, strict=True)
        ]
        comparison = compare(sides[0], sides[1], truth, actions)
        tables = [with_notes(difference_table(comparison), order_notes(members))]
        if why:
            tables.append(settings_diff_table(comparison))
        if power:
            tables.append(power_table(comparison, points))
        if truth.labels:
            tables.append(videos_table(comparison) if list_videos else classes_table(comparison, most))
        messages = (
            *dict.fromkeys(note for source in sources for note in source.notes),
            *clip_notes(sources, members),
            *truth_of.messages,
            *(f"warning: {text}" for text in comparison.warnings),
        )
        return ComparisonResult(
            tuple(tables), messages, complete=not _incomplete(members), comparison=comparison,
            paths=video_paths(truth, workspace) if workspace else (),
        )  # fmt: skip


def calibrate_sources(
    sources: Sequence[NamedSource],
    truth_of: LabelFinder,
    space: Space | None = None,
    *,
    bins: int = 15,
    folds: int = 5,
    reliability: bool = True,
) -> CalibrationResult:
    """Calibration errors of results, as they are and scaled by a temperature; see `Bench.calibrate`."""
    results: list[Calibrated] = []
    notes: dict[str, None] = {}
    clips: list[str] = []
    for source, label in zip(sources, short_names([source.label for source in sources]), strict=True):
        with open_members(source.members, source.opened) as members:
            truth = truth_of.members(members)
            notes |= dict.fromkeys(order_notes(members))
            clips += clip_notes([source], members)
            results += calibrate(label, members, truth, space or source.space, bins=bins, folds=folds)
    if not results:
        raise LabelError("no video has a label and a score", fix="give a labelled list: --data DIR")
    tables = [with_notes(calibration_table(results, folds), notes)]
    if reliability:
        tables.append(reliability_table(results))
    return CalibrationResult(tuple(tables), (*clips, *truth_of.messages), calibrations=tuple(results))


def clip_notes(sources: Sequence[NamedSource], members: Sequence[OpenMember]) -> list[str]:
    """Which number of clips is taken of files that hold several, where none was named; `members` are all of them."""
    labels = [source.label if len(source.members) == 1 else spec.label for source in sources for spec in source.members]
    notes = []
    for label, member in zip(labels, members, strict=True):
        *_, most = protocols(member.head)
        if member.spec.clips is None and len(protocols(member.head)) > 1:
            notes.append(
                f"note: {label}: one clip per video is taken, and its file holds {most}: {label}@{most} takes them"
            )
    return list(dict.fromkeys(notes))


def _incomplete(members: Sequence[OpenMember]) -> bool:
    return any(bool((member.status == NOT_SCORED).any()) for member in members)
