"""Two results on the same videos: is the difference real, and which videos and classes cause it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.evaluation.actions import ActionRule, pair_codes, predict_actions, rule_for
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.label_warnings import label_warning
from gsm_bench.evaluation.predictions import Predictions, predict
from gsm_bench.id_array import IdArray
from gsm_bench.metrics.intervals import Interval, accuracy_interval
from gsm_bench.metrics.paired import PairedDifference, PairedTest, paired_difference, paired_test
from gsm_bench.metrics.topk import KS
from gsm_bench.settings import ActionSource, Space


@dataclass(frozen=True)
class Side:
    """One of the two results: its name, its open members, the space they are fused in."""

    label: str
    members: Sequence[OpenMember]
    space: Space | None


@dataclass(frozen=True)
class Difference:
    """The two results in one task and top-k, over the videos with a label and both scores.

    Attributes:
        task, k: what is compared.
        first, second: accuracies as fractions.
        first_interval, second_interval: their 95% intervals.
        change: first minus second, with its interval and the videos that only one of the two has right.
        test: the paired test of the two.
    """

    task: str
    k: int
    first: float
    second: float
    first_interval: Interval
    second_interval: Interval
    change: PairedDifference
    test: PairedTest


@dataclass(frozen=True)
class ClassFlip:
    """Videos of one class that only one result has right, with one wrong prediction of the other.

    Attributes:
        task: of the class.
        right_in: name of the result that is right.
        true, predicted: names of the class and of the other result's prediction.
        videos: how many.
        of_class: labelled videos of the class.
    """

    task: str
    right_in: str
    true: str
    predicted: str
    videos: int
    of_class: int


@dataclass(frozen=True)
class VideoFlip:
    """A video that only one result has right, with the class and both predictions by name."""

    id: str
    task: str
    right_in: str
    true: str
    first: str
    second: str


@dataclass(frozen=True)
class Comparison:
    """Predictions of two results for the same N videos, in row order of the first's first member.

    Attributes:
        first, second: the two results.
        truth: ground truth of the videos.
        predictions: per task, of the first and of the second.
        labels: int [N] per task, as the predictions number classes: pairs as codes verb * nouns + noun.
        rules: how each of the two ranks actions that are pairs; empty where actions are classes of their own.
    """

    first: Side
    second: Side
    truth: GroundTruth
    predictions: Mapping[str, tuple[Predictions, Predictions]]
    labels: Mapping[str, NDArray[np.integer]]
    rules: tuple[ActionRule, ...] = ()

    @property
    def ids(self) -> IdArray:
        return self.first.members[0].head.ids

    @property
    def tasks(self) -> list[str]:
        """The tasks with labels."""
        return [task for task in self.predictions if task in self.labels]

    def class_name(self, task: str, number: int) -> str:
        """Name of a class as a result or the split knows it; an action has those of its verb and noun."""
        if task == "action" and self.rules:
            verb, noun = divmod(number, self.first.members[0].head.classes_per_task["noun"])
            return f"{self.class_name('verb', verb)}, {self.class_name('noun', noun)}"
        known = [side.members[0].head.class_names for side in (self.first, self.second)]
        known += [self.truth.split.class_names] if self.truth.split else []
        names = next((class_names[task] for class_names in known if class_names.get(task)), None)
        return names[number] if names else f"class {number}"

    def differences(self) -> list[Difference]:
        """One per task with labels and k; a task without a video that both have scored is left out."""
        pairs = [(task, k) for task in self.tasks for k in KS]
        return [difference for pair in pairs if (difference := self._difference(*pair))]

    def _difference(self, task: str, k: int) -> Difference | None:
        first, second = (predictions.correct(k) for predictions in self.predictions[task])
        both, groups = (first >= 0) & (second >= 0), self.truth.groups
        if not both.any():
            return None
        first, second = (np.where(both, correct, -1).astype(np.int8) for correct in (first, second))
        return Difference(
            task=task,
            k=k,
            first=float(first[both].mean()),
            second=float(second[both].mean()),
            first_interval=accuracy_interval(first, groups),
            second_interval=accuracy_interval(second, groups),
            change=paired_difference(first, second, groups),
            test=paired_test(first, second, groups),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why labels hardly belong to the scores, per result and task; see `label_warnings`."""
        heads = [side.members[0].head for side in (self.first, self.second)]
        return tuple(
            f"{side.label}: top-1 of {task} {words}"
            for task in self.tasks if not (task == "action" and self.rules)
            for side, head, predictions in zip((self.first, self.second), heads, self.predictions[task], strict=True)
            if head.provenance.frame_order == "forward"
            and (words := label_warning(predictions.ranks, partial(_same, predictions), self.labels[task], head.classes_per_task[task]))
        )  # fmt: skip

    def flipped(self, task: str, k: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows int64 [n] that only the first has right, and those that only the second has right."""
        first, second = (predictions.correct(k) for predictions in self.predictions[task])
        return np.flatnonzero((first == 1) & (second == 0)), np.flatnonzero((first == 0) & (second == 1))

    def differing(self, task: str) -> tuple[int, int]:
        """Number of videos that both have scored, and of those with different predictions."""
        first, second = self.predictions[task]
        both = (first.best >= 0) & (second.best >= 0)
        return int(both.sum()), int((first.best != second.best)[both].sum())

    def class_flips(self, most: int | None = None) -> list[list[ClassFlip]]:
        """Per task and result that is right, the flips by class, the most frequent first, at most `most`."""
        return [
            self._class_flips(task, side.label, self.predictions[task][1 - at].best[rows], rows)[:most]
            for task in self.tasks
            for at, (side, rows) in enumerate(zip((self.first, self.second), self.flipped(task), strict=True))
        ]

    def _class_flips(
        self, task: str, right_in: str, predicted: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> list[ClassFlip]:
        labels = self.labels[task]
        videos_of = dict(zip(*map(np.ndarray.tolist, np.unique(labels, return_counts=True)), strict=True))
        pairs = Counter(zip(labels[rows].tolist(), predicted.tolist(), strict=True))
        return [
            ClassFlip(
                task, right_in, self.class_name(task, true), self.class_name(task, other), videos, int(videos_of[true])
            )
            for (true, other), videos in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
        ]

    def video_flips(self) -> list[VideoFlip]:
        """Every video that only one of the two has right, per task."""
        return [
            VideoFlip(
                self.ids[row],
                task,
                side.label,
                self.class_name(task, int(self.labels[task][row])),
                *(self.class_name(task, int(predictions.best[row])) for predictions in self.predictions[task]),
            )
            for task in self.tasks
            for side, rows in zip((self.first, self.second), self.flipped(task), strict=True)
            for row in rows
        ]


def compare(first: Side, second: Side, truth: GroundTruth, actions: ActionSource | None = None) -> Comparison:
    """Predict every video with both results, in every common task and in actions that follow from verb and noun.

    Args:
        actions: where both take such actions from; each by `action_rule` unless given.

    Raises:
        AlignmentError: the two have no common task, or not what is requested.
    """
    sides, total = (first, second), len(first.members[0].head)
    tasks = common_tasks([*first.members, *second.members])
    rules = [rule for side in sides if (rule := rule_for(side.members, truth, actions))]
    derived = len(rules) == len(sides)
    labels = {task: truth.labels.get(task, np.full(total, -1)) for task in (*tasks, "verb", "noun")}
    predictions = {
        task: (_predict(first, task, labels[task]), _predict(second, task, labels[task]))
        for task in tasks
        if not (derived and task == "action")
    }
    if not derived:
        return Comparison(first, second, truth, predictions, truth.labels)
    one, other = (
        predict_actions(side.members, rule, labels, side.space) for side, rule in zip(sides, rules, strict=True)
    )
    predictions["action"] = (one, other)
    known = {task: labels[task] for task in ("verb", "noun")}
    known["action"] = pair_codes(known, first.members[0].head.classes_per_task["noun"])
    return Comparison(first, second, truth, predictions, known if truth.labels else {}, tuple(rules))


def _same(predictions: Predictions) -> Predictions:
    return predictions


def _predict(side: Side, task: str, labels: NDArray[np.integer]) -> Predictions:
    return predict(side.members, task, fusion_space(side.members, task, side.space), labels)
