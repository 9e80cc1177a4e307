"""What a report shows, gathered from the score files of a workspace."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gsm_bench.api.results import EvaluationResult
from gsm_bench.api.sources import LabelFinder, NamedSource
from gsm_bench.ensembles.member_files import place_text
from gsm_bench.ensembles.members import member_label, open_members, protocols, specs_of_entry
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import GsmBenchError, MissingScoresError
from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.evaluation.top_classes import TopClasses, top_classes
from gsm_bench.id_array import IdArray
from gsm_bench.report.content import ReportContent, ReportedResult, ReportedSplit
from gsm_bench.run_origin import run_origin
from gsm_bench.scorefile import open_scores

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench

Place = tuple[str, str]


@dataclass(frozen=True)
class _Named:
    """A row of the leaderboard before it is evaluated.

    Attributes:
        name: as a command line names it.
        place: data set and split; empty where unknown.
        predicts: whether its predictions are kept, not its ranks alone.
    """

    name: str
    place: Place
    predicts: bool = True


def gather_report(
    bench: Bench, names: Sequence[str] = (), *, dataset: str | None = None, split: str | None = None,
    data: Path | None = None,
) -> ReportContent:  # fmt: skip
    """All score files of a workspace and the ensembles that they make, or the results named, split by split.

    Raises:
        MissingScoresError: there is no score file.
    """
    messages: list[str] = []
    labels = bench.labels(data)
    rows = [*(_given(bench, names, dataset, split) if names else _stored(bench, messages))]
    if not names:
        rows += _ensembles(bench, list(dict.fromkeys(row.place for row in rows)), messages)
    rows = [row for row in rows if dataset in (None, row.place[0]) and split in (None, row.place[1])]
    if not rows:
        raise MissingScoresError(
            "no score file to report", where=bench.workspace.scores, fix="gsmbench score --model NAME"
        )
    splits = [
        _split(bench, place, [row for row in rows if row.place == place], labels)
        for place in dict.fromkeys(row.place for row in rows)
    ]
    origin = run_origin()
    return ReportContent(
        title=", ".join(dict.fromkeys(one.title for one in splits)),
        command=shlex.join(origin["command_line"]),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=origin["code_commit"],
        splits=tuple(splits),
        messages=(*messages, *labels.messages),
        complete=not messages and not any(result.evaluation.not_scored for one in splits for result in one.results),
    )


def _stored(bench: Bench, messages: list[str]) -> Iterator[_Named]:
    """Every score file of the workspace in every clip protocol; predictions of the one with most clips."""
    root = bench.workspace.root
    for path in sorted(bench.workspace.scores.glob("*/*/*.h5")):
        folder = (path.parent.parent.name, path.parent.name)
        try:
            with open_scores(path) as file:
                head = file.head
        except GsmBenchError as error:
            messages.append(f"{path.relative_to(root)} is left out: {error.what}")
            continue
        registered = path.stem in bench.manifest.models and folder[0] in bench.manifest.datasets
        name = path.stem if registered else str(path.relative_to(root))
        *fewer, most = protocols(head)
        for clips in (*fewer, most):
            yield _Named(f"{name}@{clips}" if (clips or 1) > 1 else name, folder, clips is most)


def _ensembles(bench: Bench, places: Sequence[Place], messages: list[str]) -> Iterator[_Named]:
    """The registered ensembles whose members all have score files on a split."""
    for place in places:
        if place[0] not in bench.manifest.datasets:
            continue
        for entry in bench.manifest.ensembles.values():
            specs = specs_of_entry(entry, bench.manifest, bench.workspace, *place)
            if not all(spec.path.is_file() for spec in specs):
                continue
            try:
                with open_members(specs):
                    yield _Named(entry.name, place)
            except GsmBenchError as error:
                messages.append(f"{entry.name} is left out: {error.what}")


def _given(bench: Bench, names: Sequence[str], dataset: str | None, split: str | None) -> Iterator[_Named]:
    """The results named on the command line."""
    for name in names:
        source = bench.source(name, dataset, split)
        with open_members(source.members, source.opened) as members:
            provenance = members[0].head.provenance
            yield _Named(name, (provenance.dataset or "", provenance.split or ""))


def _split(bench: Bench, place: Place, rows: Sequence[_Named], labels: LabelFinder) -> ReportedSplit:
    """One split, evaluated."""
    known = place[0] in bench.manifest.datasets
    where = place if known else (None, None)
    table = bench.table(None, rows=[row.name for row in rows], dataset=where[0], split=where[1], data=labels.data)
    assert isinstance(table, EvaluationResult)  # tables of rows are
    evaluations = table.evaluations
    ids = max((evaluation.ids for evaluation in evaluations), key=len)
    results = [
        ReportedResult(
            row.name,
            evaluation,
            evaluation_rows(ids, evaluation),
            _best(bench.source(row.name, *where), labels) if row.predicts else {},
            _members(bench.source(row.name, *where)),
        )
        for row, evaluation in zip(rows, evaluations, strict=True)
    ]
    first = next(evaluation for evaluation in evaluations if evaluation.ids is ids)
    truth = first.truth.labels if first.truth else {}
    title = bench.manifest.datasets[place[0]].title if known else place[0]
    return ReportedSplit(
        key=place_text(*place) or "scores",
        title=title,
        ids=ids,
        labels=dict(truth),
        class_names=_class_names(bench.source(rows[0].name, *where), first),
        results=tuple(results),
        leaderboard=table.table(),
    )


def evaluation_rows(ids: IdArray, evaluation: Evaluation) -> NDArray[np.int64]:
    """Row of each of N ids in an evaluation, int64 [N]; -1 absent."""
    return np.arange(len(ids)) if evaluation.ids == ids else ids.rows_in(evaluation.ids)


def _best(source: NamedSource, labels: LabelFinder) -> dict[str, TopClasses]:
    """Per task with classes of its own, the best classes of every video."""
    with open_members(source.members, source.opened) as members:
        truth = labels.members(members)
        return {
            task: top_classes(
                members,
                task,
                fusion_space(members, task, source.space),
                truth.labels.get(task, np.full(len(members[0].head), -1)),
            )
            for task in members[0].head.kinds
        }


def _class_names(source: NamedSource, evaluation: Evaluation) -> dict[str, tuple[str, ...]]:
    with open_members(source.members, source.opened) as members:
        head = members[0].head
    split = evaluation.truth.split if evaluation.truth else None
    names = {}
    for task in head.kinds:
        known = head.class_names.get(task) or (split.class_names.get(task) if split else None)
        names[task] = tuple(known or (f"class {number}" for number in range(head.classes_per_task[task])))
    return names


def _members(source: NamedSource) -> tuple[str, ...]:
    return tuple(member_label(spec) for spec in source.members) if len(source.members) > 1 else ()
