"""Tables of the paper, measured rows beside printed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from gsm_bench.ensembles.members import MemberSpec, model_spec, open_members, specs_of_entry
from gsm_bench.entries import Published, RowEntry, SplitEntry, TableEntry
from gsm_bench.errors import MissingScoresError
from gsm_bench.evaluation.evaluation import Evaluation, evaluate_members
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import ScoreHead
from gsm_bench.settings import Space
from gsm_bench.tables.results import results_table
from gsm_bench.tables.table import Table
from gsm_bench.workspace import Workspace

TruthOf = Callable[[ScoreHead], GroundTruth]


@dataclass(frozen=True)
class RowPlan:
    """A row of a table resolved: its members, the space they are fused in, what the paper prints for it."""

    row: RowEntry
    members: list[MemberSpec]
    space: Space | None
    published: Published | None


def paper_table(
    entry: TableEntry,
    manifest: Manifest,
    workspace: Workspace,
    truth_of: TruthOf,
    *,
    dataset: str | None = None,
    split: str | None = None,
    partial: bool = False,
) -> tuple[Table, list[Evaluation]]:
    """Fill a table from score files.

    Args:
        truth_of: gives what is known of a score file's clips.
        dataset, split: where the scores are, if not on the table's own split; nothing printed is then comparable.
        partial: rows without scores become dashes instead of an error.

    Raises:
        MissingScoresError: naming every command that makes a missing score file, unless `partial`.
    """
    where = manifest.place(entry.dataset, entry.split, dataset, split)
    own_split = where == (entry.dataset, entry.split)
    plans = [[_plan_row(row, manifest, workspace, where, own_split) for row in block] for block in entry.blocks]
    if not partial:
        _require_scores([plan for block in plans for plan in block])
    blocks = [[_evaluate_row(plan, truth_of) for plan in block] for block in plans]
    title = entry.title if own_split else f"The rows of table {entry.name} on {where[0]}/{where[1]}"
    printed = any(plan.published for block in plans for plan in block)
    table = results_table(title, blocks, published=printed, brief=True, name=f"table {entry.name}")
    results = [result for block in blocks for result in block]
    notes = (*_size_notes(results, manifest.dataset(where[0]).splits.get(where[1])), *table.notes)
    return replace(table, notes=notes), results


def _size_notes(results: list[Evaluation], split: SplitEntry | None) -> Iterable[str]:
    """How many clips the measured rows are over, and that it is not the full split where it is not."""
    for total in sorted({accuracy.total for result in results for accuracy in result.accuracy.values()}):
        full = f" of the {split.clips:,} of the full split" if split and split.clips not in (None, total) else ""
        yield f"Measured over {total:,} clips{full}."


def _plan_row(
    row: RowEntry, manifest: Manifest, workspace: Workspace, where: tuple[str, str], own_split: bool
) -> RowPlan:
    dataset, split = where
    if row.ensemble:
        ensemble = manifest.ensemble(row.ensemble)
        members = specs_of_entry(ensemble, manifest, workspace, dataset, split)
        printed = next(iter(ensemble.published), None)
        return RowPlan(row, members, ensemble.space, printed if own_split else None)
    model = manifest.model(str(row.model))
    printed = model.published_for(row.clips, split)
    return RowPlan(
        row, [model_spec(model, manifest, workspace, dataset, split, row.clips)], None, printed if own_split else None
    )


def _evaluate_row(plan: RowPlan, truth_of: TruthOf) -> Evaluation:
    frames = "+".join(_frames_of(spec) for spec in plan.members)
    if not all(spec.path.is_file() for spec in plan.members):
        return Evaluation(plan.row.label, frames, published=plan.published)
    with open_members(plan.members) as members:
        return evaluate_members(plan.row.label, members, truth_of(members[0].head), plan.space, plan.published)[0]


def _frames_of(spec: MemberSpec) -> str:
    frames = spec.entry.frames if spec.entry else "?"
    return f"{frames}x{spec.clips}" if (spec.clips or 1) > 1 else str(frames)


def _require_scores(plans: list[RowPlan]) -> None:
    missing = {spec.path: spec for plan in plans for spec in plan.members if not spec.path.is_file()}
    if missing:
        try:
            with open_members(list(missing.values())):
                pass
        except MissingScoresError as error:
            raise MissingScoresError(
                error.what, where=error.where, fix=f"{error.fix}\n         or --partial for the rows that are there"
            ) from error
