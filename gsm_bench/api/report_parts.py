"""Parts of a report beside its leaderboard, each from the call that prints the same numbers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from gsm_bench.api.report_rows import RowName
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.calibrate import Calibrated
from gsm_bench.files import file_sha256
from gsm_bench.report.content import ReportedFile, ReportedResult, ReportedTable
from gsm_bench.scorefile import open_scores
from gsm_bench.selection.search import SearchResult

if TYPE_CHECKING:
    from gsm_bench.api.bench.results import WorkspaceResults

POOL = 8
"""Most models that are searched: every subset is tried."""
BOTH_PROTOCOLS = 5
"""Up to so many models, each number of clips that a file holds is a choice of its own."""
CALIBRATED = 4
"""Most results that are calibrated."""
CALIBRATED_SCORES = 5_000_000
"""Most scores of all calibrated results: fitting the temperatures of 2 million takes a second."""


class Where(TypedDict, total=False):
    """``dataset`` and ``split``, as the methods of `Bench` take them; none where they are unknown."""

    dataset: str | None
    split: str | None


def words(command: str, where: Where, *, data: Path | None, **options: str) -> str:
    """A command line with its data set, split and options."""
    given: dict[str, object] = {**options, **where, "data": None if data is None else str(data)}
    pairs = [part for name, value in given.items() if value for part in (f"--{name}", str(value))]
    return f"gsmbench {command} {shlex.join(pairs)}".strip()


def paper_tables(bench: WorkspaceResults, where: Where, data: Path | None, notes: list[str]) -> Iterator[ReportedTable]:
    """Every table of the registry for this data set that compares something, with dashes where scores are missing."""
    for name, entry in bench.manifest.tables.items():
        number, _, variant = name.partition(".")
        if entry.dataset != where.get("dataset") or entry.split not in ("", where.get("split")):
            continue
        options: Where = {"dataset": variant or None}
        try:
            result = bench.table(number, partial=True, data=data, dataset=variant or None)
        except GsmBenchError as error:
            notes.append(f"note: table {number} is left out: {error.what}")
            continue
        measured = [row for row in result.rows if row.get("source") != "printed" and row.get("file")]
        printed = [row for row in result.rows if row.get("source") == "printed"]
        if measured and (
            len(measured) + len(printed) > 1 or len(result.rows) == 1
        ):  # one row among dashes says nothing
            yield ReportedTable(result.table(), words(f"table {number} --partial", options, data=data))


def searched(
    bench: WorkspaceResults,
    rows: Sequence[tuple[RowName, ReportedResult]],
    where: Where,
    data: Path | None,
    notes: list[str],
) -> tuple[SearchResult, tuple[ReportedTable, ...]] | None:
    """A search of the best models, at most `POOL`; None with fewer than two."""
    most = max(len(result.evaluation.ids) for _, result in rows)
    single = [
        (row, result)
        for row, result in rows
        if not result.members and row.predicts and row.forward and len(result.evaluation.ids) == most
    ]
    best = sorted(single, key=lambda pair: -_top1(pair[1]))[:POOL]
    if len(best) < 2:
        return None
    pool = [row.source for row, _ in best]
    if len(pool) <= BOTH_PROTOCOLS:
        pool = [source.rpartition("@")[0] or source for source in pool]
    try:
        result = bench.search(pool, **where, data=data)
    except GsmBenchError as error:
        notes.append(f"note: no search: {error.what}")
        return None
    if not isinstance(result.search, SearchResult):
        return None
    command = words(f"search {shlex.quote(','.join(pool))}", where, data=data)
    return result.search, tuple(ReportedTable(table, command) for table in result.tables)


def calibrations(
    bench: WorkspaceResults,
    rows: Sequence[tuple[RowName, ReportedResult]],
    where: Where,
    data: Path | None,
    notes: list[str],
) -> tuple[tuple[tuple[str, Calibrated], ...], tuple[ReportedTable, ...]]:
    """The most accurate results with their calibration, by name, and its tables."""
    predicting = [(row, result) for row, result in rows if row.predicts and row.forward and _top1(result) >= 0]
    if not predicting:
        return (), ()
    head = predicting[0][0].head
    most = CALIBRATED_SCORES // max(1, len(head) * sum(head.classes_per_task.values()))
    best = sorted(predicting, key=lambda pair: -_top1(pair[1]))[: min(CALIBRATED, max(1, most))]
    try:
        result = bench.calibrate(*(row.source for row, _ in best), **where, data=data)
    except GsmBenchError as error:
        notes.append(f"note: no calibration: {error.what}")
        return (), ()
    command = words(f"calibrate {shlex.join(row.source for row, _ in best)} --reliability", where, data=data)
    tasks = len(result.calibrations) // len(best)
    named = tuple((best[at // tasks][1].name, one) for at, one in enumerate(result.calibrations))
    return named, tuple(ReportedTable(table, command) for table in result.tables)


def epic_parts(
    bench: WorkspaceResults, rows: Sequence[tuple[RowName, ReportedResult]], data: Path | None, notes: list[str]
) -> Iterator[ReportedTable]:
    """Verb, noun and action metrics of each score file that has verbs and nouns."""
    paths = [str(file.path) for row, result in rows if row.predicts for file in result.evaluation.files
             if not result.members and {"verb", "noun"} <= result.evaluation.accuracy.keys()]  # fmt: skip
    for path in dict.fromkeys(paths):
        shown = bench.workspace.stored_name(Path(path))
        try:
            result = bench.parts(path, data=data)
        except GsmBenchError as error:
            notes.append(f"note: no parts of {shown}: {error.what}")
            continue
        yield ReportedTable(result.table(), words(f"evaluate --parts {shlex.quote(shown)}", {}, data=data))


def score_files(bench: WorkspaceResults, results: Sequence[ReportedResult]) -> Iterator[ReportedFile]:
    """Each score file once, with its provenance."""
    paths = dict.fromkeys(file.path for result in results for file in result.evaluation.files)
    for path in (path for path in paths if path.is_file()):
        with open_scores(path) as file:
            head = file.head
        yield ReportedFile(bench.workspace.stored_name(path), file_sha256(path), len(head), head.provenance.to_dict())


def _top1(result: ReportedResult) -> float:
    """Top-1 of actions, else of the last task; -1 without labels or scores."""
    measured = list(result.evaluation.accuracy.values())
    accuracy = result.evaluation.accuracy.get("action", measured[-1] if measured else None)
    return accuracy.top(1) if accuracy is not None and accuracy.scored else -1.0
