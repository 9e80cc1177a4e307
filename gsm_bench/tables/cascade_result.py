"""Cascades as a table: accuracy against mean cost, beside the ensembles of the same members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gsm_bench.ensembles.member_files import MemberFile
from gsm_bench.evaluation.significance import not_significant
from gsm_bench.selection.cascade import Setting
from gsm_bench.selection.cascade_search import CascadeResult, CascadeRow
from gsm_bench.tables.notes import CONVENTION, UNVERIFIED, interval_note
from gsm_bench.tables.origin import origin_items, titled
from gsm_bench.tables.table import Column, Table

COLUMNS = (
    Column("what", "Members, or rule"),
    Column("threshold", "Threshold"),
    Column("mean_macs", "Mean\nGFLOPs", "giga"),
    Column("reach", "Videos reaching\neach member (%)"),
    Column("top1", "Top-1", "percent"),
    Column("top5", "Top-5", "percent"),
)


def cascade_table(result: CascadeResult, files: Sequence[MemberFile] = ()) -> Table:
    """The ensembles of the first one, two, .. members; then each rule over its thresholds; then the chosen one.

    Args:
        files: the score file of each member, for the origin of each row.
    """
    title = f"Cascades of {len(result.choices)} members: running mean of {result.space.replace('_', '-')}"
    blocks = (result.members, *result.cascades, result.selected)
    rows = tuple(tuple(_row(row) | origin_items(files[: len(row.shares)]) for row in block) for block in blocks)
    return Table(titled(title, files[0].place if files else ""), COLUMNS, rows, tuple(_notes(result)), "cascade")


def _row(row: CascadeRow) -> dict[str, Any]:
    setting = row.setting
    return {
        "what": row.label if setting is None or row.label == setting.rule else f"{row.label}: {setting.rule}",
        "rule": setting.rule if setting else None,
        "threshold": _thresholds(setting),
        "thresholds": list(setting.thresholds) if setting else None,
        "mean_macs": row.mean_macs,
        "reach": " ".join(f"{100 * share:.0f}" for share in row.shares),
        "shares": list(row.shares),
        "top1": row.accuracy[1],
        "top1_low95": row.interval[1].low,
        "top1_high95": row.interval[1].high,
        "top1_p": row.p,
        "top1_tied": not_significant(row.p),
        "top5": row.accuracy[5],
        "top5_low95": row.interval[5].low,
        "top5_high95": row.interval[5].high,
    }


def _thresholds(setting: Setting | None) -> str | None:
    return None if setting is None else ", ".join(f"{value:.4f}" for value in dict.fromkeys(setting.thresholds))


def _notes(result: CascadeResult) -> Iterator[str]:
    yield (
        f"Simulated over {result.videos:,} videos. A video continues to the next member while its confidence is at "
        "most the threshold: at 0 none does, at 1 all do."
    )
    budget = result.config.budget
    aim = (
        "the cheapest that is as accurate as all members"
        if budget is None
        else f"the most accurate of at most {budget / 1e9:.2f} GFLOPs on average"
    )
    yield f"Chosen: {aim}, over rules and thresholds. Held out: for each video, the choice of the other folds."
    gain, unit = result.gain, "cost" if result.costs_known else "runs"
    yield (
        f"Held out against all members for every video: {100 * gain.value:+.2f} [{100 * gain.low:+.2f}, "
        f"{100 * gain.high:+.2f}] points at {100 * result.cost_share:.0f}% of their {unit}."
    )
    yield interval_note("paired test, Holm-corrected")
    if result.costs_known:
        yield CONVENTION
    if result.unverified:
        yield UNVERIFIED
