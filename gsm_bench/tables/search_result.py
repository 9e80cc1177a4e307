"""A search as tables: the front of accuracy against cost, what it is worth held out, what each member adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.evaluation.significance import holm_p_values_vs_best, not_significant
from gsm_bench.metrics.intervals import FEW_GROUPS, accuracy_interval
from gsm_bench.selection.pool import choices_of
from gsm_bench.selection.search import Search, contributions, disagreement, oracle, pareto
from gsm_bench.selection.weighting import Method, Weighted
from gsm_bench.tables.results import CONVENTION
from gsm_bench.tables.table import Column, Table

FRONTS = {"macs": "GFLOPs", "params": "params", "members": "members"}


def front_table(search: Search, title: str) -> Table:
    """One row per subset that is best for its cost, in operations or in parameters."""
    fronts = _fronts(search)
    places = sorted({place for front in fronts.values() for place in front}, key=lambda at: _order(search, at))
    answers = [search.answers(place) for place in places]
    chances = holm_p_values_vs_best([answer.correct(search.k) for answer in answers], search.groups)
    other = next(k for k in search.found.hits if k != search.k)
    rows = []
    for place, answer, chance in zip(places, answers, chances, strict=True):
        on = [name for name, front in fronts.items() if place in front]
        row = _row(search, place, answer, on)
        row |= {f"top{search.k}_p": chance, f"top{search.k}_tied": not_significant(chance)}
        rows.append(row | {f"top{other}": float(search.found.accuracy(other)[place])})
    columns = (
        Column("members", "Members"),
        Column("macs", "GFLOPs", "giga"),
        Column("params", "Params\n(M)", "mega"),
        Column(f"top{search.k}", f"Top-{search.k}", "percent"),
        Column("held_out", "Held\nout", "percent"),
        Column("optimism", "Optimism", "points"),
        Column(f"top{other}", f"Top-{other}", "percent"),
        Column("front", "Best\nfor its"),
    )
    return Table(title, columns, (tuple(rows),), tuple(_notes(search)), "search")


def _fronts(search: Search) -> dict[str, list[int]]:
    """The fronts by name; where no cost is known, against the number of members."""
    costs = {"macs": search.costs.macs, "params": search.costs.params}
    fronts = {name: pareto(search.values, cost, search.allowed) for name, cost in costs.items()}
    known = {name: front for name, front in fronts.items() if front}
    return known or {"members": pareto(search.values, search.costs.members.astype(float), search.allowed)}


def _order(search: Search, place: int) -> tuple[float, float]:
    return float(np.nan_to_num(search.costs.macs[place])), float(search.values[place])


def _row(search: Search, place: int, answer: Predictions, fronts: Sequence[str]) -> dict[str, Any]:
    costs = {"macs": search.costs.macs, "params": search.costs.params, "members": search.costs.members}
    accuracy = float(search.found.accuracy(search.k)[place])
    within = costs[fronts[0]] <= costs[fronts[0]][place]
    honest = search.held_out(search.allowed & within)
    correct = answer.correct(search.k)
    interval = accuracy_interval(correct, search.groups)
    return {
        "members": search.name(place),
        "macs": _known(search.costs.macs[place]),
        "params": _known(search.costs.params[place]),
        f"top{search.k}": accuracy,
        f"top{search.k}_low95": interval.low,
        f"top{search.k}_high95": interval.high,
        f"hits{search.k}": int(search.values[place]),
        "held_out": honest,
        "optimism": accuracy - honest,
        "front": FRONTS[fronts[0]] if len(fronts) == 1 else "both",
        "best": place == search.best,
    }


def weighted_table(
    members: Sequence[OpenMember], found: Weighted, truth: GroundTruth, method: Method, title: str
) -> Table:
    """The members that have a share, then the whole beside the best single one, searched and held out."""
    choices = choices_of(members)
    held = np.flatnonzero(found.weights).tolist()
    shares = tuple(
        {
            "what": choices[at].label,
            "weight": float(found.weights[at]),
            "macs": choices[at].macs,
            "params": choices[at].params,
        }
        for at in sorted(held, key=lambda at: -found.weights[at])
    )
    sides = ((choices[found.single].label, [found.single], found.single_answers), (method, held, found.answers))
    chances = holm_p_values_vs_best([answers.correct() for _, _, answers in sides], truth.groups)
    rows: list[dict[str, Any]] = []
    for (label, places, answers), honest, chance in zip(sides, reversed(found.held_out), chances, strict=True):
        correct = answers.correct()
        interval, top1 = accuracy_interval(correct, truth.groups), float(correct[correct >= 0].mean())
        wide = answers.correct(5)
        rows.append(
            {
                "what": f"best single: {label}" if len(rows) == 0 else f"{label}, {len(held)} members",
                "macs": _sum(choices[at].macs for at in places),
                "params": _sum(choices[at].params for at in places),
                "top1": top1,
                "top1_low95": interval.low,
                "top1_high95": interval.high,
                "top1_p": chance,
                "top1_tied": not_significant(chance),
                "held_out": honest,
                "optimism": top1 - honest,
                "top5": float(wide[wide >= 0].mean()),
            }
        )
    columns = (
        Column("what", "Member"),
        Column("weight", "Weight", "number"),
        Column("macs", "GFLOPs", "giga"),
        Column("params", "Params\n(M)", "mega"),
        Column("top1", "Top-1", "percent"),
        Column("held_out", "Held\nout", "percent"),
        Column("optimism", "Optimism", "points"),
        Column("top5", "Top-5", "percent"),
    )
    gain = found.gain
    notes = (
        f"Over {found.clips:,} clips. Held out: weights and best single member chosen on the other folds, for every clip.",
        f"Gain over the best single member: {100 * found.searched:+.2f} points on the clips searched, {100 * gain.value:+.2f} "
        f"[{100 * gain.low:+.2f}, {100 * gain.high:+.2f}] held out: optimism {100 * (found.searched - gain.value):+.2f}.",
        "±: half of the 95% interval. ≈: cannot be told from the best row (paired test).",
        CONVENTION,
    )
    return Table(title, columns, (shares, tuple(rows)), notes, "search")


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if None in found else sum(value for value in found if value is not None)


def _known(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _notes(search: Search) -> Iterator[str]:
    clips, count = int(search.found.clips.sum()), int(search.allowed.sum())
    yield f"{count:,} subsets of {len(search.choices)} choices over {clips:,} clips, each at equal weights."
    yield f"Best: {search.name(search.best)}"
    groups = None if search.groups is None else len(np.unique(search.groups[search.found.rows]))
    whole = "" if groups is None else f", {groups:,} groups of clips kept whole"
    yield (
        f"Held out: the best subset of at most this cost, chosen on all but one of {search.folds} folds and counted on "
        f"that one{whole}, mean over repeats; optimism is what searching only seemed to gain."
    )
    gain = search.gain()
    yield (
        f"Gain of the best over the best single choice: {100 * gain.searched:+.2f} points on the clips searched, "
        f"{100 * gain.value:+.2f} [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}] held out: "
        f"optimism {100 * gain.optimism:+.2f}."
    )
    if groups is not None and groups < FEW_GROUPS:
        yield f"Only {groups} groups of clips: with fewer than {FEW_GROUPS} no interval can be relied on."
    yield "±: half of the 95% interval. ≈: cannot be told from the best row (paired test, Holm-corrected)."
    if any(choice.macs is not None for choice in search.choices):
        yield CONVENTION


def members_table(search: Search) -> Table:
    """What each member of the best subset adds."""
    members = np.flatnonzero(search.found.subsets[search.best]).tolist()
    singles = [
        int(np.flatnonzero((search.found.subsets.sum(axis=1) == 1) & search.found.subsets[:, at])[0]) for at in members
    ]
    answers = [search.answers(place) for place in singles]
    rows = tuple(
        {
            "member": search.choices[at].label,
            "macs": search.choices[at].macs,
            "alone": added.alone,
            "left_out": added.left_out,
            "shapley": added.shapley,
        }
        for at, added in zip(members, contributions(search.found, search.best, search.k), strict=True)
    )
    columns = (
        Column("member", "Member"),
        Column("macs", "GFLOPs", "giga"),
        Column("alone", "Alone", "percent"),
        Column("left_out", "Lost without it", "points"),
        Column("shapley", "Shapley share", "percent"),
    )
    notes = [f"At least one member is right (oracle): {100 * oracle(answers):.2f}% of clips in top-1."]
    if len(members) > 1:
        notes.append(f"Two members answer differently on {100 * disagreement(answers):.2f}% of clips, mean over pairs.")
    notes.append(
        f"Shapley shares add up to the ensemble's top-{search.k}: the mean gain over all orders of adding members."
    )
    return Table(f"What each member of the best adds, top-{search.k}", columns, (rows,), tuple(notes), "members")
