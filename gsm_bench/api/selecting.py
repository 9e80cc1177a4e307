"""Searches for ensembles and cascades, as results with tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gsm_bench.api.results import SearchTables, SimulationTables
from gsm_bench.ensembles.member_files import member_files
from gsm_bench.ensembles.members import MemberSpec, member_label, open_members
from gsm_bench.errors import TaskError
from gsm_bench.evaluation.actions import SOURCE_WORDS
from gsm_bench.selection.cascade_search import CascadeConfig, CascadeMembers, search_cascades
from gsm_bench.selection.pool import pool_of
from gsm_bench.selection.search import SearchConfig, SearchResult, search
from gsm_bench.selection.subsets import Progress
from gsm_bench.selection.weighting import WeightedResult, weigh
from gsm_bench.tables.cascade_result import cascade_table
from gsm_bench.tables.search_result import front_table, members_table, weighted_table
from gsm_bench.tables.table import Table

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace
    from gsm_bench.api.sources import LabelFinder
    from gsm_bench.settings import SearchMethod

SLOW_POOL = 20
"""From so many members on, each fit of weights takes long enough to be reported."""


def search_ensembles(
    bench: OpenWorkspace,
    pool: Sequence[str],
    truth_of: LabelFinder,
    config: SearchConfig,
    method: SearchMethod,
    places: tuple[str | None, str | None],
    progress: Progress = lambda done, total: None,
) -> SearchTables:
    """Search or weigh a pool; see `Bench.search`. `places` are data set and split, if not those of the models."""
    if method != "exact" and config.budget is not None:
        raise TaskError("a budget is for an exact search", fix="--method exact, or no --budget")
    specs = pool_of(pool, bench.manifest, bench.workspace, *places, every=method == "exact")
    with open_members(specs) as members:
        truth, files = truth_of.members(members), member_files(members)
        result: SearchResult | WeightedResult
        if method == "exact":
            result = search(members, truth, config, progress=progress)
        else:
            report = progress if len(specs) >= SLOW_POOL else lambda done, total: None
            result = weigh(members, truth, method, config, progress=report)
    messages = [*truth_of.messages]
    tables: tuple[Table, ...]
    if isinstance(result, SearchResult):
        tables = (front_table(result, files), members_table(result))
        if result.rule:
            messages.append(f"note: actions {SOURCE_WORDS[result.rule.source]} ({result.rule.why})")
    else:
        tables = (weighted_table(result, files),)
    if config.temperatures:
        messages += [f"note: scores of {_scaled(spec)}, fitted on all videos" for spec in result.members]
    if result.left_out:
        messages.append(_left_out(result.left_out))
    return SearchTables(tables, tuple(messages), complete=not result.left_out, search=result)


def simulate_cascades(members: CascadeMembers, truth_of: LabelFinder, config: CascadeConfig) -> SimulationTables:
    """Simulate cascades of members; see `Bench.cascade`."""
    with open_members(members.specs) as opened:
        result, files = search_cascades(opened, truth_of.members(opened), config), member_files(opened)
    return SimulationTables(
        (cascade_table(result, files),), tuple(truth_of.messages), complete=not result.left_out, cascade=result
    )


def _scaled(spec: MemberSpec) -> str:
    return f"{member_label(spec)} divided by {spec.temperature:.4g}"


def _left_out(count: int) -> str:
    return f"note: {count:,} videos without a label or without a score in some member were left out"
