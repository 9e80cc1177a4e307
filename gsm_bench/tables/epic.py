"""Verb, noun and action metrics of a score file, with the parts that EPIC-KITCHENS reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gsm_bench.evaluation.actions import SOURCE_WORDS
from gsm_bench.evaluation.epic import TASKS
from gsm_bench.evaluation.epic55_estimate import Epic55PublicLabels
from gsm_bench.evaluation.epic_file import EpicEvaluation, EpicFileEvaluation
from gsm_bench.metrics.epic import DEFINITIONS
from gsm_bench.tables.notes import counted, some_of
from gsm_bench.tables.table import Column, Table

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


def epic_table(evaluation: EpicFileEvaluation) -> Table:
    """All metrics of a score file, a block per clip protocol; an estimate is named so in the title."""
    blocks = tuple(tuple(_rows(protocol)) for protocol in evaluation.protocols)
    notes = tuple(dict.fromkeys(_notes(evaluation)))
    title = f"{evaluation.dataset.title}, {evaluation.split}"
    if evaluation.public_labels is None:
        return Table(title, COLUMNS, blocks, notes, "parts")
    notes = (*public_label_notes(evaluation.public_labels), *notes)
    return Table(f"ESTIMATE for {title}", COLUMNS, blocks, notes, "estimate")


def _rows(evaluation: EpicEvaluation) -> Iterator[dict[str, Any]]:
    for (part, measure), words in ROWS.items():
        metrics = {
            task: evaluation.metrics[part, task, measure]
            for task in TASKS
            if (part, task, measure) in evaluation.metrics
        }
        if metrics:
            counts = [metric.over for metric in metrics.values()]
            yield {
                "label": evaluation.label,
                "frames": evaluation.frames,
                "metric": words,
                "part": part,
                "measure": measure,
                **{task: metric.value for task, metric in metrics.items()},
                "over": " / ".join(f"{count:,}" for count in (counts if len(set(counts)) > 1 else counts[:1])),
            }


def _notes(evaluation: EpicFileEvaluation) -> Iterator[str]:
    for protocol in evaluation.protocols:
        yield f"Actions {SOURCE_WORDS[protocol.rule.source]} ({protocol.rule.why})."
    if evaluation.missing_files:
        yield f"Metrics that need {', '.join(evaluation.missing_files)} are left out: not beside the list."
    missing = evaluation.not_scored
    if missing:
        yield (
            f"{counted(len(missing), 'segment')} without a score: {some_of(missing)}. All numbers are over the scored "
            "segments."
        )
    yield "Definitions of these numbers: gsmbench evaluate --definitions"


def definitions_table() -> Table:
    """The definition of every number."""
    rows = tuple({"name": name, "meaning": meaning} for name, meaning in DEFINITIONS.items())
    return Table("", (Column("name", "Number"), Column("meaning", "Definition")), (rows,), name="definitions")


def public_label_notes(labels: Epic55PublicLabels) -> list[str]:
    """The basis of an estimate in words: which labels are public, how noisy they are, what is missing."""
    usable, noise = labels.usable, {task: 100 * labels.noise(task) for task in TASKS}
    notes = [
        "An estimate, not a result of the EPIC-KITCHENS-55 board, which is no longer valid since February 2024:",
        f"  labels come from the public EPIC-KITCHENS-100 files, which hold {labels.public:,} of {labels.segments:,} segments;",
        f"  {usable['verb']:,} verbs, {usable['noun']:,} nouns and {usable['action']:,} actions have an EPIC-55 class.",
        f"  Label noise: up to {noise['verb']:.1f}% of the verb labels, {noise['noun']:.1f}% of the noun labels and "
        f"{noise['action']:.1f}% of the actions may be wrong. Each accuracy may be off by as many points.",
    ]
    for task in ("verb", "noun"):
        dropped = labels.dropped[task]
        if dropped:
            most = ", ".join(f"{word} {count}" for word, count in dropped[:5])
            segments = sum(count for _, count in dropped)
            notes.append(
                f"  Dropped {task}s: {segments:,} segments of {len(dropped)} words without a class ({most}, ..)."
            )
    if labels.absent_files:
        notes.append(
            f"  Partial: {', '.join(labels.absent_files)} is missing; it may hold labels of the other "
            f"{labels.segments - labels.public:,} segments."
        )
    return notes
