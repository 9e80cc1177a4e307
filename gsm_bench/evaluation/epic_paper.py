"""Table 6 of the paper: verbs, nouns and actions on S1 and S2, printed rows and rows measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.entries import RowEntry, TableEntry
from gsm_bench.evaluation.actions import action_rule
from gsm_bench.evaluation.epic import TASKS, estimated_truth, evaluate_parts
from gsm_bench.evaluation.epic55_estimate import Epic55PublicLabels
from gsm_bench.evaluation.paper import require_scores, row_members
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.workspace import Workspace

Places = tuple[Path, Path]
"""The annotations of EPIC-55 and of EPIC-100."""


@dataclass(frozen=True)
class EpicPaperRow:
    """A row of the table.

    Attributes:
        label, pretraining: as printed.
        printed: whether the accuracies are the paper's; else they are measured here.
        accuracies: top-1 as fractions by (split, task); empty without scores.
    """

    label: str
    pretraining: str | None
    printed: bool
    accuracies: Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class EpicPaperEvaluation:
    """The table, with printed and measured rows.

    Attributes:
        entry: the table's entry.
        blocks: its rows.
        public_labels: the labels behind the measured accuracies, per split.
        incomplete: whether a measured row lacks the score of a segment.
    """

    entry: TableEntry
    blocks: tuple[tuple[EpicPaperRow, ...], ...]
    public_labels: Mapping[str, Epic55PublicLabels]
    incomplete: bool


@dataclass(frozen=True)
class _Measured:
    accuracies: Mapping[str, float]
    public_labels: Epic55PublicLabels
    incomplete: bool


def evaluate_epic_paper(
    entry: TableEntry, manifest: Manifest, workspace: Workspace, places: Places, *, partial: bool = False
) -> EpicPaperEvaluation:
    """Printed accuracies as they are, measured ones by the labels that EPIC-100 made public.

    Args:
        places: see `Places`.
        partial: rows without scores stay empty instead of raising an error.

    Raises:
        MissingScoresError: names the commands that create missing score files, unless `partial`.
    """
    measured = [row for block in entry.blocks for row in block if not row.printed]
    members = {
        (at, split): row_members(row, manifest, workspace, entry.dataset, split)
        for split in entry.splits
        for at, row in enumerate(measured)
    }
    if not partial:
        require_scores([spec for specs in members.values() for spec in specs])
    results = {
        place: _measure(specs, entry.dataset, place[1], manifest, places)
        for place, specs in members.items()
        if all(spec.path.is_file() for spec in specs)
    }
    return EpicPaperEvaluation(
        entry=entry,
        blocks=tuple(
            tuple(_printed(row) if row.printed else _measured(row, results, measured.index(row)) for row in block)
            for block in entry.blocks
        ),
        public_labels={split: result.public_labels for (_, split), result in results.items()},
        incomplete=any(result.incomplete for result in results.values()),
    )


def _measure(specs: Sequence[MemberSpec], dataset: str, split: str, manifest: Manifest, places: Places) -> _Measured:
    with open_members(specs) as members:
        entry = manifest.dataset(dataset)
        truth, public_labels = estimated_truth(members[0].head, entry, split, places, specs[0].path)
        metrics = evaluate_parts(members, truth, entry, action_rule(members, None))
        incomplete = any((np.asarray(member.status) == NOT_SCORED).any() for member in members)
    return _Measured({task: metrics["all", task, "top1"].value for task in TASKS}, public_labels, incomplete)


def _printed(row: RowEntry) -> EpicPaperRow:
    places = {name: name.rpartition("_") for name in row.printed}
    accuracies = {(places[name][0], places[name][2]): round(value / 100, 6) for name, value in row.printed.items()}
    return EpicPaperRow(row.label, row.pretraining or None, True, accuracies)


def _measured(row: RowEntry, results: Mapping[tuple[int, str], _Measured], number: int) -> EpicPaperRow:
    accuracies = {
        (split, task): value
        for (at, split), result in results.items()
        if at == number
        for task, value in result.accuracies.items()
    }
    return EpicPaperRow(row.label, row.pretraining or None, False, accuracies)
