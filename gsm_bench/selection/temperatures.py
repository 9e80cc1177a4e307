"""A temperature per member, fitted on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gsm_bench.ensembles.fuse import member_mean
from gsm_bench.ensembles.members import OpenMember
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.temperature import fit_temperature
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.settings import Space


def member_temperatures(members: Sequence[OpenMember], task: str, truth: GroundTruth) -> list[float]:
    """The temperature of each member that minimises its own NLL on the scored videos with a label."""
    labels = truth.labels[task]
    temperatures = []
    for member in members:
        space: Space = "logits" if member.head.kinds[task] == "logits" else "log_probabilities"
        rows = np.flatnonzero((member.status != NOT_SCORED) & (labels >= 0))
        scores = member_mean(member, task, space, slice(0, len(labels)))[rows]
        temperatures.append(fit_temperature(scores, labels[rows]))
    return temperatures
