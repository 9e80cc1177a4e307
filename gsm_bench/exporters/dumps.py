"""A score file as the dump of another project that needs no torch: the EPIC-100 baselines."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from gsm_bench.ensembles.spaces import to_space
from gsm_bench.errors import ExportError
from gsm_bench.exporters.rows import whole_rows
from gsm_bench.scorefile import ScoreFile

PROTOCOL = 2
"""What mmengine and the baselines' Python write by default."""


def write_epic_baseline(path: Path, file: ScoreFile, _: str) -> list[str]:
    """List of dicts of numpy arrays, as the EPIC-100 baselines write it; their readers take a softmax."""
    head = file.head
    if not {"verb", "noun"} <= head.kinds.keys():
        have = ", ".join(head.kinds)
        raise ExportError(f"this format holds verb and noun scores, the score file {have}", fix="--to mmaction2 or npz")
    notes = []
    arrays = {}
    for task in ("verb", "noun"):
        scores, said = whole_rows(file, task)
        notes += said
        if head.kinds[task] == "probabilities":
            scores = to_space(scores, "probabilities", "log_probabilities").astype(scores.dtype)
            notes.append(f"{task}_output holds log-probabilities: the baselines' code takes a softmax of it")
        arrays[f"{task}_output"] = scores
    rows = [
        {**{key: values[at].copy() for key, values in arrays.items()}, **_names(name)}
        for at, name in enumerate(head.ids)
    ]
    write_pickle(path, rows)
    if head.labels:
        notes.append("labels are left out: this format has none")
    return notes


def _names(segment: str) -> dict[str, str]:
    """A segment's id, and its video where the id says it: ``P01_101_7`` is of ``P01_101``."""
    video, _, number = segment.rpartition("_")
    return {"narration_id": segment, **({"video_id": video} if video and number.isdecimal() else {})}


def write_pickle(path: Path, value: Any) -> None:
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=PROTOCOL)
