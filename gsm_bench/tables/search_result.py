"""A search as tables: accuracy against cost, the held-out estimate, and what each member adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from gsm_bench.ensembles.member_files import MemberFile
from gsm_bench.evaluation.significance import not_significant
from gsm_bench.metrics.topk import KS
from gsm_bench.selection.search import SearchResult, SearchRow
from gsm_bench.selection.weighting import WeightedResult, WeightedRow
from gsm_bench.tables.notes import CONVENTION, UNVERIFIED, few_groups_notes, interval_note
from gsm_bench.tables.origin import origin_items, titled
from gsm_bench.tables.table import Column, Table

FRONTS = {"macs": "GFLOPs", "params": "params", "members": "members"}
COSTS = (Column("macs", "GFLOPs", "giga"), Column("params", "Params\n(M)", "mega"))
HELD_OUT = (Column("held_out", "Held\nout", "percent"), Column("optimism", "Optimism", "points"))


def front_table(result: SearchResult, files: Sequence[MemberFile] = ()) -> Table:
    """One row per subset that is the best for its multiply-adds or for its parameters.

    Args:
        files: the score file of each choice of the pool, for the origin of each row.
    """
    k = result.config.k
    other = next(other for other in KS if other != k)
    columns = (
        Column("members", "Members"),
        *COSTS,
        Column(f"top{k}", f"Top-{k}", "percent"),
        *HELD_OUT,
        Column(f"top{other}", f"Top-{other}", "percent"),
        Column("front", "Best\nfor its"),
    )
    file_of = dict(zip((choice.label for choice in result.choices), files, strict=bool(files)))
    rows = tuple(
        _row(row, k, other) | _origin([file_of[name] for name in row.members if name in file_of]) for row in result.rows
    )
    return Table(
        titled(_title(result), files[0].place if files else ""), columns, (rows,), tuple(_notes(result)), "search"
    )


def _title(result: SearchResult | WeightedResult) -> str:
    task = "" if result.tasks == ("action",) else f"{result.task}, "
    return f"Search of {len(result.choices)} choices: {task}mean of {result.space.replace('_', '-')}"


def _row(row: SearchRow, k: int, other: int) -> dict[str, Any]:
    return {
        "members": " + ".join(row.members),
        "macs": row.macs,
        "params": row.params,
        f"top{k}": row.accuracy[k],
        f"top{k}_low95": row.interval.low,
        f"top{k}_high95": row.interval.high,
        f"hits{k}": row.hits,
        "held_out": row.held_out,
        "optimism": row.accuracy[k] - row.held_out,
        "front": FRONTS[row.fronts[0]] if len(row.fronts) == 1 else "both",
        "best": row.best,
        f"top{k}_p": row.p,
        f"top{k}_tied": not_significant(row.p),
        f"top{other}": row.accuracy[other],
    }


def _notes(result: SearchResult) -> Iterator[str]:
    count, pool = f"{result.subsets:,}", len(result.choices)
    yield f"{count} subsets of {pool} choices over {result.videos:,} videos, each at equal weights."
    yield f"Best: {' + '.join(choice.label for choice in result.best_choices)}"
    groups = "" if result.groups is None else f" ({result.groups:,} groups of videos stay together)"
    yield (
        f"Held out: the best subset of at most this cost, chosen on all but one of {result.config.folds} folds and "
        f"evaluated on that one{groups}, mean over repeats. Optimism: the part of the accuracy that this loses."
    )
    gain = result.gain
    yield (
        f"Gain of the best over the best single choice: {100 * gain.searched:+.2f} points on the videos searched, "
        f"{100 * gain.value:+.2f} [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}] held out: "
        f"optimism {100 * gain.optimism:+.2f}."
    )
    yield from few_groups_notes(result.groups)
    yield interval_note("paired test, Holm-corrected")
    if any(choice.macs is not None for choice in result.choices):
        yield CONVENTION
    if result.unverified:
        yield UNVERIFIED


def members_table(result: SearchResult) -> Table:
    """What each member of the best subset adds."""
    rows = tuple(
        {
            "member": choice.label,
            "macs": choice.macs,
            "alone": added.alone,
            "left_out": added.left_out,
            "shapley": added.shapley,
        }
        for choice, added in zip(result.best_choices, result.contributions, strict=True)
    )
    columns = (
        Column("member", "Member"),
        Column("macs", "GFLOPs", "giga"),
        Column("alone", "Alone", "percent"),
        Column("left_out", "Lost without it", "points"),
        Column("shapley", "Shapley share", "percent"),
    )
    k = result.config.k
    notes = [f"At least one member is right (oracle): {100 * result.oracle:.2f}% of videos in top-1."]
    if len(rows) > 1:
        notes.append(
            f"Two members predict different classes for {100 * result.disagreement:.2f}% of videos, mean over pairs."
        )
    notes.append(f"Shapley shares add up to the ensemble's top-{k}: the mean gain over all orders of adding members.")
    return Table(f"What each member of the best adds, top-{k}", columns, (rows,), tuple(notes), "members")


def _origin(files: Sequence[MemberFile], weights: Sequence[float] = ()) -> dict[str, Any]:
    """The origin of a row; its members have equal weights unless given."""
    shares = weights or [1 / len(files) for _ in files]
    return origin_items([replace(file, weight=share) for file, share in zip(files, shares, strict=True)])


def weighted_table(result: WeightedResult, files: Sequence[MemberFile] = ()) -> Table:
    """The members that have a weight, then the weighted pool beside the best single member; `files` as in `front_table`."""
    file_of = dict(zip((choice.label for choice in result.choices), files, strict=bool(files)))
    weights = [(float(share), choice) for share, choice in zip(result.weights, result.choices, strict=True) if share]
    shares = tuple(
        _origin([file_of[choice.label]] if files else [])
        | {"what": choice.label, "weight": share, "macs": choice.macs, "params": choice.params}
        for share, choice in sorted(weights, key=lambda pair: -pair[0])
    )
    single = f"best single: {result.single.choices[0].label}"
    rows = (
        _weighted_row(single, result.single)
        | origin_items([file_of[result.single.choices[0].label]] if files else [], weighted=False),
        _weighted_row(f"{result.method}, {len(shares)} members", result.weighted)
        | _origin(
            [file_of[choice.label] for _, choice in weights] if files else [], [share for share, _ in weights if files]
        ),
    )
    columns = (
        Column("what", "Member"),
        Column("weight", "Weight", "number"),
        *COSTS,
        Column("top1", "Top-1", "percent"),
        *HELD_OUT,
        Column("top5", "Top-5", "percent"),
    )
    return Table(
        titled(_title(result), files[0].place if files else ""),
        columns,
        (shares, rows),
        tuple(_weighted_notes(result)),
        "search",
    )


def _weighted_row(label: str, row: WeightedRow) -> dict[str, Any]:
    return {
        "what": label,
        "macs": _sum([choice.macs for choice in row.choices]),
        "params": _sum([choice.params for choice in row.choices]),
        "top1": row.accuracy[1],
        "top1_low95": row.interval.low,
        "top1_high95": row.interval.high,
        "top1_p": row.p,
        "top1_tied": not_significant(row.p),
        "held_out": row.held_out,
        "optimism": row.accuracy[1] - row.held_out,
        "top5": row.accuracy[5],
    }


def _weighted_notes(result: WeightedResult) -> Iterator[str]:
    yield (
        f"Over {result.videos:,} videos. Held out: for each video, the weights and the best single member that the "
        "other folds chose."
    )
    gain = result.gain
    yield (
        f"Gain over the best single member: {100 * result.searched:+.2f} points on the videos searched, "
        f"{100 * gain.value:+.2f} [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}] held out: "
        f"optimism {100 * result.optimism:+.2f}."
    )
    yield interval_note("paired test")
    yield CONVENTION
    if result.unverified:
        yield UNVERIFIED


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
