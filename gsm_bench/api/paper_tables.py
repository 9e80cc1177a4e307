"""Tables of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.results import EvaluationResult, Result
from gsm_bench.api.sources import LabelFinder
from gsm_bench.errors import TaskError
from gsm_bench.evaluation.epic_paper import evaluate_epic_paper
from gsm_bench.evaluation.paper import evaluate_paper_table
from gsm_bench.tables.epic_paper import epic_paper_table
from gsm_bench.tables.paper import paper_table

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench


def fill_table(
    bench: Bench,
    number: str,
    truth_of: LabelFinder,
    *,
    dataset: str | None = None,
    split: str | None = None,
    partial: bool = False,
    data: Path | None = None,
    annotations: Path | None = None,
) -> EvaluationResult | Result:
    """A table of the paper from score files; see `Bench.table`."""
    workspace, manifest = bench.workspace, bench.manifest
    entry = manifest.table(number, dataset)
    if entry.form == "verb-noun-action":
        if split or dataset not in (None, entry.dataset):
            raise TaskError(
                f"table {number} covers {entry.dataset} {' and '.join(entry.splits)}",
                fix="no --dataset and no --split",
            )
        folder = workspace.data / manifest.dataset(entry.dataset).folder
        places = (data or folder, annotations or workspace.data / "epic-100")
        epic = evaluate_epic_paper(entry, manifest, workspace, places, partial=partial)
        return Result((epic_paper_table(epic),), tuple(truth_of.messages), complete=not epic.incomplete)
    evaluation = evaluate_paper_table(
        entry, manifest, workspace, truth_of, dataset=dataset, split=split, partial=partial
    )
    return EvaluationResult(
        (paper_table(evaluation),), tuple(truth_of.messages),
        complete=not any(result.not_scored for result in evaluation.results), evaluations=tuple(evaluation.results),
    )  # fmt: skip
