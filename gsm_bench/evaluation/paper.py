"""The rows of a table, of the paper or your own: published ones as they are, the others evaluated from score files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gsm_bench.ensembles.frames_text import planned_frames_text
from gsm_bench.ensembles.members import MemberSpec, model_spec, open_members, specs_of_entry
from gsm_bench.entries import Published, RowEntry, TableEntry
from gsm_bench.errors import ManifestError, MissingScoresError
from gsm_bench.evaluation.evaluation import Evaluation, evaluate_members
from gsm_bench.evaluation.ground_truth import TruthOf, members_truth
from gsm_bench.manifest import Manifest
from gsm_bench.settings import Space
from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class PublishedRow:
    """A row that is printed somewhere.

    Attributes:
        row: its entry.
        source: where it is printed.
        dataset, split: of its accuracies.
    """

    row: RowEntry
    source: str
    dataset: str
    split: str


@dataclass(frozen=True)
class MeasuredRow:
    """A row that is evaluated from score files; its result has no accuracy where they are missing."""

    row: RowEntry
    result: Evaluation


@dataclass(frozen=True)
class PaperEvaluation:
    """A table, evaluated.

    Attributes:
        entry: the table's entry.
        dataset, split: where the scores are; empty where each row has its own.
        own_split: whether that is the table's own split; published accuracies are comparable only there.
        full_videos: videos of the full split; None where the data set's entry does not say.
        blocks: rows as in the table.
    """

    entry: TableEntry
    dataset: str
    split: str
    own_split: bool
    full_videos: int | None
    blocks: tuple[tuple[PublishedRow | MeasuredRow, ...], ...]

    @property
    def results(self) -> list[Evaluation]:
        return [row.result for block in self.blocks for row in block if isinstance(row, MeasuredRow)]


@dataclass(frozen=True)
class RowPlan:
    """A row of a table resolved: its members, the space they are fused in, the accuracy that the paper prints."""

    row: RowEntry
    members: list[MemberSpec]
    space: Space | None
    published: Published | None = None


def evaluate_paper_table(
    entry: TableEntry,
    manifest: Manifest,
    workspace: Workspace,
    truth_of: TruthOf,
    *,
    dataset: str | None = None,
    split: str | None = None,
    partial: bool = False,
    rows: Sequence[RowPlan] = (),
) -> PaperEvaluation:
    """Evaluate the rows of a table from score files.

    Args:
        truth_of: gives the ground truth of a score file's videos.
        dataset, split: where the scores are, if not on the table's own split; published rows are left out then.
        partial: rows without scores stay empty instead of raising an error.
        rows: further rows, as the last block.

    Raises:
        MissingScoresError: names every command that creates a missing score file, unless `partial`.
    """
    where = manifest.place(entry.dataset, entry.split, dataset, split) if entry.dataset else (dataset, split)
    own_split = not entry.dataset or where == (entry.dataset, entry.split)
    published = published_rows(entry) if own_split else []
    if entry.with_paper and own_split:
        published = [*published_rows(manifest.table(entry.with_paper), manifest), *published]
    plans = [
        [_plan_row(row, manifest, workspace, where, own_split) for row in block if not row.printed]
        for block in entry.blocks
    ]
    plans = [block for block in [*plans, list(rows)] if block]
    if not partial:
        require_scores([spec for block in plans for plan in block for spec in plan.members])
    measured = [tuple(MeasuredRow(plan.row, _evaluate_row(plan, truth_of)) for plan in block) for block in plans]
    split_entry = manifest.dataset(where[0]).splits.get(where[1] or "") if where[0] else None
    full_videos = split_entry.videos if split_entry else None
    return PaperEvaluation(entry, where[0] or "", where[1] or "", own_split, full_videos, (*published, *measured))


def published_rows(entry: TableEntry, manifest: Manifest | None = None) -> list[tuple[PublishedRow, ...]]:
    """The published rows of a table, in its blocks; with a manifest, also those that the registry holds.

    The latter are left out of a table that has published rows of its own.
    """
    own = [[row for row in block if row.printed] for block in entry.blocks]
    if manifest and not any(own):
        own = [
            [registered for row in block if (registered := _registered(row, entry, manifest))] for block in entry.blocks
        ]
    return [
        tuple(PublishedRow(row, entry.source, entry.dataset, entry.split) for row in block) for block in own if block
    ]


def _registered(row: RowEntry, entry: TableEntry, manifest: Manifest) -> RowEntry | None:
    """A measured row with the accuracies that its model's or ensemble's entry publishes; None if there are none."""
    plan = _plan_row(row, manifest, Workspace(Path()), (entry.dataset, entry.split), own_split=True)
    if plan.published is None:
        return None
    percents = {"top1": plan.published.top1_percent, "top5": plan.published.top5_percent}
    frames = "+".join(planned_frames_text(spec) for spec in plan.members)
    return replace(row, frames=frames, printed={key: value for key, value in percents.items() if value is not None})


def require_scores(specs: Sequence[MemberSpec]) -> None:
    """Raise MissingScoresError for members without a score file; names the commands that create them."""
    missing = list({spec.path: spec for spec in specs if not spec.path.is_file()}.values())
    if missing:
        try:
            with open_members(missing):
                pass
        except MissingScoresError as error:
            fix = f"{error.fix}\n         or use --partial to show the rows that have scores"
            raise MissingScoresError(error.what, where=error.where, fix=fix) from error


def row_members(
    row: RowEntry, manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None
) -> list[MemberSpec]:
    """The members of a table's row on a split; raises ManifestError for a row that names none or several sources."""
    if sum(map(bool, (row.model, row.ensemble, row.scores))) != 1:
        raise ManifestError(
            f"the row {row.label!r} of a table names {'no' if not row.scores else 'more than one'} source",
            fix="give it one of model, ensemble, scores and printed",
        )
    if row.scores:
        return [MemberSpec(Path(row.scores).stem, workspace.root / row.scores, row.clips, 1.0)]
    if row.ensemble:
        return specs_of_entry(manifest.ensemble(row.ensemble), manifest, workspace, dataset, split)
    return [model_spec(manifest.model(str(row.model)), manifest, workspace, dataset, split, row.clips)]


def _plan_row(
    row: RowEntry, manifest: Manifest, workspace: Workspace, where: tuple[str | None, str | None], own_split: bool
) -> RowPlan:
    members = row_members(row, manifest, workspace, *where)
    space, published = None, None
    if row.ensemble:
        ensemble = manifest.ensemble(row.ensemble)
        space, published = ensemble.space, next(iter(ensemble.published), None)
    elif row.model:
        model = manifest.model(row.model)
        published = model.published_for(row.clips, where[1] or model.split)
    return RowPlan(row, members, space, published if own_split else None)


def _evaluate_row(plan: RowPlan, truth_of: TruthOf) -> Evaluation:
    if not all(spec.path.is_file() for spec in plan.members):
        frames = "+".join(planned_frames_text(spec) for spec in plan.members)
        return Evaluation(plan.row.label, frames, published=plan.published)
    with open_members(plan.members) as members:
        return evaluate_members(plan.row.label, members, members_truth(members, truth_of), plan.space, plan.published)[
            0
        ]
