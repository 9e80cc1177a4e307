"""Which members an ensemble or a cascade should take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gsm_bench.api.bench.workspace import OpenWorkspace, Place

if TYPE_CHECKING:
    from gsm_bench.api.results import SearchTables, SimulationTables
    from gsm_bench.selection.subsets import Progress
    from gsm_bench.settings import Metric, Rule, SearchMethod, Space


class SelectionMethods(OpenWorkspace):
    """Searches of a pool, and cascades."""

    def search(
        self,
        pool: str | Sequence[str],
        budget: float | None = None,
        *,
        method: SearchMethod = "exact",
        metric: Metric = "top1",
        space: Space | None = None,
        task: str | None = None,
        folds: int = 5,
        rounds: int = 100,
        temperatures: bool = False,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
        progress: Progress = lambda done, total: None,
    ) -> SearchTables:
        """The best ensembles of a pool for their cost, or weights for a larger pool.

        Args:
            pool: models, wildcards, score files, or an ensemble for its models; names between commas, or a list.
            budget: at most so many GFLOPs per video.
            method: ``exact`` tries every subset; ``greedy`` and ``weights`` are for larger pools.
            metric: what is maximised.
            folds: of the held-out estimate.
            rounds: of greedy selection.
            temperatures: divide each member's scores by its own temperature first.
            progress: is called with what is done and the total.
        """
        from gsm_bench.api.selecting import search_ensembles
        from gsm_bench.selection.search import SearchConfig

        config = SearchConfig(
            int(metric[3:]), None if budget is None else budget * 1e9, folds, task, space, temperatures, rounds
        )
        names = [pool] if isinstance(pool, str) else list(pool)
        return search_ensembles(self, names, self.labels(data), config, method, (dataset, split), progress)

    def cascade(
        self,
        name: str,
        budget: float | None = None,
        *,
        rule: Rule | None = None,
        steps: int = 5,
        space: Space | None = None,
        task: str | None = None,
        folds: int = 5,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
    ) -> SimulationTables:
        """Simulate cascades: a first model for every video, later ones only where the confidence is low.

        Args:
            name: an ensemble, members between commas in the order in which they run, or a saved cascade.
            budget: the most accurate of at most so many GFLOPs on average; else the cheapest that is as accurate as all.
            rule: only this rule of confidence.
            steps: thresholds shown per rule.
        """
        from gsm_bench.api.selecting import simulate_cascades
        from gsm_bench.selection.cascade import RULES
        from gsm_bench.selection.cascade_search import CascadeConfig, cascade_members

        members = cascade_members(name, self.manifest, self.workspace, dataset, split)
        config = CascadeConfig(
            (rule,) if rule else RULES, budget and budget * 1e9, folds, steps, task or members.task,
            space or members.space, members.saved,
        )  # fmt: skip
        return simulate_cascades(members, self.labels(data), config)
