"""Results of score files and ensembles as table rows: what was run, what it costs, how right it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.accuracies import accuracies_alone, accuracies_of
from gsm_bench.ensembles.actions import ActionRule, action_rule, derived_action_accuracy
from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.entries import Published, Space
from gsm_bench.labels import Truth
from gsm_bench.metrics.intervals import FEW_GROUPS, accuracy_interval
from gsm_bench.metrics.paired import PairedDifference, paired_difference
from gsm_bench.metrics.topk import Accuracy
from gsm_bench.names import Names
from gsm_bench.scorefile import NOT_SCORED, SUBSTITUTED, ScoreHead
from gsm_bench.tables.separable import chances_of_best, tied
from gsm_bench.tables.table import TIED, Column, Table

CONVENTION = (
    "GFLOPs in the paper's convention: multiply-adds, one per bias, 2 per batch-norm output, 1 per pooling input."
)
UNVERIFIED = "Order unverified: rows were matched by position, because these scores came without clip ids."


@dataclass(frozen=True)
class Result:
    """One model, file or ensemble, evaluated.

    Attributes:
        label: its name.
        frames: frames x clips of its members, as in ``8x2+12x2+16+24``.
        params, macs_paper, macs_bare: cost over all members and views; None where a member's is not known.
        accuracy: per task, or empty without labels.
        bad: ids of clips without a score in at least one member.
        substituted: ids of clips scored with a substituted frame in at least one member.
        gains: per task, what an ensemble gains in top-1 over its best member, and that member's name.
        unverified: whether the order of its rows could not be checked by ids.
        ids, truth: the clips that the accuracies are over, in their order, and what is known of them.
        told_cost: members whose operations were told at their import.
    """

    label: str
    frames: str
    params: int | None = None
    macs_paper: int | None = None
    macs_bare: int | None = None
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    published: Published | None = None
    bad: tuple[str, ...] = ()
    substituted: tuple[str, ...] = ()
    unverified: bool = False
    told_cost: tuple[str, ...] = ()
    gains: Mapping[str, tuple[str, PairedDifference]] = field(default_factory=dict)
    ids: Names = field(default=Names.of(()), repr=False)
    truth: Truth | None = field(default=None, repr=False, compare=False)


def evaluate_members(
    label: str,
    members: Sequence[OpenMember],
    truth: Truth,
    space: Space | None = None,
    published: Published | None = None,
    actions: ActionRule | None = None,
) -> tuple[Result, list[Result]]:
    """Fuse open members (one is a fusion too) and compare with what is known of the first's rows.

    Args:
        actions: how actions are ranked where they are pairs of verb and noun; by `action_rule` unless told.

    Returns:
        The result of the whole, and of each member as it goes into the whole.
    """
    counted = {
        task: accuracies_of(members, task, fusion_space(members, task, space), truth.labels[task])
        for task in common_tasks(members)
        if task in truth.labels and not (task == "action" and actions and actions.source != "head")
    }
    if "action" not in counted and {"verb", "noun"} <= counted.keys():
        rule = actions or action_rule(members, None)
        each = [members] if len(members) == 1 else [members, *([member] for member in members)]
        whole_action, *rest = (derived_action_accuracy(some, rule, truth.labels, space) for some in each)
        counted["action"] = (whole_action, rest or [whole_action])
    whole = _result(label, members, truth, {task: accuracy for task, (accuracy, _) in counted.items()}, published)
    if len(members) > 1:
        whole = replace(whole, gains=_gains(members, counted, truth.groups))
    ids = members[0].head.ids
    singles = [
        _result(
            member.spec.label, [member], truth, {task: singles[at] for task, (_, singles) in counted.items()}, ids=ids
        )
        for at, member in enumerate(members)
    ]
    return whole, singles


def evaluate_each(members: Sequence[OpenMember], truth: Truth, actions: ActionRule | None = None) -> list[Result]:
    """Each of some protocols of one score file alone, in one pass over the file; as `evaluate_members` does one."""
    tasks = [task for task in common_tasks(members) if task in truth.labels]
    if {"verb", "noun"} <= set(tasks):
        return [evaluate_members(member.spec.label, [member], truth, actions=actions)[0] for member in members]
    counted = {
        task: accuracies_alone(members, task, fusion_space(members, task, None), truth.labels[task]) for task in tasks
    }
    return [
        _result(member.spec.label, [member], truth, {task: found[at] for task, found in counted.items()})
        for at, member in enumerate(members)
    ]


def _gains(
    members: Sequence[OpenMember],
    counted: Mapping[str, tuple[Accuracy, list[Accuracy]]],
    groups: NDArray[np.int64] | None,
) -> dict[str, tuple[str, PairedDifference]]:
    """The ensemble against its best member, clip by clip; nothing where no clip has both."""
    gains = {}
    for task, (whole, singles) in counted.items():
        if whole.scored:
            best = max(range(len(singles)), key=lambda at: singles[at].top(1))
            name = f"{members[best].spec.label} ({frames_text(members[best].head, members[best].views)})"
            gains[task] = (name, paired_difference(whole.correct, singles[best].correct, groups))
    return gains


def _result(
    label: str,
    members: Sequence[OpenMember],
    truth: Truth,
    accuracy: Mapping[str, Accuracy],
    published: Published | None = None,
    ids: Names | None = None,
) -> Result:
    ids = members[0].head.ids if ids is None else ids
    status = np.max([np.asarray(member.status) for member in members], axis=0)
    return Result(
        label=label,
        frames="+".join(frames_text(member.head, member.views) for member in members),
        params=_sum(member.head.provenance.get("params") for member in members),
        macs_paper=_sum(_views_cost(member, "macs_paper_per_view") for member in members),
        macs_bare=_sum(_views_cost(member, "macs_bare_per_view") for member in members),
        accuracy=accuracy,
        published=published,
        bad=tuple(ids[row] for row in np.flatnonzero(status == NOT_SCORED)),
        substituted=tuple(ids[row] for row in np.flatnonzero(status == SUBSTITUTED)),
        unverified=members[0].head.order == "unverified",
        ids=ids,
        truth=truth,
        told_cost=tuple(member.spec.label for member in members if _is_told(member.head.provenance)),
    )


def frames_text(head: ScoreHead, views: NDArray[np.int64]) -> str:
    """Frames, clips and crops of some views of a file: ``8``, ``8x2``, ``8x2x5``."""
    said = head.provenance.get("frames_text")
    if said:
        return str(said)
    frames = (head.provenance.get("sampling") or {}).get("frames", "?")
    chosen = head.views[views]
    clips = len(set(chosen["offset"].tolist())) if not np.isnan(chosen["offset"]).any() else 1
    crops = len(views) // clips
    order = (head.provenance.get("sampling") or {}).get("order", "forward")
    frames = frames if order == "forward" else f"{order} {frames}"
    return f"{frames}x{clips}x{crops}" if crops > 1 else f"{frames}x{clips}" if clips > 1 else str(frames)


def results_table(
    title: str,
    blocks: Iterable[Iterable[Result]],
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
    chances = {task: chances_of_best(results, task) for task in tasks}
    rows = iter([_row(result, {task: chances[task][at] for task in tasks}) for at, result in enumerate(results)])
    blocks_of_rows = tuple(tuple(next(rows) for _ in block) for block in grouped)
    notes = (*_notes(results), *_interval_notes(results, chances))
    return Table(title, tuple(columns), blocks_of_rows, notes, name)


def _row(result: Result, chances: Mapping[str, float | None]) -> dict[str, Any]:
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
        row |= {f"{prefix}top1_p": chance, f"{prefix}top1_tied": tied(chance)}
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


def _notes(results: Sequence[Result]) -> Iterable[str]:
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


def _interval_notes(results: Sequence[Result], chances: Mapping[str, Sequence[float | None]]) -> Iterable[str]:
    measured = [result for result in results if result.accuracy]
    if not measured:
        return
    groups = [result.truth.groups for result in measured if result.truth and result.truth.groups is not None]
    counts = sorted({len(np.unique(found)) for found in groups})
    over = f"bootstrap over {counts[-1]:,} groups of clips" if counts else "Wilson's, over clips"
    yield f"±: half of the 95% interval ({over})."
    if counts and counts[0] < FEW_GROUPS:
        yield f"Only {counts[0]} groups of clips: with fewer than {FEW_GROUPS} no interval can be relied on."
    if any(tied(chance) for found in chances.values() for chance in found):
        yield f"{TIED}: cannot be told from the best row in top-1 (exact paired test, Holm-corrected)."


def _gain_notes(results: Sequence[Result]) -> Iterable[str]:
    gains = [(result, task, *found) for result in results for task, found in result.gains.items()]
    if gains:
        groups = {gain.groups for *_, gain in gains}
        over = "clips" if groups == {None} else f"{max(number for number in groups if number):,} groups of clips"
        yield f"Gain over the best member in points, with its 95% interval (paired bootstrap over {over}):"
    for result, task, member, gain in gains:
        word = "" if task == "action" else f", {task}"
        interval = f"[{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"
        yield f"  {result.frames}{word}: {100 * gain.value:+.2f} {interval} over {member}"


def _is_told(provenance: Mapping[str, Any]) -> bool:
    return "imported_from" in provenance and provenance.get("macs_paper_per_view") is not None


def some_of(ids: Sequence[str], most: int = 5) -> str:
    """The first few ids, and how many more there are."""
    return ", ".join(ids[:most]) + (f" and {len(ids) - most:,} more" if len(ids) > most else "")


def _views_cost(member: OpenMember, key: str) -> int | None:
    per_view = member.head.provenance.get(key)
    return None if per_view is None else int(per_view) * len(member.views)


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if any(value is None for value in found) else sum(value for value in found if value is not None)


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)
