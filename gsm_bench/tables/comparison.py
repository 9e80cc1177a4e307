"""Two results beside each other: is the difference real, which clips make it, and what was set otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.predictions import Predictions, predict
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.entries import Space
from gsm_bench.labels import Truth
from gsm_bench.metrics.intervals import CONFIDENCE, FEW_GROUPS, accuracy_interval
from gsm_bench.metrics.paired import paired_difference, paired_test
from gsm_bench.metrics.topk import KS
from gsm_bench.names import Names
from gsm_bench.signatures import Knob, differing_knobs
from gsm_bench.tables.table import Column, Table

MADE_ELSEWHERE = "not known: made elsewhere"
LONGEST_VALUE = 40


@dataclass(frozen=True)
class Side:
    """One of the two results: its name, its open members, the space they are fused in."""

    label: str
    members: Sequence[OpenMember]
    space: Space | None


@dataclass(frozen=True)
class Comparison:
    """Answers of two results to the same clips, in the rows of the first's first member."""

    first: Side
    second: Side
    truth: Truth
    answers: Mapping[str, tuple[Predictions, Predictions]]

    @property
    def ids(self) -> Names:
        return self.first.members[0].head.ids

    def class_name(self, task: str, number: int) -> str:
        """A class by its name where one of the two knows it."""
        for side in (self.first, self.second):
            names = side.members[0].head.class_names.get(task)
            if names:
                return names[number]
        return f"class {number}"

    def flipped(self, task: str, k: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows that only the first and only the second has right."""
        one, other = (predictions.correct(k) for predictions in self.answers[task])
        return np.flatnonzero((one == 1) & (other == 0)), np.flatnonzero((one == 0) & (other == 1))

    def differing(self, task: str) -> tuple[int, int]:
        """Clips that both have scored, and those of them that get different best classes."""
        one, other = self.answers[task]
        both = (one.best >= 0) & (other.best >= 0)
        return int(both.sum()), int((one.best != other.best)[both].sum())


def compare(first: Side, second: Side, truth: Truth) -> Comparison:
    """Let both answer every clip."""
    answers = {}
    for task in first.members[0].head.kinds:
        labels = truth.labels.get(task, np.full(len(first.members[0].head), -1))
        one, other = (
            predict(side.members, task, fusion_space(side.members, task, side.space), labels)
            for side in (first, second)
        )
        answers[task] = (one, other)
    return Comparison(first, second, truth, answers)


def difference_table(found: Comparison) -> Table:
    """One row per task and k: both accuracies, their difference with interval and test."""
    rows = [row for task in found.answers if task in found.truth.labels for row in _difference_rows(found, task)]
    columns = (
        Column("what", ""),
        Column("first", found.first.label, "percent"),
        Column("second", found.second.label, "percent"),
        Column("difference", "Difference", "points"),
        Column("gained", f"Only\n{found.first.label}", "count"),
        Column("lost", f"Only\n{found.second.label}", "count"),
        Column("p", "p", "p"),
    )
    title = f"{found.first.label} against {found.second.label}"
    return Table(title, columns, (tuple(rows),), tuple(_difference_notes(found, rows)), "compare")


def _difference_rows(found: Comparison, task: str) -> Iterator[dict[str, Any]]:
    groups = found.truth.groups
    for k in KS:
        one, other = (predictions.correct(k) for predictions in found.answers[task])
        both = (one >= 0) & (other >= 0)
        if not both.any():
            continue
        one, other = np.where(both, one, -1).astype(np.int8), np.where(both, other, -1).astype(np.int8)
        change, test = paired_difference(one, other, groups), paired_test(one, other, groups)
        row: dict[str, Any] = {
            "what": f"top-{k}" if task == "action" else f"{task} top-{k}",
            "task": task,
            "k": k,
            "clips": change.clips,
            "groups": change.groups,
            "difference": change.value,
            "difference_low": change.low,
            "difference_high": change.high,
            "gained": change.gained,
            "lost": change.lost,
            "p": test.p,
            "chi2": test.chi2,
        }
        for key, correct in (("first", one), ("second", other)):
            interval = accuracy_interval(correct, groups)
            row |= {key: float(correct[both].mean()), f"{key}_low95": interval.low, f"{key}_high95": interval.high}
        yield row


def _difference_notes(found: Comparison, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for task in found.answers:
        clips, differing = found.differing(task)
        word = "" if task == "action" else f" {task}"
        yield f"The two give{word} answers that differ on {differing:,} of the {clips:,} clips that both have scored."
    for row in (row for row in rows if row["k"] == 1):
        yield _verdict(found, row)
    if not rows:
        yield "No labels: nothing can be said of which one is right."
        return
    groups = rows[0]["groups"]
    if groups is None:
        yield "Brackets: 95% interval of the difference, paired bootstrap over clips. p: McNemar's test, exact, two-sided."
        return
    yield (
        f"Brackets: 95% interval of the difference, paired bootstrap over {groups:,} groups of clips. p: exact, two-sided, "
        "every group as likely one way round as the other (McNemar's test of groups)."
    )
    if groups < FEW_GROUPS:
        yield f"Only {groups} groups: with fewer than {FEW_GROUPS} no interval can be relied on."


def _verdict(found: Comparison, row: Mapping[str, Any]) -> str:
    word = "" if row["task"] == "action" else f"{row['task']} "
    if row["p"] > 1 - CONFIDENCE:
        return f"In {word}top-1 the two cannot be told apart on these clips."
    better = found.first.label if row["difference"] > 0 else found.second.label
    return f"In {word}top-1 {better} is better, by more than chance explains."


def classes_table(found: Comparison, most: int) -> Table:
    """Where the difference comes from: what was right in one, and what the other said instead (figure 5d)."""
    blocks = []
    for task in found.answers:
        if task not in found.truth.labels:
            continue
        for right, wrong, rows in (
            (found.first.label, found.answers[task][1], found.flipped(task)[0]),
            (found.second.label, found.answers[task][0], found.flipped(task)[1]),
        ):
            blocks.append(tuple(islice(_class_rows(found, task, right, wrong.best[rows], rows), most)))
    columns = (
        Column("right", "Right in"),
        Column("true", "True class"),
        Column("said", "The other said"),
        Column("clips", "Clips", "count"),
        Column("of_class", "Of class", "count"),
    )
    return Table("Clips that flip, by class: true / what the other said", columns, tuple(blocks), name="classes")


def _class_rows(
    found: Comparison, task: str, right: str, said: NDArray[np.int64], rows: NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    labels = found.truth.labels[task]
    clips_of = np.bincount(labels[labels >= 0])
    pairs = Counter(zip(labels[rows].tolist(), said.tolist(), strict=True))
    for (true, other), clips in sorted(pairs.items(), key=lambda item: (-item[1], item[0])):
        yield {
            "right": right,
            "task": task,
            "true": found.class_name(task, true),
            "said": found.class_name(task, other),
            "clips": clips,
            "of_class": int(clips_of[true]),
        }


def clips_table(found: Comparison) -> Table:
    """Every clip that only one of the two has right."""
    rows = []
    for task in (task for task in found.answers if task in found.truth.labels):
        one, other = found.answers[task]
        for side, flipped in zip((found.first, found.second), found.flipped(task), strict=True):
            rows += [
                {
                    "id": found.ids[row],
                    "task": task,
                    "right": side.label,
                    "true": found.class_name(task, int(found.truth.labels[task][row])),
                    "first": found.class_name(task, int(one.best[row])),
                    "second": found.class_name(task, int(other.best[row])),
                }
                for row in flipped
            ]
    columns = (
        Column("id", "Clip"),
        Column("right", "Right in"),
        Column("true", "True class"),
        Column("first", found.first.label),
        Column("second", found.second.label),
    )
    return Table("Clips that only one has right", columns, (tuple(rows),), name="clips")


def knobs_table(found: Comparison) -> Table:
    """What was set otherwise in the two results, and nothing else."""
    knobs = _knobs(found.first, found.second)
    rows = tuple(
        {
            "knob": knob.name,
            "first": knob.first,
            "second": knob.second,
            "first_shown": _short(knob.first),
            "second_shown": _short(knob.second),
        }
        for knob in knobs
    )
    columns = (
        Column("knob", "Knob"),
        Column("first_shown", found.first.label),
        Column("second_shown", found.second.label),
    )
    notes = [] if knobs else ["Nothing that could change a number was set otherwise."]
    for task in found.answers:
        clips, differing = found.differing(task)
        word = "" if task == "action" else f"{task}: "
        text = f"{word}together they change the answer to {differing:,} of {clips:,} clips"
        if task in found.truth.labels:
            gained, lost = map(len, found.flipped(task))
            text += (
                f": {gained:,} are right only in {found.first.label}, {lost:,} only in {found.second.label}, "
                f"{differing - gained - lost:,} wrong in both"
            )
        notes.append(f"{text[0].upper()}{text[1:]}.")
    return Table("What was set otherwise", columns, (rows,), tuple(notes), "why")


def _knobs(first: Side, second: Side) -> list[Knob]:
    one, other = {_name(m): m for m in first.members}, {_name(m): m for m in second.members}
    if len(one) == len(other) == 1:
        knobs = _member_knobs("", first.members[0], second.members[0])
    else:
        knobs = [Knob("member", name, "-") for name in one if name not in other]
        knobs += [Knob("member", "-", name) for name in other if name not in one]
        for name in (name for name in one if name in other):
            knobs += _member_knobs(f"{name}: ", one[name], other[name])
    spaces = [_spaces(side) for side in (first, second)]
    if spaces[0] != spaces[1] and (len(first.members), len(second.members)) != (1, 1):
        knobs.append(Knob("space", *spaces))
    return knobs


def _member_knobs(prefix: str, one: OpenMember, other: OpenMember) -> list[Knob]:
    signatures = [str(member.head.provenance.get("signature") or "") for member in (one, other)]
    if not all(signatures):
        knobs = [Knob("signature", *(signature or MADE_ELSEWHERE for signature in signatures))]
    else:
        knobs = differing_knobs(*signatures)
    if _views(one) != _views(other):
        knobs.append(Knob("clips taken, offsets in ticks", _views(one), _views(other)))
    if not np.isclose(one.weight, other.weight):
        knobs.append(Knob("weight", f"{one.weight:.4g}", f"{other.weight:.4g}"))
    return [Knob(prefix + knob.name, knob.first, knob.second) for knob in knobs]


def _name(member: OpenMember) -> str:
    return f"{member.spec.label}@{member.spec.clips}" if (member.spec.clips or 1) > 1 else member.spec.label


def _views(member: OpenMember) -> str:
    return ", ".join(f"{offset:g}" for offset in member.head.views[member.views]["offset"])


def _spaces(side: Side) -> str:
    tasks = side.members[0].head.kinds
    return ", ".join(dict.fromkeys(fusion_space(side.members, task, side.space) for task in tasks))


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 13]}...{value[-10:]}"
