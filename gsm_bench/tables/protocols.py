"""The clip protocols that one score file holds: its one-clip row, and all of its clips together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.ensembles.pool import protocols
from gsm_bench.labels import Truth
from gsm_bench.scorefile import ScoreHead, open_scores
from gsm_bench.tables.results import Result, evaluate_members


def evaluate_file(path: Path, truth_of: Callable[[ScoreHead], Truth]) -> list[Result]:
    """One result per protocol: one clip where the file holds the offset 0.5, and K clips where it holds K."""
    with open_scores(path) as file:
        head = file.head
    truth = truth_of(head)
    label = str(head.provenance.get("model") or path.stem)
    results = []
    for clips in protocols(head):
        with open_members([MemberSpec(label, path, clips, 1.0)]) as members:
            results.append(evaluate_members(label, members, truth)[0])
    return results
