"""A diagnosis as tables: the causes with what to do, and everything that was tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gsm_bench.metrics.paired import PairedDifference
from gsm_bench.tables.table import Column, Table
from gsm_bench.trust.diagnose_findings import ALPHA, SMALLEST_LIFT, Cause, Diagnosis, Tried

SHOWN = 12
"""Rows of what was tried that a terminal shows."""


def causes_table(diagnosis: Diagnosis) -> Table:
    """A row per fault, those that the values show first, then causes by what they lift."""
    columns = (
        Column("cause", "Cause"), Column("now", "Now"), Column("better", "Better"), Column("lift", "Lift", "points"),
        Column("alone", "Alone", "points"), Column("p", "p", "p"),
    )  # fmt: skip
    rows = [
        {"cause": name, "name": name, "now": evidence, "fix": fix} for name, evidence, fix in diagnosis.value_faults
    ]
    rows += [_cause_row(cause, diagnosis) for cause in diagnosis.causes]
    return Table(_title(diagnosis), columns, (tuple(rows),), tuple(_notes(diagnosis)), "diagnosis")


def tried_table(diagnosis: Diagnosis, most: int | None = SHOWN) -> Table:
    """A row per change that was tried alone, the largest lift first."""
    columns: tuple[Column, ...] = (
        Column("name", "Tried alone"), Column("lift", "Lift", "points"), Column("p", "p", "p"),
        Column("videos", "Videos", "count"), Column("changed", "Other\npredictions", "count"),
    )  # fmt: skip
    rows = tuple(_tried_row(tried) for tried in diagnosis.tried[:most])
    left = len(diagnosis.tried) - len(rows)
    notes = ["p: exact paired test, after Holm over all that were tried alone. Hopeless ones are dropped early."]
    notes += [f"{left} more: --format json or csv."] if left > 0 else []
    if not any(tried.changed for tried in diagnosis.tried):
        columns = columns[:-1]
    return Table("", columns, (rows,), tuple(notes), "tried")


def _title(diagnosis: Diagnosis) -> str:
    place = f", {diagnosis.place}" if diagnosis.place else ""
    low, high = 100 * diagnosis.interval.low, 100 * diagnosis.interval.high
    task = "" if diagnosis.task == "action" else f"{diagnosis.task} "
    return (
        f"{diagnosis.model}{place}: {task}top-1 {100 * diagnosis.before:.2f} [{low:.1f}, {high:.1f}] "
        f"on {diagnosis.videos:,} videos"
    )


def _cause_row(cause: Cause, diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "cause": cause.title, "name": cause.name, "now": cause.before, "better": cause.after,
        **_lift("lift", cause.together), **_lift("alone", cause.alone), "p": diagnosis.p, "fix": cause.fix, "toml": diagnosis.toml,
    }  # fmt: skip


def _tried_row(tried: Tried) -> Mapping[str, Any]:
    return {
        "name": tried.name, **_lift("lift", tried.lift), "p": tried.p, "videos": tried.videos, "changed": tried.changed,
        "gained": tried.lift.gained, "lost": tried.lift.lost,
    }  # fmt: skip


def _lift(key: str, difference: PairedDifference) -> dict[str, float]:
    return {key: difference.value, f"{key}_low95": difference.low, f"{key}_high95": difference.high}


def _notes(diagnosis: Diagnosis) -> Iterator[str]:
    yield from _verdict(diagnosis)
    published = diagnosis.published
    if published is not None and published.top1_percent is not None:
        low, high = 100 * diagnosis.interval.low, 100 * diagnosis.interval.high
        where = "inside" if low <= published.top1_percent <= high else "outside"
        yield f"Published: {published.top1_percent:.2f} ({published.source}), {where} the interval of what was measured."
    for number, (title, fix) in enumerate(_fixes(diagnosis), start=1):
        yield f"{number}. {title}: {fix}."
    if diagnosis.alike:
        yield f"These fit as well and cannot be told apart here: {'; '.join(diagnosis.alike)}."
    if diagnosis.indifferent:
        yield f"No prediction changes with: {'; '.join(diagnosis.indifferent)}. Whether these are right cannot be seen."
    for note in diagnosis.notes:
        yield f"{note[:1].upper()}{note[1:]}."


def _verdict(diagnosis: Diagnosis) -> Iterator[str]:
    tried = f"{diagnosis.tested:,} explanations were tried"
    if diagnosis.is_sound:
        yield (
            f"No fault found: {tried}, and none lifts top-1 by {100 * SMALLEST_LIFT:.0f} points or more beyond accident "
            f"(p < {ALPHA})."
        )
    if diagnosis.after is not None and diagnosis.lift is not None:
        low, high = 100 * diagnosis.lift.low, 100 * diagnosis.lift.high
        yield (
            f"With {'this' if len(diagnosis.causes) == 1 else 'these'} corrected: {100 * diagnosis.after:.2f} "
            f"({100 * diagnosis.lift.value:+.2f} [{low:+.1f}, {high:+.1f}]). {tried}; p is corrected for all of them. "
            "Lift: with all other causes corrected."
        )


def _fixes(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    yield from ((name, fix) for name, _, fix in diagnosis.value_faults)
    yield from ((cause.title, cause.fix) for cause in diagnosis.causes)
