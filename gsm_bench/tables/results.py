"""Evaluations of score files and ensembles as table rows: name, cost, accuracies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.evaluation.significance import not_significant, p_values_vs_best, smallest_vs_best
from gsm_bench.evaluation.unlike_labels import label_notes
from gsm_bench.tables.notes import CONVENTION, UNVERIFIED, counted, few_groups_notes, half_interval, some_of, tied_note
from gsm_bench.tables.origin import common_place, origin_items, titled
from gsm_bench.tables.table import Column, Table

PValues = Mapping[str, Sequence[float | None]]


def results_table(
    title: str,
    blocks: Iterable[Iterable[Evaluation]],
    *,
    published: bool = False,
    brief: bool = False,
    name: str = "table",
) -> Table:
    """A table of results: label, frames, cost, accuracies; the title names their split, a column does if they differ.

    Args:
        published: printed accuracies beside the measured ones.
        brief: only what a paper prints; without mean class accuracy and number of videos.
    """
    grouped = tuple(tuple(block) for block in blocks)
    results = [result for block in grouped for result in block]
    multi_label = any(result.mean_precision for result in results)
    tasks = list(dict.fromkeys(task for result in results for task in result.accuracy)) or ["action"] * (
        not multi_label
    )
    p_values = {task: p_values_vs_best(results, task) for task in tasks}
    rows = iter([_row(result, {task: p_values[task][at] for task in tasks}) for at, result in enumerate(results)])
    row_blocks = tuple(tuple(next(rows) for _ in block) for block in grouped)
    notes = (*_notes(results), *_interval_notes(results, p_values))
    columns = _columns(tasks, results, published=published, brief=brief)
    place = common_place(result.place for result in results if result.files)
    return Table(title if brief else titled(title, place), tuple(columns), row_blocks, notes, name)


def _columns(tasks: Sequence[str], results: Sequence[Evaluation], *, published: bool, brief: bool) -> Iterator[Column]:
    yield Column("label", "Model")
    if len({result.place for result in results if result.files}) > 1:
        yield Column("place", "Split")
    yield Column("frames", "Frames")
    if not brief and any(len(result.files) > 1 for result in results):
        yield Column("weight", "Weight", "share")
    yield Column("params", "Params\n(M)", "mega")
    yield Column("macs_paper", "GFLOPs", "giga")
    for task in tasks:
        prefix, word = _prefix(tasks, task), "" if tasks == ["action"] else f"{task.capitalize()} "
        yield Column(f"{prefix}top1", f"{word}Top-1", "percent", "highest")
        yield Column(f"{prefix}top5", f"{word}Top-5", "percent", "highest")
        if not brief and len(tasks) == 1:
            yield Column(f"{prefix}mean_class", f"{word}Mean\nclass", "percent", "highest")
    if any(result.mean_precision for result in results):
        yield Column("mean_ap", "mAP", "percent", "highest")
    if published:
        yield Column("published_top1", "Paper\nTop-1", "percent")
        yield Column("published_top5", "Paper\nTop-5", "percent")
        if any(result.reproduction and result.reproduction.verdict for result in results):
            yield Column("verdict", "Repro-\nduced")
    if not brief:
        yield Column("videos", "Videos")


def _prefix(tasks: Iterable[str], task: str) -> str:
    """The task before a key, where there are other tasks than actions."""
    return "" if list(tasks) == ["action"] else f"{task}_"


def _row(result: Evaluation, p_values: Mapping[str, float | None]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "label": result.label,
        "frames": result.frames,
        "params": result.params,
        "macs_paper": result.macs_paper,
        "macs_bare": result.macs_bare,
        **origin_items(result.files),
    }
    for task, p in p_values.items():
        prefix = _prefix(p_values, task)
        row |= _accuracy_items(prefix, result, task)
        row |= {f"{prefix}top1_p": p, f"{prefix}top1_tied": not_significant(p)}
    counts = next(iter(result.accuracy.values()), None)
    if counts:
        row["videos"] = f"{counts.scored}/{counts.total}" if counts.missing else f"{counts.total}"
        row["scored"], row["total"] = counts.scored, counts.total
    if result.mean_precision:
        precision = result.mean_precision
        row["mean_ap"], row["videos"] = precision.value, f"{precision.videos}"
        if precision.videos:
            row |= {"mean_ap_low95": precision.interval.low, "mean_ap_high95": precision.interval.high}
    for task, (member, gain) in result.gains.items():
        prefix = _prefix(p_values, task)
        row |= {f"{prefix}gain": gain.value, f"{prefix}gain_low": gain.low, f"{prefix}gain_high": gain.high}
        row[f"{prefix}gain_over"] = member
    if result.published:
        row["published_top1"] = _fraction(result.published.top1_percent)
        row["published_top5"] = _fraction(result.published.top5_percent)
        row["published_source"] = result.published.source
    if result.reproduction:
        row["verdict"] = result.reproduction.verdict or None
        row["verdict_text"] = result.reproduction.sentence
        row["verdict_published"] = result.reproduction.published
    return row


def _accuracy_items(prefix: str, result: Evaluation, task: str) -> dict[str, Any]:
    accuracy = result.accuracy.get(task)
    if accuracy is None:
        return {f"{prefix}top1": None, f"{prefix}top5": None, f"{prefix}mean_class": None}
    items: dict[str, Any] = {f"{prefix}mean_class": accuracy.mean_class}
    for k, count in accuracy.hits.items():
        interval = result.interval(task, k)
        items |= {f"{prefix}top{k}": accuracy.top(k), f"{prefix}hits{k}": count}
        items |= {f"{prefix}top{k}_low95": interval.low, f"{prefix}top{k}_high95": interval.high}
        if accuracy.missing:
            low, high = accuracy.bounds(k)
            items |= {f"{prefix}top{k}_low": low, f"{prefix}top{k}_high": high}
    return items


def _notes(results: Sequence[Evaluation]) -> Iterator[str]:
    if any(result.macs_paper for result in results):
        yield CONVENTION
        imported = dict.fromkeys(name for result in results for name in result.imported_cost)
        if imported:
            yield f"GFLOPs of {', '.join(imported)} were given at import; their counting convention is unknown."
    yield from _gain_notes(results)
    missing = tuple(dict.fromkeys(name for result in results for name in result.not_scored))
    if missing:
        yield (
            f"{counted(len(missing), 'video')} without a score: {some_of(missing)}. Accuracies are over the scored "
            "videos; parentheses: over all videos, with every missing one wrong and with every missing one right."
        )
    substituted = tuple(dict.fromkeys(name for result in results for name in result.substituted))
    if substituted:
        yield f"{counted(len(substituted), 'video')} with a substituted frame: {some_of(substituted)}."
    unused = {name: text for result in results for name, text in result.frames_unused.items()}
    yield from (f"{name}: {text}." for name, text in unused.items())
    yield from dict.fromkeys(note for result in results for note in result.read_otherwise)
    if any(result.unverified for result in results):
        yield UNVERIFIED
    yield from label_notes(results)
    for precision in dict.fromkeys(
        (one.without_class, one.absent) for result in results if (one := result.mean_precision)
    ):
        without, absent = precision
        yield (
            f"mAP: mean over classes of the average precision, as in the evaluation code of Charades. {counted(without, 'video')} "
            f"without a class left out" + (f"; {absent} classes that no video has left out." if absent else ".")
        )
    groups = [one.interval.groups for result in results if (one := result.mean_precision) and one.videos]
    if groups:
        yield half_interval("jackknife over " + (f"{groups[0]:,} groups of videos" if groups[0] else "videos"))
        yield from few_groups_notes(groups[0])


def _interval_notes(results: Sequence[Evaluation], p_values: PValues) -> Iterator[str]:
    measured = [result for result in results if result.accuracy]
    if not measured:
        return
    groups = [result.truth.groups for result in measured if result.truth and result.truth.groups is not None]
    counts = sorted({len(np.unique(values)) for values in groups})
    over = f"bootstrap over {counts[-1]:,} groups of videos" if counts else "Wilson's, over videos"
    yield half_interval(over)
    yield from few_groups_notes(counts[0] if counts else None)
    if any(not_significant(p) for values in p_values.values() for p in values):
        rows = "row of the same split" if len({result.place for result in measured}) > 1 else "row"
        yield tied_note("top-1, exact paired test, Holm-corrected", rows)
        yield from _power_notes(results, p_values)


def _power_notes(results: Sequence[Evaluation], p_values: PValues) -> Iterator[str]:
    """The smallest difference that can be shown, over the rows that do not differ significantly from the best."""
    for task, values in p_values.items():
        tied = [row for row, p in enumerate(values) if not_significant(p)]
        smallest = smallest_vs_best(results, task, tied) if tied else []
        shown = sorted(100 * value for value in smallest if value is not None)
        if shown:
            points = " to ".join(dict.fromkeys(f"{value:.1f}" for value in (shown[0], shown[-1])))
            word = "" if task == "action" else f" in {task}"
            yield f"A single paired test shows differences{word} from {points} points on with 80% power (compare --power)."


def _gain_notes(results: Sequence[Evaluation]) -> Iterator[str]:
    gains = [(result, task, *gain) for result in results for task, gain in result.gains.items()]
    if gains:
        groups = {gain.groups for *_, gain in gains}
        over = "videos" if groups == {None} else f"{max(number for number in groups if number):,} groups of videos"
        yield f"Gain over the best member in points, with its 95% interval (paired bootstrap over {over}):"
    for result, task, member, gain in gains:
        word = "" if task == "action" else f", {task}"
        interval = f"[{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"
        yield f"  {result.frames}{word}: {100 * gain.value:+.2f} {interval} over {member}"


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)
