"""All numbers of a workspace, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gsm_bench.api.bench.evaluation import EvaluationMethods
from gsm_bench.api.bench.selection import SelectionMethods
from gsm_bench.api.bench.workspace import Place, path_of

if TYPE_CHECKING:
    from gsm_bench.api.results import Result


class WorkspaceResults(EvaluationMethods, SelectionMethods):
    """The results of a workspace, from which figures and the report are made."""

    def table(
        self,
        number: str | int | None = None,
        *,
        rows: Sequence[str] = (),
        with_paper: str | int | None = None,
        columns: Sequence[str] = (),
        sort: str = "",
        side_by_side: bool = False,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
        annotations: Place | None = None,
        partial: bool = False,
    ) -> Result:
        """A table of the paper, or your own, from score files; with neither number nor rows, what tables there are.

        Args:
            number: a table of the paper, or the name of your own in tables.toml.
            rows: models, ensembles and score files, as further rows or alone.
            with_paper: a table of the paper whose printed rows stand above the others.
            columns: shown columns by name; sort: the column that rows are sorted by.
            side_by_side: one row per model, with columns for each split.
            partial: rows without scores stay empty.
        """
        from gsm_bench.api.paper_tables import TableLayout, fill_table

        layout = TableLayout(tuple(columns), sort, "" if with_paper is None else str(with_paper), side_by_side)
        return fill_table(
            self, None if number is None else str(number), self.labels(data), rows=rows, layout=layout,
            dataset=dataset, split=split, partial=partial,
            data=path_of(data), annotations=path_of(annotations),
        )  # fmt: skip

    def audit(self, *names: Place, videos: int | None = None) -> Result:
        """What does not add up in tables: a row per fault, none for tables that are consistent.

        Args:
            names: .csv, .json, .md and .tex files; or tables of the registry by name, ``paper`` for all of the paper.
            videos: number of videos that the accuracies are over, if the tables do not say.
        """
        from gsm_bench.api.paper_tables import audit_tables

        return audit_tables(self, [str(name) for name in names], videos)
