"""What a report shows, gathered from the score files of a workspace."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gsm_bench.api.report_frames import NORMAL, FrameSettings
from gsm_bench.api.report_panels import with_panels
from gsm_bench.api.report_parts import Where, calibrations, epic_parts, paper_tables, score_files, searched, words
from gsm_bench.api.report_rows import Place, RowName, fitting_rows, given_rows, short_row_names, stored_rows
from gsm_bench.api.results import EvaluationResult
from gsm_bench.api.sources import LabelFinder, NamedSource
from gsm_bench.ensembles.member_files import place_text
from gsm_bench.ensembles.members import member_label, open_members
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import MissingScoresError
from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.evaluation.per_class import ClassEvaluation
from gsm_bench.evaluation.score_files import evaluate_member_classes
from gsm_bench.evaluation.top_classes import TopClasses, top_classes
from gsm_bench.id_array import IdArray
from gsm_bench.report.content import ReportContent, ReportedResult, ReportedSplit, ReportedTable
from gsm_bench.run_origin import run_origin
from gsm_bench.tables.columns import sorted_by

if TYPE_CHECKING:
    from gsm_bench.api.bench.results import WorkspaceResults


def gather_report(
    bench: WorkspaceResults, names: Sequence[str] = (), *, dataset: str | None = None, split: str | None = None,
    data: Path | None = None, frames: FrameSettings = NORMAL,
) -> ReportContent:  # fmt: skip
    """All score files of a workspace and the ensembles that they make, or the results named, split by split.

    Args:
        frames: which frames are shown.

    Raises:
        MissingScoresError: there is no score file.
        ExportError: the folder for frames has files already.
    """
    frames.refuse_existing()
    left_out: list[str] = []
    rows = [*given_rows(bench, names, dataset, split)] if names else stored_rows(bench, left_out)
    rows = [row for row in rows if dataset in (None, row.place[0]) and split in (None, row.place[1])]
    if not rows:
        problems = "; ".join(left_out)
        raise MissingScoresError(
            f"no score file to report{f': {problems}' if problems else ''}",
            where=bench.workspace.scores,
            fix="gsmbench score --model NAME",
        )
    labels, notes = bench.labels(data), list[str]()
    by_place = {
        place: [row for row in rows if row.place == place] for place in dict.fromkeys(row.place for row in rows)
    }
    splits = [
        _split(bench, place, fitting_rows(own, left_out), labels, notes, frames.part(number))
        for number, (place, own) in enumerate(by_place.items())
    ]
    origin = run_origin()
    return ReportContent(
        title=f"Results on {' and '.join(dict.fromkeys(one.title for one in splits))}",
        command=shlex.join(origin["command_line"]),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=origin["code_commit"],
        splits=tuple(splits),
        messages=(*left_out, *notes, *labels.messages),
        complete=not left_out and not any(result.evaluation.not_scored for one in splits for result in one.results),
    )


def _split(
    bench: WorkspaceResults,
    place: Place,
    rows: Sequence[RowName],
    labels: LabelFinder,
    notes: list[str],
    frames: FrameSettings,
) -> ReportedSplit:
    """One split, evaluated; results in the order of the leaderboard."""
    known = place[0] in bench.manifest.datasets
    where: Where = {"dataset": place[0], "split": place[1]} if known else {}
    leaderboard, pairs, ids = _results(bench, rows, where, labels)
    first = next(result.evaluation for _, result in pairs if result.evaluation.ids == ids)
    names, truth = [row.source for row, _ in pairs], first.truth.labels if first.truth else {}
    source = bench.source(names[0], **where)
    named, calibration = calibrations(bench, pairs, where, labels.data, notes) if truth else ((), ())
    split = ReportedSplit(
        key=place_text(*place) or "scores",
        title=bench.manifest.datasets[place[0]].title if known else place_text(*place) or "scores",
        ids=ids,
        labels=dict(truth),
        class_names=_class_names(source, first),
        results=tuple(result for _, result in pairs),
        leaderboard=leaderboard,
        paper=tuple(paper_tables(bench, where, labels.data, notes)) if known else (),
        search=searched(bench, pairs, where, labels.data, notes) if truth else None,
        epic=tuple(epic_parts(bench, pairs, labels.data, notes)) if truth else (),
        calibrated=named,
        calibration=calibration,
        files=tuple(score_files(bench, [result for _, result in pairs])),
    )
    return with_panels(bench, split, first.truth, where, labels, notes, frames)


def _results(
    bench: WorkspaceResults, rows: Sequence[RowName], where: Where, labels: LabelFinder
) -> tuple[ReportedTable, list[tuple[RowName, ReportedResult]], IdArray]:
    """The leaderboard, the best first; its rows with their results; and the ids of all videos."""
    sources = [row.source for row in rows]
    result = bench.table(None, rows=sources, **where, data=labels.data)
    assert isinstance(result, EvaluationResult)  # tables of rows are
    ids = max((evaluation.ids for evaluation in result.evaluations), key=len)
    names = short_row_names(sources)
    rows_named = zip(rows, names, result.evaluations, strict=True)
    reported = [
        (row, _result(bench, row, name, evaluation, ids, where, labels)) for row, name, evaluation in rows_named
    ]
    table = result.table()
    column = next((column.key for column in reversed(table.columns) if column.key.endswith("top1")), "")
    place = {id(row): at for at, row in enumerate(table.rows)}
    arranged = sorted_by(table, column) if column else table
    options = {"rows": ",".join(sources), "sort": column}
    command = "" if any("," in source for source in sources) else words("table", where, data=labels.data, **options)
    return ReportedTable(arranged, command), [reported[place[id(row)]] for row in arranged.rows], ids


def _result(
    bench: WorkspaceResults,
    row: RowName,
    name: str,
    evaluation: Evaluation,
    ids: IdArray,
    where: Where,
    labels: LabelFinder,
) -> ReportedResult:
    source = bench.source(row.source, **where)
    members = tuple(member_label(spec) for spec in source.members) if len(source.members) > 1 else ()
    result = ReportedResult(
        name, row.source, evaluation, rows_of(ids, evaluation), members=members, forward=row.forward
    )
    if not row.predicts:
        return result
    best, classes = _predictions(source, labels)
    return replace(result, best=best, classes=classes)


def rows_of(ids: IdArray, evaluation: Evaluation) -> NDArray[np.int64]:
    """Row of each of N ids in an evaluation, int64 [N]; -1 absent."""
    return np.arange(len(ids)) if evaluation.ids == ids else ids.rows_in(evaluation.ids)


def _predictions(source: NamedSource, labels: LabelFinder) -> tuple[dict[str, TopClasses], dict[str, ClassEvaluation]]:
    """Per task with classes of its own: the best classes of every video, and each class with its accuracy."""
    with open_members(source.members, source.opened) as members:
        truth = labels.members(members)
        unknown = np.full(len(members[0].head), -1)
        best = {
            task: top_classes(members, task, fusion_space(members, task, source.space), truth.labels.get(task, unknown))
            for task in members[0].head.kinds
        }
        classes = evaluate_member_classes(source.label, members, truth, source.space)
        return best, {one.task: one for one in classes}


def _class_names(source: NamedSource, evaluation: Evaluation) -> dict[str, tuple[str, ...]]:
    """Class names per task in column order; ``class 7`` where they are unknown."""
    with open_members(source.members, source.opened) as members:
        head = members[0].head
    split = evaluation.truth.split if evaluation.truth else None
    names = {}
    for task in head.kinds:
        known = head.class_names.get(task) or (split.class_names.get(task) if split else None)
        names[task] = tuple(known or (f"class {number}" for number in range(head.classes_per_task[task])))
    return names
