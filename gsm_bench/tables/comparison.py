"""Two results beside each other: is the difference real, which clips make it, and what was set otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.evaluation.actions import (
    SOURCE_WORDS,
)
from gsm_bench.evaluation.compare import Comparison
from gsm_bench.metrics.intervals import CONFIDENCE, FEW_GROUPS, accuracy_interval
from gsm_bench.metrics.paired import paired_difference, paired_test
from gsm_bench.metrics.topk import KS
from gsm_bench.tables.table import Column, Table


def difference_table(found: Comparison) -> Table:
    """One row per task and k: both accuracies, their difference with interval and test."""
    rows = [row for task in found.answers if task in found.labels for row in _difference_rows(found, task)]
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
            "what": f"top-{k}" if task == "action" and not found.rules else f"{task} top-{k}",
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
    yield from _rule_notes(found)
    for task in found.answers:
        clips, differing = found.differing(task)
        word = "" if task == "action" and not found.rules else f" {task}"
        yield f"The two give{word} answers that differ on {differing:,} of the {clips:,} clips that both have scored."
    for row in (row for row in rows if row["k"] == 1):
        yield _verdict(found, row)
    if not rows:
        reason = "No clip has a label and both scores" if found.labels else "No labels"
        yield f"{reason}: nothing can be said of which one is right."
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


def _rule_notes(found: Comparison) -> Iterator[str]:
    if not found.rules:
        return
    one, other = (f"{SOURCE_WORDS[rule.source]} ({rule.why})" for rule in found.rules)
    if one == other:
        yield f"Actions {one}."
    else:
        yield f"Actions of {found.first.label} {one}, of {found.second.label} {other}."


def _verdict(found: Comparison, row: Mapping[str, Any]) -> str:
    word = "" if row["task"] == "action" and not found.rules else f"{row['task']} "
    if row["p"] > 1 - CONFIDENCE:
        return f"In {word}top-1 the two cannot be told apart on these clips."
    better = found.first.label if row["difference"] > 0 else found.second.label
    return f"In {word}top-1 {better} is better, by more than chance explains."


def classes_table(found: Comparison, most: int) -> Table:
    """Where the difference comes from: what was right in one, and what the other said instead (figure 5d)."""
    blocks = []
    for task in found.answers:
        if task not in found.labels:
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
    labels = found.labels[task]
    clips_of = dict(zip(*map(np.ndarray.tolist, np.unique(labels, return_counts=True)), strict=True))
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
    for task in (task for task in found.answers if task in found.labels):
        one, other = found.answers[task]
        for side, flipped in zip((found.first, found.second), found.flipped(task), strict=True):
            rows += [
                {
                    "id": found.ids[row],
                    "task": task,
                    "right": side.label,
                    "true": found.class_name(task, int(found.labels[task][row])),
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
