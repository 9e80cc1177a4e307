"""The rows of a table of the paper, evaluated from score files, each with the printed accuracy beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gsm_bench.ensembles.frames_text import planned_frames_text
from gsm_bench.ensembles.members import MemberSpec, model_spec, open_members, specs_of_entry
from gsm_bench.entries import Published, RowEntry, TableEntry
from gsm_bench.errors import MissingScoresError
from gsm_bench.evaluation.evaluation import Evaluation, evaluate_members
from gsm_bench.evaluation.ground_truth import TruthOf
from gsm_bench.manifest import Manifest
from gsm_bench.settings import Space
from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class PaperEvaluation:
    """A table of the paper, evaluated.

    Attributes:
        entry: the table's entry.
        dataset, split: where the scores are.
        own_split: whether that is the table's own split; printed accuracies are comparable only there.
        full_videos: videos of the full split; None where the data set's entry does not say.
        blocks: results as in the table; without accuracy where a row has no scores.
    """

    entry: TableEntry
    dataset: str
    split: str
    own_split: bool
    full_videos: int | None
    blocks: tuple[tuple[Evaluation, ...], ...]

    @property
    def results(self) -> list[Evaluation]:
        return [result for block in self.blocks for result in block]


@dataclass(frozen=True)
class RowPlan:
    """A row of a table resolved: its members, the space they are fused in, the accuracy that the paper prints."""

    row: RowEntry
    members: list[MemberSpec]
    space: Space | None
    published: Published | None


def evaluate_paper_table(
    entry: TableEntry,
    manifest: Manifest,
    workspace: Workspace,
    truth_of: TruthOf,
    *,
    dataset: str | None = None,
    split: str | None = None,
    partial: bool = False,
) -> PaperEvaluation:
    """Evaluate the rows of a table from score files.

    Args:
        truth_of: gives the ground truth of a score file's videos.
        dataset, split: where the scores are, if not on the table's own split.
        partial: rows without scores stay empty instead of raising an error.

    Raises:
        MissingScoresError: names every command that creates a missing score file, unless `partial`.
    """
    where = manifest.place(entry.dataset, entry.split, dataset, split)
    own_split = where == (entry.dataset, entry.split)
    plans = [[_plan_row(row, manifest, workspace, where, own_split) for row in block] for block in entry.blocks]
    if not partial:
        require_scores([spec for block in plans for plan in block for spec in plan.members])
    blocks = tuple(tuple(_evaluate_row(plan, truth_of) for plan in block) for block in plans)
    split_entry = manifest.dataset(where[0]).splits.get(where[1])
    return PaperEvaluation(entry, *where, own_split, split_entry.videos if split_entry else None, blocks)


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


def row_members(row: RowEntry, manifest: Manifest, workspace: Workspace, dataset: str, split: str) -> list[MemberSpec]:
    """The members of a table's row on a split."""
    if row.ensemble:
        return specs_of_entry(manifest.ensemble(row.ensemble), manifest, workspace, dataset, split)
    return [model_spec(manifest.model(str(row.model)), manifest, workspace, dataset, split, row.clips)]


def _plan_row(
    row: RowEntry, manifest: Manifest, workspace: Workspace, where: tuple[str, str], own_split: bool
) -> RowPlan:
    members = row_members(row, manifest, workspace, *where)
    if row.ensemble:
        ensemble = manifest.ensemble(row.ensemble)
        space, published = ensemble.space, next(iter(ensemble.published), None)
    else:
        space, published = None, manifest.model(str(row.model)).published_for(row.clips, where[1])
    return RowPlan(row, members, space, published if own_split else None)


def _evaluate_row(plan: RowPlan, truth_of: TruthOf) -> Evaluation:
    if not all(spec.path.is_file() for spec in plan.members):
        frames = "+".join(planned_frames_text(spec) for spec in plan.members)
        return Evaluation(plan.row.label, frames, published=plan.published)
    with open_members(plan.members) as members:
        return evaluate_members(plan.row.label, members, truth_of(members[0].head), plan.space, plan.published)[0]
