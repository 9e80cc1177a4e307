"""The clip protocols that one score file holds: its one-clip row, and all of its clips together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gsm_bench.ensembles.actions import ActionSource, rule_for
from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.labels import Truth
from gsm_bench.sampling import CENTRE, clip_offsets
from gsm_bench.scorefile import ScoreHead, open_scores
from gsm_bench.tables.results import Result, evaluate_members


def evaluate_file(
    path: Path, truth_of: Callable[[ScoreHead], Truth], actions: ActionSource | None = None
) -> list[Result]:
    """One result per protocol: one clip where the file holds the offset 0.5, and K clips where it holds K."""
    with open_scores(path) as file:
        head = file.head
    truth = truth_of(head)
    label = str(head.provenance.get("model") or path.stem)
    results = []
    for clips in protocols(head):
        with open_members([MemberSpec(label, path, clips, 1.0)]) as members:
            rule = rule_for(members, truth, actions)
            results.append(evaluate_members(label, members, truth, actions=rule)[0])
    return results


def protocols(head: ScoreHead) -> list[int | None]:
    """Numbers of clips that can be taken from a file; None alone where its views were averaged or are of no set."""
    offsets = sorted(set(head.views["offset"].tolist()))
    if np.isnan(offsets).any():
        return [None]
    found = [1] if any(np.isclose(offset, CENTRE) for offset in offsets) else []
    if len(offsets) > 1 and np.allclose(offsets, clip_offsets(len(offsets))):
        found.append(len(offsets))
    return list(found) or [None]
