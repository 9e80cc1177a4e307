"""Two results on the same videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.evaluation.actions import (
    ActionRule,
    pair_codes,
    predict_actions,
    rule_for,
)
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import Predictions, predict
from gsm_bench.id_array import IdArray
from gsm_bench.settings import ActionSource, Space


@dataclass(frozen=True)
class Side:
    """One of the two results: its name, its open members, the space they are fused in."""

    label: str
    members: Sequence[OpenMember]
    space: Space | None


@dataclass(frozen=True)
class Comparison:
    """Answers of two results to the same clips, in the rows of the first's first member.

    Attributes:
        labels: int [N] per task in the numbers of the answers: of actions that are pairs, codes verb * nouns + noun.
        rules: how each of the two ranks such actions; empty where actions are classes of their own.
    """

    first: Side
    second: Side
    truth: GroundTruth
    answers: Mapping[str, tuple[Predictions, Predictions]]
    labels: Mapping[str, NDArray[np.integer]]
    rules: tuple[ActionRule, ...] = ()

    @property
    def ids(self) -> IdArray:
        return self.first.members[0].head.ids

    def class_name(self, task: str, number: int) -> str:
        """A class by its name where one of the two or the split knows it; an action by those of its verb and noun."""
        if task == "action" and self.rules:
            verb, noun = divmod(number, self.first.members[0].head.classes_per_task["noun"])
            return f"{self.class_name('verb', verb)}, {self.class_name('noun', noun)}"
        known = [side.members[0].head.class_names for side in (self.first, self.second)]
        known += [self.truth.split.class_names] if self.truth.split else []
        names = next((found[task] for found in known if found.get(task)), None)
        return names[number] if names else f"class {number}"

    def flipped(self, task: str, k: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows that only the first and only the second has right."""
        one, other = (predictions.correct(k) for predictions in self.answers[task])
        return np.flatnonzero((one == 1) & (other == 0)), np.flatnonzero((one == 0) & (other == 1))

    def differing(self, task: str) -> tuple[int, int]:
        """Clips that both have scored, and those of them that get different best classes."""
        one, other = self.answers[task]
        both = (one.best >= 0) & (other.best >= 0)
        return int(both.sum()), int((one.best != other.best)[both].sum())


def compare(first: Side, second: Side, truth: GroundTruth, actions: ActionSource | None = None) -> Comparison:
    """Let both answer every clip, in every task that both have scores of, and in actions that follow from verb and noun.

    Args:
        actions: where both take such actions from; each by `action_rule` unless told.

    Raises:
        AlignmentError: no task that both have, or what is asked for cannot be had.
    """
    sides, total = (first, second), len(first.members[0].head)
    tasks = common_tasks([*first.members, *second.members])
    rules = [rule for side in sides if (rule := rule_for(side.members, truth, actions))]
    derived = len(rules) == len(sides)
    answers = {}
    for task in tasks:
        if not (derived and task == "action"):
            labels = truth.labels.get(task, np.full(total, -1))
            spaces = [fusion_space(side.members, task, side.space) for side in sides]
            one, other = (predict(side.members, task, space, labels) for side, space in zip(sides, spaces, strict=True))
            answers[task] = (one, other)
    if not derived:
        return Comparison(first, second, truth, answers, truth.labels)
    known = {task: truth.labels.get(task, np.full(total, -1)) for task in ("verb", "noun")}
    one, other = (
        predict_actions(side.members, rule, known, side.space) for side, rule in zip(sides, rules, strict=True)
    )
    answers["action"] = (one, other)
    codes = pair_codes(known, first.members[0].head.classes_per_task["noun"])
    return Comparison(first, second, truth, answers, {**known, "action": codes} if truth.labels else {}, tuple(rules))
