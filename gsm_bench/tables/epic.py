"""Verb, noun and action metrics of a result, with the parts that EPIC-KITCHENS looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.ensembles.members import MemberSpec, open_members, protocols
from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import LabelError
from gsm_bench.evaluation.actions import (
    SOURCE_WORDS,
    action_rule,
    training_prior,
)
from gsm_bench.evaluation.epic import estimated_truth, evaluate_parts
from gsm_bench.evaluation.epic55_estimate import Epic55PublicLabels
from gsm_bench.evaluation.evaluation import frames_text
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.layouts.epic import part_files
from gsm_bench.metrics.epic import DEFINITIONS, EpicMetric
from gsm_bench.scorefile import NOT_SCORED, ScoreHead, open_scores
from gsm_bench.settings import ActionSource
from gsm_bench.tables.results import some_of
from gsm_bench.tables.table import Column, Table

TASKS = ("verb", "noun", "action")
ROWS = {
    ("all", "top1"): "Top-1",
    ("all", "top5"): "Top-5",
    ("tail", "top1"): "Top-1, tail classes",
    ("unseen", "top1"): "Top-1, unseen participants",
    ("all", "precision"): "Precision, many-shot classes",
    ("all", "recall"): "Recall, many-shot classes",
}
COLUMNS = (
    Column("label", "Model"),
    Column("frames", "Frames"),
    Column("metric", "Metric"),
    *(Column(task, task.capitalize(), "percent") for task in TASKS),
    Column("over", "Over"),
)


def parts_table(
    path: Path, truth_of: Callable[[ScoreHead], GroundTruth], actions: ActionSource | None = None
) -> tuple[Table, Sequence[str]]:
    """All metrics of a score file, for every clip protocol that it holds; and the ids of clips without a score.

    Args:
        truth_of: gives what is known of a score file's clips.
        actions: where action scores come from; the head if there is one, else verb x noun.

    Raises:
        LabelError: the split has no verb and noun labels.
    """
    with open_scores(path) as file:
        head = file.head
    truth = truth_of(head)
    if not {"verb", "noun"} <= truth.labels.keys() or truth.split is None or truth.dataset is None:
        raise LabelError(
            "this split has no verb and noun labels",
            where=path,
            fix="gsmbench evaluate FILE without --parts; for the EPIC-55 tests with --offline epic-55",
        )
    blocks, notes = _blocks(path, head, truth, actions)
    table = Table(f"{truth.dataset.title}, {truth.split.name}", COLUMNS, blocks, notes, "parts")
    return table, _not_scored(head)


def estimate_table(
    path: Path, dataset: DatasetEntry, split: str | None, places: tuple[Path, Path], actions: ActionSource | None = None
) -> tuple[Table, Sequence[str]]:
    """The same of an EPIC-55 test split, by the labels that EPIC-100 made public: an estimate, always called so.

    Args:
        split: ``s1`` or ``s2``, the file's own unless told.
        places: the annotations of EPIC-55 and of EPIC-100.

    Raises:
        LabelError: the file is of another split, or the annotations are not there.
    """
    with open_scores(path) as file:
        head = file.head
    own = (head.provenance.dataset, head.provenance.split)
    name = split or str(own[1])
    if own != (dataset.name, name) or name not in ("s1", "s2"):
        raise LabelError(
            f"these are scores of {own[0]}/{own[1]}, not of {dataset.name}/{split or 's1 or s2'}",
            where=path,
            fix=f"gsmbench score --model NAME --dataset {dataset.name} --split s1",
        )
    truth, offline = estimated_truth(head, dataset, name, places, path)
    blocks, notes = _blocks(path, head, truth, actions)
    title = f"ESTIMATE for {dataset.title}, {name}"
    return Table(title, COLUMNS, blocks, (*offline_notes(offline), *notes), "estimate"), _not_scored(head)


def _blocks(
    path: Path, head: ScoreHead, truth: GroundTruth, actions: ActionSource | None
) -> tuple[tuple[tuple[dict[str, Any], ...], ...], tuple[str, ...]]:
    """Rows per clip protocol, and notes on how they were made."""
    assert truth.dataset is not None
    label = str(head.provenance.model or path.stem)
    blocks, notes = [], []
    for clips in protocols(head):
        with open_members([MemberSpec(label, path, clips, 1.0)]) as members:
            rule = action_rule(members, actions, training_prior(truth) if actions == "prior" else None)
            found = evaluate_parts(members, truth, truth.dataset, rule)
            blocks.append(tuple(_rows(label, frames_text(members[0].head, members[0].views), found)))
            notes.append(f"Actions {SOURCE_WORDS[rule.source]} ({rule.why}).")
    notes += _absent_notes(truth)
    bad = _not_scored(head)
    if bad:
        notes.append(f"{len(bad):,} clips have no score: {some_of(bad)}. All numbers are over the scored clips.")
    notes.append("gsmbench evaluate --definitions says what every number means.")
    return tuple(blocks), tuple(dict.fromkeys(notes))


def _absent_notes(truth: GroundTruth) -> list[str]:
    """Which metrics are left out because their files are not beside the list."""
    if truth.split is None or truth.dataset is None:
        return []
    names = part_files(truth.dataset.layout, truth.split.name)
    absent = [name for name in names if not (truth.split.list_path.parent / name).is_file()]
    return [f"Left out is what {', '.join(absent)} would say: not beside the list."] if absent else []


def _not_scored(head: ScoreHead) -> list[str]:
    return [head.ids[row] for row in np.flatnonzero(head.status == NOT_SCORED)]


def definitions_table() -> Table:
    """What every number means."""
    rows = tuple({"name": name, "meaning": meaning} for name, meaning in DEFINITIONS.items())
    return Table("", (Column("name", "Number"), Column("meaning", "What it is")), (rows,), name="definitions")


def _rows(label: str, frames: str, found: Mapping[tuple[str, str, str], EpicMetric]) -> Iterable[dict[str, Any]]:
    for (part, metric), words in ROWS.items():
        measured = {task: found[part, task, metric] for task in TASKS if (part, task, metric) in found}
        if measured:
            counts = [measured[task].over for task in TASKS if task in measured]
            over = f"{counts[0]:,}" if len(set(counts)) == 1 else " / ".join(f"{count:,}" for count in counts)
            values = {task: measure.value for task, measure in measured.items()}
            yield {
                "label": label,
                "frames": frames,
                "metric": words,
                "part": part,
                "measure": metric,
                **values,
                "over": over,
            }


def offline_notes(offline: Epic55PublicLabels) -> list[str]:
    """What an estimate rests on, in words."""
    usable, noise = offline.usable, {task: 100 * offline.noise(task) for task in TASKS}
    notes = [
        "An estimate, not a result of the EPIC-KITCHENS-55 board, which its organisers declared no longer valid in February 2024:",
        f"  labels come from the public EPIC-KITCHENS-100 files, which hold {offline.found:,} of the {offline.segments:,} segments;",
        f"  {usable['verb']:,} verbs, {usable['noun']:,} nouns and {usable['action']:,} actions have an EPIC-55 class.",
        f"  Label noise: up to {noise['verb']:.1f}% of the verb labels, {noise['noun']:.1f}% of the noun labels and {noise['action']:.1f}% of the "
        "actions may differ from the official ones, so each accuracy is known to plus or minus that many points.",
    ]
    for task in ("verb", "noun"):
        dropped = offline.dropped[task]
        if dropped:
            most = ", ".join(f"{word} {count}" for word, count in dropped[:5])
            notes.append(
                f"  Dropped {task}s: {sum(count for _, count in dropped):,} segments of {len(dropped)} words without a class ({most}, ..)."
            )
    if offline.absent_files:
        left = offline.segments - offline.found
        notes.append(
            f"  Partial: {', '.join(offline.absent_files)} is not here; of the {left:,} segments without a label, those that it holds "
            "could take part."
        )
    return notes
