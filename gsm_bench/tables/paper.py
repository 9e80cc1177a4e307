"""Tables of the paper, measured rows beside printed ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gsm_bench.evaluation.paper import PaperEvaluation
from gsm_bench.tables.results import results_table
from gsm_bench.tables.table import Table


def paper_table(evaluation: PaperEvaluation) -> Table:
    """The table as the paper prints it, with measured accuracies; a row without scores has dashes."""
    entry = evaluation.entry
    other_title = f"The rows of table {entry.name} on {evaluation.dataset}/{evaluation.split}"
    table = results_table(
        entry.title if evaluation.own_split else other_title,
        evaluation.blocks,
        published=any(result.published for result in evaluation.results),
        brief=True,
        name=f"table {entry.name}",
    )
    return replace(table, notes=(*_size_notes(evaluation), *table.notes))


def _size_notes(evaluation: PaperEvaluation) -> Iterator[str]:
    """How many videos the measured rows are over, and that the split has more where it has."""
    full = evaluation.full_videos
    for total in sorted({accuracy.total for result in evaluation.results for accuracy in result.accuracy.values()}):
        part = f" of the {full:,} of the full split" if full not in (None, total) else ""
        yield f"Measured over {total:,} videos{part}."
