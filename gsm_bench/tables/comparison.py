"""Two results side by side: is the difference real, and which classes and videos cause it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from gsm_bench.ensembles.member_files import member_files
from gsm_bench.evaluation.actions import SOURCE_WORDS
from gsm_bench.evaluation.compare import Comparison, Difference
from gsm_bench.metrics.intervals import CONFIDENCE
from gsm_bench.tables.notes import few_groups_notes
from gsm_bench.tables.origin import origin_items, titled
from gsm_bench.tables.table import Column, Table

PLACE_KEYS = ("dataset", "split", "limit", "place")


def difference_table(comparison: Comparison) -> Table:
    """One row per task and k: both accuracies, their difference with interval and test."""
    differences = comparison.differences()
    first, second = comparison.first.label, comparison.second.label
    columns = (
        Column("what", ""),
        Column("first", first, "percent"),
        Column("second", second, "percent"),
        Column("difference", "Difference", "points"),
        Column("gained", f"Only\n{first}", "count"),
        Column("lost", f"Only\n{second}", "count"),
        Column("p", "p", "p"),
    )
    rows = tuple(_row(comparison, difference) for difference in differences)
    notes = tuple(_notes(comparison, differences))
    place = member_files(comparison.first.members)[0].place
    return Table(titled(f"{first} against {second}", place), columns, (rows,), notes, "compare")


def task_prefix(comparison: Comparison, task: str) -> str:
    """A task before a noun; nothing for actions that are classes of their own."""
    return "" if task == "action" and not comparison.rules else f"{task} "


def _row(comparison: Comparison, difference: Difference) -> dict[str, Any]:
    change = difference.change
    return {
        "what": f"{task_prefix(comparison, difference.task)}top-{difference.k}",
        "task": difference.task,
        "k": difference.k,
        "videos": change.videos,
        "groups": change.groups,
        "difference": change.value,
        "difference_low": change.low,
        "difference_high": change.high,
        "gained": change.gained,
        "lost": change.lost,
        "p": difference.test.p,
        "chi2": difference.test.chi2,
        "first": difference.first,
        "first_low95": difference.first_interval.low,
        "first_high95": difference.first_interval.high,
        "second": difference.second,
        "second_low95": difference.second_interval.low,
        "second_high95": difference.second_interval.high,
        **_origins(comparison),
    }


def _origins(comparison: Comparison) -> dict[str, Any]:
    """Data set and split of the videos, then files, clips and weights of either side under ``first_`` and ``second_``."""
    items: dict[str, Any] = {}
    for side, name in ((comparison.first, "first"), (comparison.second, "second")):
        for key, value in origin_items(member_files(side.members)).items():
            items[key if key in PLACE_KEYS else f"{name}_{key}"] = value
    return items


def _notes(comparison: Comparison, differences: Sequence[Difference]) -> Iterator[str]:
    yield from _rule_notes(comparison)
    for task in comparison.predictions:
        videos, differing = comparison.differing(task)
        prefix = task_prefix(comparison, task)
        yield f"The {prefix}predictions differ on {differing:,} of the {videos:,} videos that both have scored."
    for difference in (difference for difference in differences if difference.k == 1):
        yield _verdict(comparison, difference)
    if not differences:
        reason = "No video has a label and both scores" if comparison.labels else "No labels"
        if comparison.truth.split is not None and comparison.truth.split.label_sets is not None:
            reason = "A video may have several classes (evaluate gives the mAP of each result)"
        yield f"{reason}: accuracies cannot be compared."
        return
    groups = differences[0].change.groups
    if groups is None:
        yield "Brackets: 95% interval of the difference, paired bootstrap over videos. p: McNemar's test, exact, two-sided."
        return
    yield (
        f"Brackets: 95% interval of the difference, paired bootstrap over {groups:,} groups of videos. p: exact, "
        "two-sided; each group's difference is as likely in either direction (McNemar's test over groups)."
    )
    yield from few_groups_notes(groups)


def _rule_notes(comparison: Comparison) -> Iterator[str]:
    if not comparison.rules:
        return
    first, second = (f"{SOURCE_WORDS[rule.source]} ({rule.why})" for rule in comparison.rules)
    if first == second:
        yield f"Actions {first}."
    else:
        yield f"Actions of {comparison.first.label} {first}, of {comparison.second.label} {second}."


def _verdict(comparison: Comparison, difference: Difference) -> str:
    metric = f"{task_prefix(comparison, difference.task)}top-1"
    if difference.test.p > 1 - CONFIDENCE:
        return f"No significant difference in {metric} on these videos."
    better = comparison.first.label if difference.change.value > 0 else comparison.second.label
    return f"{better} is significantly better in {metric}."


def classes_table(comparison: Comparison, most: int) -> Table:
    """The classes behind the difference: what one result has right, and what the other predicts (figure 5d)."""
    blocks = tuple(tuple(asdict(flip) for flip in flips) for flips in comparison.class_flips(most))
    columns = (
        Column("right_in", "Right in"),
        Column("true", "True class"),
        Column("predicted", "Predicted by the other"),
        Column("videos", "Videos", "count"),
        Column("of_class", "Of class", "count"),
    )
    return Table("Videos that flip, by class", columns, blocks, name="classes")


def videos_table(comparison: Comparison) -> Table:
    """Every video that only one of the two has right."""
    columns = (
        Column("id", "Video"),
        Column("right_in", "Right in"),
        Column("true", "True class"),
        Column("first", comparison.first.label),
        Column("second", comparison.second.label),
    )
    rows = tuple(asdict(flip) for flip in comparison.video_flips())
    return Table("Videos that only one has right", columns, (rows,), name="videos")
