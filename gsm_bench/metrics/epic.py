"""EPIC-KITCHENS metrics: verb, noun and action accuracy, also over many-shot, tail and unseen parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.top_actions import TopActions
from gsm_bench.metrics.topk import KS, label_ranks

Labels = NDArray[np.integer]
Rows = NDArray[np.bool_]

DEFINITIONS = {
    "top-1, top-5": (
        "Fraction of the scored segments whose label is among the k highest scores; ties rank by the lower class number. "
        "Verbs and nouns rank by their own scores."
    ),
    "action": (
        "The label is the pair (verb, noun); both must be right. Pairs rank by the action head if every member has one, "
        "else by p(verb) * p(noun), with a softmax per row, the 100 best pairs, and ties by (verb, noun). "
        "--actions prior multiplies by the count of the pair in the training csv."
    ),
    "mean class": (
        "Mean top-1 accuracy over the classes that occur in the labels. mmaction2 also counts classes that are predicted and "
        "never labelled, as 0: 91.80 instead of 93.33 for its joint + bone example. The script of the GSM release prints nan "
        "where a class has no video."
    ),
    "precision (EPIC-55)": (
        "Mean precision of the top-1 predictions over the many-shot classes that occur in the labels; 0 for a class that is "
        "never predicted."
    ),
    "recall (EPIC-55)": "Mean recall of the top-1 predictions over the same classes.",
    "many-shot (EPIC-55)": "26 verbs, 71 nouns, 819 actions: the lists EPIC_many_shot_*.csv of the annotations.",
    "tail (EPIC-100)": (
        "Top-1 over the segments with a tail verb (for verbs), a tail noun (for nouns) or either (for "
        "actions): EPIC_100_tail_verbs.csv and _nouns.csv, 86 verbs and 228 nouns."
    ),
    "unseen (EPIC-100)": "Top-1 over the segments of participants that are not in the training split.",
    "interval": "95% confidence interval of the accuracy.",
}
"""Definition of each metric, as text."""


@dataclass(frozen=True)
class EpicAnswers:
    """Scores of N segments.

    Attributes:
        verb, noun: scores [N, Cv] and [N, Cn] in any space.
        actions: best (verb, noun) pairs of the same segments.
    """

    verb: NDArray[np.floating]
    noun: NDArray[np.floating]
    actions: TopActions


@dataclass(frozen=True)
class EpicLabels:
    """Ground truth of N segments.

    Attributes:
        verbs, nouns: class numbers [N].
        many_shot: bool per class for verbs [Cv] and nouns [Cn], and int64 [A, 2] pairs for actions; EPIC-55.
        tail: bool per class, for verbs and nouns; EPIC-100.
        unseen: bool [N], segments of participants that are not in the training split; EPIC-100.
    """

    verbs: Labels
    nouns: Labels
    many_shot: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    tail: Mapping[str, Rows] = field(default_factory=dict)
    unseen: Rows | None = None


@dataclass(frozen=True)
class EpicMetric:
    """A metric: its value as a fraction, and the number of segments or classes it is over."""

    value: float
    over: int


def epic_metrics(answers: EpicAnswers, truth: EpicLabels) -> dict[tuple[str, str, str], EpicMetric]:
    """All metrics that the ground truth allows, by (part, task, metric).

    Parts are ``all``, ``tail`` and ``unseen``; metrics ``top1``, ``top5``, ``precision`` and ``recall``. A part without
    segments has NaN.
    """
    hits = _hits(answers, truth)
    metrics = {("all", task, f"top{k}"): _share(rows) for (task, k), rows in hits.items()}
    if truth.tail:
        tail = {"verb": truth.tail["verb"][truth.verbs], "noun": truth.tail["noun"][truth.nouns]}
        tail["action"] = tail["verb"] | tail["noun"]
        metrics |= {("tail", task, "top1"): _share(hits[task, 1][rows]) for task, rows in tail.items()}
    if truth.unseen is not None:
        metrics |= {
            ("unseen", task, "top1"): _share(hits[task, 1][truth.unseen]) for task in ("verb", "noun", "action")
        }
    if truth.many_shot:
        for task, (best, labels, classes) in _as_classes(answers, truth).items():
            precision, recall = _precision_recall(best, labels, classes)
            metrics |= {("all", task, "precision"): precision, ("all", task, "recall"): recall}
    return metrics


def _hits(answers: EpicAnswers, truth: EpicLabels) -> dict[tuple[str, int], Rows]:
    verb, noun = label_ranks(answers.verb, truth.verbs), label_ranks(answers.noun, truth.nouns)
    hits: dict[tuple[str, int], Rows] = {}
    for k in KS:
        hits |= {("verb", k): verb < k, ("noun", k): noun < k}
        hits["action", k] = answers.actions.hits(truth.verbs, truth.nouns, k)
    return hits


def _share(rows: Rows) -> EpicMetric:
    return EpicMetric(float(rows.mean()) if rows.size else float("nan"), rows.size)


def _as_classes(answers: EpicAnswers, truth: EpicLabels) -> dict[str, tuple[Labels, Labels, Labels]]:
    """Predicted class [N], label [N] and many-shot classes per task; an action is one number per pair."""
    nouns = answers.noun.shape[1]
    best, many = answers.actions, truth.many_shot
    return {
        "verb": (answers.verb.argmax(1), truth.verbs, np.flatnonzero(many["verb"])),
        "noun": (answers.noun.argmax(1), truth.nouns, np.flatnonzero(many["noun"])),
        "action": (
            best.verbs[:, 0] * nouns + best.nouns[:, 0],
            truth.verbs.astype(np.int64) * nouns + truth.nouns,
            many["action"][:, 0] * nouns + many["action"][:, 1],
        ),
    }


def _precision_recall(best: Labels, labels: Labels, classes: Labels) -> tuple[EpicMetric, EpicMetric]:
    """Mean precision and recall over those of `classes` that occur in `labels` [N]."""
    occurring = np.intersect1d(classes, labels)
    size = 1 + int(max(best.max(initial=0), labels.max(initial=0), occurring.max(initial=0)))
    right = np.bincount(labels[best == labels], minlength=size)[occurring]
    predicted = np.bincount(best, minlength=size)[occurring]
    labelled = np.bincount(labels, minlength=size)[occurring]
    if not occurring.size:
        return EpicMetric(float("nan"), 0), EpicMetric(float("nan"), 0)
    precision = float((right / np.maximum(predicted, 1)).mean())
    return EpicMetric(precision, occurring.size), EpicMetric(float((right / labelled).mean()), occurring.size)
