"""Results of score files and ensembles as table rows: what was run, what it costs, how right it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.evaluation.significance import not_significant, p_values_vs_best
from gsm_bench.metrics.intervals import FEW_GROUPS, accuracy_interval
from gsm_bench.metrics.topk import Accuracy
from gsm_bench.tables.table import TIED, Column, Table

CONVENTION = (
    "GFLOPs in the paper's convention: multiply-adds, one per bias, 2 per batch-norm output, 1 per pooling input."
)
UNVERIFIED = "Order unverified: rows were matched by position, because these scores came without clip ids."


def results_table(
    title: str,
    blocks: Iterable[Iterable[Evaluation]],
    *,
    published: bool = False,
    brief: bool = False,
    name: str = "table",
) -> Table:
    """A table of results: label, frames, cost, accuracies.

    Args:
        published: printed accuracies beside the measured ones.
        brief: only what a paper prints; no mean class accuracy and no number of clips.
    """
    grouped = tuple(tuple(block) for block in blocks)
    results = [result for block in grouped for result in block]
    tasks = list(dict.fromkeys(task for result in results for task in result.accuracy)) or ["action"]
    columns = [
        Column("label", "Model"),
        Column("frames", "Frames"),
        Column("params", "Params\n(M)", "mega"),
        Column("macs_paper", "GFLOPs", "giga"),
    ]
    for task in tasks:
        prefix, word = ("", "") if tasks == ["action"] else (f"{task}_", f"{task.capitalize()} ")
        columns += [
            Column(f"{prefix}top1", f"{word}Top-1", "percent"),
            Column(f"{prefix}top5", f"{word}Top-5", "percent"),
        ]
        if not brief and len(tasks) == 1:
            columns.append(Column(f"{prefix}mean_class", f"{word}Mean\nclass", "percent"))
    if published:
        columns += [
            Column("published_top1", "Paper\nTop-1", "percent"),
            Column("published_top5", "Paper\nTop-5", "percent"),
        ]
    if not brief:
        columns.append(Column("clips", "Clips"))
    chances = {task: p_values_vs_best(results, task) for task in tasks}
    rows = iter([_row(result, {task: chances[task][at] for task in tasks}) for at, result in enumerate(results)])
    blocks_of_rows = tuple(tuple(next(rows) for _ in block) for block in grouped)
    notes = (*_notes(results), *_interval_notes(results, chances))
    return Table(title, tuple(columns), blocks_of_rows, notes, name)


def _row(result: Evaluation, chances: Mapping[str, float | None]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "label": result.label,
        "frames": result.frames,
        "params": result.params,
        "macs_paper": result.macs_paper,
        "macs_bare": result.macs_bare,
    }
    tasks = list(chances)
    groups = result.truth.groups if result.truth else None
    for task, chance in chances.items():
        prefix = "" if tasks == ["action"] else f"{task}_"
        row |= _accuracy_items(prefix, result.accuracy.get(task), groups)
        row |= {f"{prefix}top1_p": chance, f"{prefix}top1_tied": not_significant(chance)}
    counts = next(iter(result.accuracy.values()), None)
    if counts:
        row["clips"] = f"{counts.scored}/{counts.total}" if counts.missing else f"{counts.total}"
        row["scored"], row["total"] = counts.scored, counts.total
    for task, (member, gain) in result.gains.items():
        prefix = "" if tasks == ["action"] else f"{task}_"
        row |= {f"{prefix}gain": gain.value, f"{prefix}gain_low": gain.low, f"{prefix}gain_high": gain.high}
        row[f"{prefix}gain_over"] = member
    if result.published:
        row["published_top1"] = _fraction(result.published.top1_percent)
        row["published_top5"] = _fraction(result.published.top5_percent)
        row["published_source"] = result.published.source
    return row


def _accuracy_items(prefix: str, accuracy: Accuracy | None, groups: NDArray[np.int64] | None) -> dict[str, Any]:
    if accuracy is None:
        return {f"{prefix}top1": None, f"{prefix}top5": None, f"{prefix}mean_class": None}
    items: dict[str, Any] = {f"{prefix}mean_class": accuracy.mean_class}
    for k, count in accuracy.hits.items():
        interval = accuracy_interval(accuracy.correct_at(k), groups)
        items |= {f"{prefix}top{k}": accuracy.top(k), f"{prefix}hits{k}": count}
        items |= {f"{prefix}top{k}_low95": interval.low, f"{prefix}top{k}_high95": interval.high}
        if accuracy.missing:
            low, high = accuracy.bounds(k)
            items |= {f"{prefix}top{k}_low": low, f"{prefix}top{k}_high": high}
    return items


def _notes(results: Sequence[Evaluation]) -> Iterable[str]:
    if any(result.macs_paper for result in results):
        told = dict.fromkeys(name for result in results for name in result.told_cost)
        yield CONVENTION
        if told:
            yield f"GFLOPs of {', '.join(told)} are as told at import; in which convention they were counted is not known."
    yield from _gain_notes(results)
    bad = tuple(dict.fromkeys(name for result in results for name in result.bad))
    if bad:
        yield (
            f"{len(bad):,} clips have no score: {some_of(bad)}. Their accuracies are over the scored clips; in brackets, "
            "over all clips, with every missing one wrong and with every missing one right."
        )
    substituted = tuple(dict.fromkeys(name for result in results for name in result.substituted))
    if substituted:
        yield f"{len(substituted):,} clips were scored with a substituted frame: {some_of(substituted)}."
    if any(result.unverified for result in results):
        yield UNVERIFIED


def order_notes(members: Sequence[OpenMember]) -> list[str]:
    """What is to be said where the order of the members' rows could not be checked."""
    return [UNVERIFIED] if any(member.head.order == "unverified" for member in members) else []


def _interval_notes(results: Sequence[Evaluation], chances: Mapping[str, Sequence[float | None]]) -> Iterable[str]:
    measured = [result for result in results if result.accuracy]
    if not measured:
        return
    groups = [result.truth.groups for result in measured if result.truth and result.truth.groups is not None]
    counts = sorted({len(np.unique(found)) for found in groups})
    over = f"bootstrap over {counts[-1]:,} groups of clips" if counts else "Wilson's, over clips"
    yield f"±: half of the 95% interval ({over})."
    if counts and counts[0] < FEW_GROUPS:
        yield f"Only {counts[0]} groups of clips: with fewer than {FEW_GROUPS} no interval can be relied on."
    if any(not_significant(chance) for found in chances.values() for chance in found):
        yield f"{TIED}: cannot be told from the best row in top-1 (exact paired test, Holm-corrected)."


def _gain_notes(results: Sequence[Evaluation]) -> Iterable[str]:
    gains = [(result, task, *found) for result in results for task, found in result.gains.items()]
    if gains:
        groups = {gain.groups for *_, gain in gains}
        over = "clips" if groups == {None} else f"{max(number for number in groups if number):,} groups of clips"
        yield f"Gain over the best member in points, with its 95% interval (paired bootstrap over {over}):"
    for result, task, member, gain in gains:
        word = "" if task == "action" else f", {task}"
        interval = f"[{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"
        yield f"  {result.frames}{word}: {100 * gain.value:+.2f} {interval} over {member}"


def some_of(ids: Sequence[str], most: int = 5) -> str:
    """The first few ids, and how many more there are."""
    return ", ".join(ids[:most]) + (f" and {len(ids) - most:,} more" if len(ids) > most else "")


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)
