"""Cascades as a table: accuracy against mean cost, beside the ensembles of the same members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gsm_bench.evaluation.significance import holm_p_values_vs_best, not_significant
from gsm_bench.metrics.intervals import accuracy_interval
from gsm_bench.metrics.paired import paired_difference
from gsm_bench.selection.cascade import (
    CascadeStudy,
    Setting,
    Simulated,
    all_stop_at,
    held_out_run,
    settings_of,
    simulate,
)
from gsm_bench.tables.results import CONVENTION
from gsm_bench.tables.table import Column, Table


def cascade_table(study: CascadeStudy, title: str, steps: int) -> Table:
    """The ensembles of the first one, two, .. members; then each rule over thresholds; then what was chosen."""
    stages = study.stages
    every = range(len(study.labels))
    blocks: list[list[tuple[str, Setting | None, Simulated]]] = []
    blocks.append([(f"{' + '.join(study.labels[: at + 1])}", None, all_stop_at(stages, at)) for at in every])
    for rule in study.rules:
        settings = settings_of(stages, [rule], steps)
        blocks.append([(rule, setting, simulate(stages, setting)) for setting in settings])
    last: list[tuple[str, Setting | None, Simulated]] = [("chosen", study.chosen, simulate(stages, study.chosen))]
    last.append(("held out", None, held_out_run(study)))
    if study.saved:
        last.append((study.saved[0], study.saved[1], simulate(stages, study.saved[1])))
    blocks.append(last)
    runs = [run for block in blocks for _, _, run in block]
    correct = [(run.ranks == 0).astype(np.int8) for run in runs]
    chances = iter(holm_p_values_vs_best(correct, study.groups))
    rows = tuple(tuple(_row(study, *item, next(chances)) for item in block) for block in blocks)
    columns = (
        Column("what", "Members, or rule"),
        Column("threshold", "Threshold"),
        Column("mean_macs", "Mean\nGFLOPs", "giga"),
        Column("reach", "Clips reaching\neach member (%)"),
        Column("top1", "Top-1", "percent"),
        Column("top5", "Top-5", "percent"),
    )
    return Table(title, columns, rows, tuple(_notes(study)), "cascade")


def _row(
    study: CascadeStudy, what: str, setting: Setting | None, run: Simulated, chance: float | None
) -> dict[str, Any]:
    shares = run.shares(len(study.labels))
    interval = accuracy_interval((run.ranks == 0).astype(np.int8), study.groups)
    wide = accuracy_interval((run.ranks < 5).astype(np.int8), study.groups)
    return {
        "what": what if setting is None or what == setting.rule else f"{what}: {setting.rule}",
        "rule": setting.rule if setting else None,
        "threshold": _thresholds(setting),
        "thresholds": list(setting.thresholds) if setting else None,
        "mean_macs": None if np.isnan(run.mean_macs) else run.mean_macs,
        "reach": " ".join(f"{100 * share:.0f}" for share in shares),
        "shares": shares,
        "top1": run.top(1),
        "top1_low95": interval.low,
        "top1_high95": interval.high,
        "top1_p": chance,
        "top1_tied": not_significant(chance),
        "top5": run.top(5),
        "top5_low95": wide.low,
        "top5_high95": wide.high,
    }


def _thresholds(setting: Setting | None) -> str | None:
    return None if setting is None else ", ".join(f"{value:.4f}" for value in dict.fromkeys(setting.thresholds))


def _notes(study: CascadeStudy) -> Iterator[str]:
    yield (
        f"Simulated over {len(study.stages.rows):,} clips. A clip goes on to the next member while its sureness is at "
        "most the threshold: at 0 none does, at 1 all do."
    )
    wanted = (
        "the cheapest that is as accurate as all members"
        if study.budget is None
        else f"the most accurate of at most {study.budget / 1e9:.2f} GFLOPs on average"
    )
    yield f"Chosen: {wanted}, over rules and thresholds. Held out: chosen on the other folds, for every clip."
    held_out, whole = held_out_run(study), study.stages.ranks[-1]
    costs, known = study.stages.costs, not np.isnan(study.stages.macs).any()
    unit = "cost" if known else "runs"
    change = paired_difference((held_out.ranks == 0).astype(np.int8), (whole == 0).astype(np.int8), study.groups)
    yield (
        f"Held out against all members for every clip: {100 * change.value:+.2f} [{100 * change.low:+.2f}, "
        f"{100 * change.high:+.2f}] points at {100 * costs[held_out.stop].mean() / costs[-1]:.0f}% of their {unit}."
    )
    yield "±: half of the 95% interval. ≈: cannot be told from the best row (paired test, Holm-corrected)."
    if known:
        yield CONVENTION
