"""The EPIC-KITCHENS metrics: verb, noun and action accuracy, and those over many-shot, tail and unseen parts."""

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
        "Share of the scored clips whose label is among the k best classes; equal scores rank by the lower class number. "
        "Verbs and nouns by their own scores."
    ),
    "action": (
        "The label is the pair (verb, noun) and both must be right. Ranked by the action head where every member has one; "
        "else by p(verb) * p(noun), softmax row by row, the 100 best pairs, ties by (verb, noun); with --actions prior times "
        "the count of the pair in the training csv."
    ),
    "mean class": "Mean over the classes that occur in the labels of their top-1 accuracy.",
    "precision (EPIC-55)": (
        "Mean over the many-shot classes that occur in the labels of: clips of the class that were taken for it, divided by "
        "the clips that were taken for it; 0 for a class that was never taken. By the best class of every clip."
    ),
    "recall (EPIC-55)": "The same mean of: clips of the class that were taken for it, divided by the clips of the class.",
    "many-shot (EPIC-55)": "26 verbs, 71 nouns, 819 actions: the lists EPIC_many_shot_*.csv of the annotations.",
    "tail (EPIC-100)": (
        "Top-1 over the clips whose verb is a tail verb (for verbs), whose noun is a tail noun (for nouns), or either (for "
        "actions): EPIC_100_tail_verbs.csv and _nouns.csv, 86 verbs and 228 nouns."
    ),
    "unseen (EPIC-100)": "Top-1 over the clips of participants that are not in the training split.",
    "interval": "95%: the accuracy of other clips drawn like these would mostly lie within.",
}
"""What every number means, for people."""


@dataclass(frozen=True)
class EpicAnswers:
    """Scores of N clips, or of those that have one.

    Attributes:
        verb, noun: [N, C] in any space that ranks classes.
        actions: the best pairs of the same clips.
    """

    verb: NDArray[np.floating]
    noun: NDArray[np.floating]
    actions: TopActions


@dataclass(frozen=True)
class EpicLabels:
    """What is known of N clips.

    Attributes:
        verbs, nouns: class numbers [N].
        many_shot: bool per class for verbs [Cv] and nouns [Cn], and int64 [A, 2] pairs for actions; EPIC-55.
        tail: bool per class, for verbs and nouns; EPIC-100.
        unseen: bool [N], clips of participants that training has not seen; EPIC-100.
    """

    verbs: Labels
    nouns: Labels
    many_shot: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    tail: Mapping[str, Rows] = field(default_factory=dict)
    unseen: Rows | None = None


@dataclass(frozen=True)
class EpicMetric:
    """One number: a fraction, and over how many clips or classes."""

    value: float
    over: int


def epic_metrics(answers: EpicAnswers, truth: EpicLabels) -> dict[tuple[str, str, str], EpicMetric]:
    """All metrics for which the truth has what they need, by (part, task, metric).

    Parts are ``all``, ``tail`` and ``unseen``; metrics ``top1``, ``top5``, ``precision`` and ``recall``. A part without
    clips has NaN.
    """
    hits = _hits(answers, truth)
    found = {("all", task, f"top{k}"): _share(rows) for (task, k), rows in hits.items()}
    if truth.tail:
        tail = {"verb": truth.tail["verb"][truth.verbs], "noun": truth.tail["noun"][truth.nouns]}
        tail["action"] = tail["verb"] | tail["noun"]
        found |= {("tail", task, "top1"): _share(hits[task, 1][rows]) for task, rows in tail.items()}
    if truth.unseen is not None:
        found |= {("unseen", task, "top1"): _share(hits[task, 1][truth.unseen]) for task in ("verb", "noun", "action")}
    if truth.many_shot:
        for task, (best, wanted, classes) in _as_classes(answers, truth).items():
            precision, recall = _precision_recall(best, wanted, classes)
            found |= {("all", task, "precision"): precision, ("all", task, "recall"): recall}
    return found


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
    """Best class [N], label [N] and many-shot classes per task, actions as one number per pair."""
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


def _precision_recall(best: Labels, wanted: Labels, classes: Labels) -> tuple[EpicMetric, EpicMetric]:
    """Means over those of `classes` that occur in `wanted`."""
    occurring = np.intersect1d(classes, wanted)
    size = 1 + int(max(best.max(initial=0), wanted.max(initial=0), occurring.max(initial=0)))
    right = np.bincount(wanted[best == wanted], minlength=size)[occurring]
    taken = np.bincount(best, minlength=size)[occurring]
    held = np.bincount(wanted, minlength=size)[occurring]
    if not occurring.size:
        return EpicMetric(float("nan"), 0), EpicMetric(float("nan"), 0)
    precision = float((right / np.maximum(taken, 1)).mean())
    return EpicMetric(precision, occurring.size), EpicMetric(float((right / held).mean()), occurring.size)
