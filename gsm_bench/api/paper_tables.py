"""Tables of the paper and your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.results import EvaluationResult, Result
from gsm_bench.api.sources import LabelFinder, resolve_source
from gsm_bench.entries import ModelEntry, RowEntry, TableEntry
from gsm_bench.errors import TaskError
from gsm_bench.evaluation.epic_paper import evaluate_epic_paper
from gsm_bench.evaluation.paper import RowPlan, evaluate_paper_table, row_members
from gsm_bench.tables.epic_paper import epic_paper_table
from gsm_bench.tables.paper import DEFAULT_COLUMNS, filled_columns, paper_table, published_table
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace

BACKBONES = {
    "bninception": "BN-Inception",
    "inceptionv3": "InceptionV3",
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
}


@dataclass(frozen=True)
class TableLayout:
    """How a table is to look, where its entry does not say so.

    Attributes:
        columns: shown columns by name.
        sort: column that rows are sorted by.
        with_paper: a table whose published rows stand above the others.
        side_by_side: whether each split has columns of its own.
    """

    columns: tuple[str, ...] = ()
    sort: str = ""
    with_paper: str = ""
    side_by_side: bool = False

    def of(self, entry: TableEntry) -> TableEntry:
        """The entry with this layout."""
        return replace(
            entry,
            columns=self.columns or entry.columns,
            sort=self.sort or entry.sort,
            with_paper=self.with_paper or entry.with_paper,
            side_by_side=self.side_by_side or entry.side_by_side,
        )


def fill_table(
    bench: OpenWorkspace,
    number: str | None,
    truth_of: LabelFinder,
    *,
    rows: Sequence[str] = (),
    layout: TableLayout = TableLayout(),
    dataset: str | None = None,
    split: str | None = None,
    partial: bool = False,
    data: Path | None = None,
    annotations: Path | None = None,
) -> EvaluationResult | Result:
    """A table of the registry, or of some rows, from score files; see `Bench.table`."""
    workspace, manifest = bench.workspace, bench.manifest
    if number is None and not rows:
        return Result((tables_table(bench),))
    own = TableEntry("rows", "", (), columns=DEFAULT_COLUMNS)
    entry = layout.of(own if number is None else manifest.table(number, dataset))
    if entry.form == "verb-noun-action":
        if split or dataset not in (None, entry.dataset) or rows:
            raise TaskError(
                f"table {number} covers {entry.dataset} {' and '.join(entry.splits)}",
                fix="no --dataset, no --split and no --rows",
            )
        folder = workspace.data / manifest.dataset(entry.dataset).folder
        places = (data or folder, annotations or workspace.data / "epic-100")
        epic = evaluate_epic_paper(entry, manifest, workspace, places, partial=partial)
        return Result((epic_paper_table(epic),), tuple(truth_of.messages), complete=not epic.incomplete)
    plans = [_plan(bench, name, dataset, split) for name in rows]
    evaluation = evaluate_paper_table(
        entry, manifest, workspace, truth_of, dataset=dataset, split=split, partial=partial, rows=plans
    )
    table = paper_table(evaluation)
    if entry.columns == DEFAULT_COLUMNS:
        table = filled_columns(table)
    return EvaluationResult(
        (table,), tuple(truth_of.messages),
        complete=not any(result.not_scored for result in evaluation.results), evaluations=tuple(evaluation.results),
    )  # fmt: skip


def audit_tables(bench: OpenWorkspace, names: Sequence[str], videos: int | None = None) -> Result:
    """What does not add up in files and in published tables; see `Bench.audit`."""
    from gsm_bench.tables.audit.checks import audit
    from gsm_bench.tables.audit.read import read_tables, table_of

    entries = bench.manifest.tables
    tables = []
    for name in names:
        chosen = [number for number in entries if "." not in number] if name == "paper" else [name]
        if Path(name).is_file() or not set(chosen) <= set(entries):
            tables += read_tables(Path(name))
        else:
            printed = [published_table(entries[number], bench.manifest) for number in chosen]
            tables += [table_of(table, table.name) for table in printed if table.rows]
    return Result((audit(tables, videos),))


def _plan(bench: OpenWorkspace, name: str, dataset: str | None, split: str | None) -> RowPlan:
    """The row of a name: an ensemble, a model or score file with its clips."""
    source = resolve_source(name, bench.manifest, bench.workspace, dataset, split)
    entries = {spec.entry.name: spec.entry for spec in source.members if spec.entry}
    networks = {_backbone(entry) for entry in entries.values()}
    label = source.members[0].label if len(source.members) == 1 else source.label
    row = RowEntry(
        label,
        backbone=" + ".join(sorted(networks)),
        pretraining=" + ".join(sorted({entry.pretraining for entry in entries.values()} - {""})),
    )
    return RowPlan(row, source.members, source.space)


def _backbone(entry: ModelEntry) -> str:
    """The network of a model as tables show it: ``BN-Inception/4`` for a quarter of the width."""
    name = BACKBONES.get(entry.network, entry.network)
    width = float(entry.options.get("width", 1))
    return name if width == 1 else f"{name}/{1 / width:g}"


def tables_table(bench: OpenWorkspace) -> Table:
    """The tables of the registry, with how many of their rows are printed, and have scores."""
    manifest = bench.manifest
    rows = []
    for name, entry in manifest.tables.items():
        number, _, dataset = name.partition(".")
        every = [row for block in entry.blocks for row in block]
        measured = [row for row in every if not row.printed]
        scored = sum(_has_scores(bench, entry, row) for row in measured)
        rows.append(
            {
                "name": f"{number} --dataset {dataset}" if dataset else name,
                "title": entry.title,
                "printed": len(every) - len(measured),
                "measured": f"{scored} of {len(measured)}",
                "scored": scored,
                "rows": len(every),
            }
        )
    columns = (
        Column("name", "Table"),
        Column("title", "Title"),
        Column("printed", "Printed\nrows", "count"),
        Column("measured", "Rows with\nscores"),
    )
    return Table("", columns, (tuple(rows),), ("Fill one: gsmbench table NUMBER.",), "tables")


def _has_scores(bench: OpenWorkspace, entry: TableEntry, row: RowEntry) -> bool:
    where = (entry.dataset or None, entry.split or None)
    return all(spec.path.is_file() for spec in row_members(row, bench.manifest, bench.workspace, *where))
