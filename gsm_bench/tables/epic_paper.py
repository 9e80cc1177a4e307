"""Table 6 of the paper: verbs, nouns and actions on S1 and S2, printed rows and, under them, what was measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.ensembles.members import MemberSpec, model_spec, open_members, specs_of_entry
from gsm_bench.entries import RowEntry, TableEntry
from gsm_bench.errors import MissingScoresError
from gsm_bench.evaluation.actions import action_rule
from gsm_bench.evaluation.epic import estimated_truth, evaluate_parts
from gsm_bench.evaluation.epic55_estimate import Epic55PublicLabels
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.tables.epic import TASKS, offline_notes
from gsm_bench.tables.table import Column, Table
from gsm_bench.workspace import Workspace

Places = tuple[Path, Path]
"""The annotations of EPIC-55 and of EPIC-100."""


def verb_noun_action_table(
    entry: TableEntry, manifest: Manifest, workspace: Workspace, places: Places, *, partial: bool = False
) -> tuple[Table, bool]:
    """Printed accuracies as they stand, measured ones from score files by the labels that EPIC-100 made public.

    Args:
        places: see `Places`.
        partial: rows without scores become dashes instead of an error.

    Returns:
        The table, and whether a measured row lacks clips.

    Raises:
        MissingScoresError: naming the commands that make missing score files, unless `partial`.
    """
    measured = [row for block in entry.blocks for row in block if not row.printed]
    specs = {
        split: [_members(row, manifest, workspace, entry.dataset, split) for row in measured] for split in entry.splits
    }
    if not partial:
        _require([spec for rows in specs.values() for members in rows for spec in members])
    notes: list[str] = []
    incomplete = False
    values: list[dict[str, Any]] = [{} for _ in measured]
    for split in entry.splits:
        for row, members in enumerate(specs[split]):
            if all(spec.path.is_file() for spec in members):
                found, offline, bad = _measure(members, entry.dataset, split, manifest, places)
                values[row] |= {f"{split}_{task}": value for task, value in found.items()}
                notes += [f"{split.upper()}:", *offline_notes(offline)]
                incomplete |= bad
    rows = iter(values)
    blocks = tuple(
        tuple(_row(row, _fractions(row.printed) if row.printed else next(rows)) for row in block)
        for block in entry.blocks
    )
    heads = [
        Column(f"{split}_{task}", f"{split.upper()}\n{task.capitalize()}", "percent")
        for split in entry.splits
        for task in TASKS
    ]
    columns = (Column("label", "Method"), Column("pretraining", "Pretraining"), *heads)
    if notes:
        notes.insert(0, "Printed rows are results of the server; the measured row is an estimate.")
    return Table(entry.title, columns, blocks, tuple(dict.fromkeys(notes)), f"table {entry.name}"), incomplete


def _members(row: RowEntry, manifest: Manifest, workspace: Workspace, dataset: str, split: str) -> list[MemberSpec]:
    if row.ensemble:
        return specs_of_entry(manifest.ensemble(row.ensemble), manifest, workspace, dataset, split)
    return [model_spec(manifest.model(str(row.model)), manifest, workspace, dataset, split, row.clips)]


def _measure(
    specs: Sequence[MemberSpec], dataset: str, split: str, manifest: Manifest, places: Places
) -> tuple[dict[str, float], Epic55PublicLabels, bool]:
    with open_members(specs) as members:
        entry = manifest.dataset(dataset)
        truth, offline = estimated_truth(members[0].head, entry, split, places, specs[0].path)
        found = evaluate_parts(members, truth, entry, action_rule(members, None))
        bad = any((np.asarray(member.status) == NOT_SCORED).any() for member in members)
    return {task: found["all", task, "top1"].value for task in TASKS}, offline, bad


def _row(row: RowEntry, values: Mapping[str, Any]) -> dict[str, Any]:
    source = "printed" if row.printed else "measured"
    return {"label": row.label, "pretraining": row.pretraining or None, "source": source, **values}


def _fractions(printed: Mapping[str, float]) -> dict[str, float]:
    return {name: round(percent / 100, 6) for name, percent in printed.items()}


def _require(specs: Sequence[MemberSpec]) -> None:
    missing = list({spec.path: spec for spec in specs if not spec.path.is_file()}.values())
    if missing:
        try:
            with open_members(missing):
                pass
        except MissingScoresError as error:
            raise MissingScoresError(
                error.what, where=error.where, fix=f"{error.fix}\n         or --partial for the rows that are there"
            ) from error
