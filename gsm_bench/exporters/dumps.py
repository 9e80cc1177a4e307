"""A score file as a dump of the EPIC-100 baselines, which needs no torch."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from gsm_bench.ensembles.spaces import to_space
from gsm_bench.errors import ExportError
from gsm_bench.exporters.rows import complete_rows
from gsm_bench.scorefile import ScoreFile

PROTOCOL = 2
"""The pickle protocol that mmengine and the baselines write by default."""


def write_epic_baseline(path: Path, file: ScoreFile, _: str) -> list[str]:
    """Write a list of dicts of numpy arrays like the EPIC-100 baselines, which take a softmax of it; returns notes."""
    head = file.head
    if not {"verb", "noun"} <= head.kinds.keys():
        tasks = ", ".join(head.kinds)
        raise ExportError(
            f"this format needs verb and noun scores; the score file has {tasks}", fix="--to mmaction2 or npz"
        )
    notes = []
    arrays = {}
    for task in ("verb", "noun"):
        scores, task_notes = complete_rows(file, task)
        notes += task_notes
        if head.kinds[task] == "probabilities":
            scores = to_space(scores, "probabilities", "log_probabilities").astype(scores.dtype)
            notes.append(f"{task}_output holds log-probabilities, because the baselines take a softmax of it")
        arrays[f"{task}_output"] = scores
    rows = [
        {**{key: values[at].copy() for key, values in arrays.items()}, **_ids(name)} for at, name in enumerate(head.ids)
    ]
    write_pickle(path, rows)
    if head.labels:
        notes.append("this format has no labels, so they are omitted")
    return notes


def _ids(segment: str) -> dict[str, str]:
    """The id of a segment, and of its video if the id holds it: ``P01_101_7`` is a segment of ``P01_101``."""
    video, _, number = segment.rpartition("_")
    return {"narration_id": segment, **({"video_id": video} if video and number.isdecimal() else {})}


def write_pickle(path: Path, value: Any) -> None:
    """Pickle a value with the protocol of other projects."""
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=PROTOCOL)
