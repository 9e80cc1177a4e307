"""A score file as a dump of mmaction2 1.x, which needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gsm_bench.exporters.dumps import write_pickle
from gsm_bench.exporters.rows import best_classes, complete_rows
from gsm_bench.scorefile import ScoreFile


def write_mmaction2(path: Path, file: ScoreFile, task: str) -> list[str]:
    """Write a list of dicts of tensors like ``DumpResults`` of mmaction2 1.x, scores unchanged; returns notes."""
    scores, notes = complete_rows(file, task)
    head = file.head
    import torch

    best = best_classes(scores, 1)
    labels = head.labels.get(task)
    rows: list[dict[str, Any]] = []
    for at in range(len(head)):
        row = {"pred_score": torch.from_numpy(scores[at].copy()), "pred_label": torch.from_numpy(best[at].copy())}
        if labels is not None and labels[at] >= 0:
            row["gt_label"] = torch.tensor([int(labels[at])])
        rows.append(row)
    write_pickle(path, rows)
    kind = head.kinds[task]
    notes += [f"pred_score holds {kind}; mmaction2 writes probabilities by default"] if kind != "probabilities" else []
    if head.order == "ids":
        notes.append("this format has no video ids: rows are in the order of the score file")
    return notes
