"""Table 6 of the paper: verbs, nouns and actions on S1 and S2, printed rows beside measured ones."""

from __future__ import annotations

from gsm_bench.evaluation.epic import TASKS
from gsm_bench.evaluation.epic_paper import EpicPaperEvaluation
from gsm_bench.tables.epic import public_label_notes
from gsm_bench.tables.table import Column, Table


def epic_paper_table(evaluation: EpicPaperEvaluation) -> Table:
    """One row per method, three accuracies per split."""
    entry = evaluation.entry
    columns = (
        Column("label", "Method"),
        Column("pretraining", "Pretraining"),
        *(
            Column(f"{split}_{task}", f"{split.upper()}\n{task.capitalize()}", "percent", "highest")
            for split in entry.splits
            for task in TASKS
        ),
        Column("source", "Source"),
    )
    blocks = tuple(
        tuple(
            {
                "label": row.label,
                "pretraining": row.pretraining,
                "source": "printed" if row.printed else "measured",
                **{f"{split}_{task}": value for (split, task), value in row.accuracies.items()},
            }
            for row in block
        )
        for block in evaluation.blocks
    )
    notes: list[str] = [f"Printed: {entry.source}."] if entry.source else []
    for split, labels in evaluation.public_labels.items():
        notes += [f"{split.upper()}:", *public_label_notes(labels)]
    if evaluation.public_labels:
        notes.insert(0, "Printed rows are results of the server; the measured row is an estimate.")
    return Table(entry.title, columns, blocks, tuple(dict.fromkeys(notes)), f"table {entry.name}")
