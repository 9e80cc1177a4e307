"""The cascades of a report: the saved ones, and the ensemble with most models run one after the other."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from gsm_bench.api.report_parts import Where, words
from gsm_bench.api.sources import LabelFinder, NamedSource
from gsm_bench.ensembles.members import open_members
from gsm_bench.errors import GsmBenchError
from gsm_bench.id_array import IdArray
from gsm_bench.report.cascade import ReportedCascade
from gsm_bench.selection.cascade_search import CascadeConfig, cascade_members, search_cascades

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace

MOST = 3
"""Most cascades of a report: each keeps its confidences."""


def reported_cascades(
    bench: OpenWorkspace, ensembles: Mapping[str, NamedSource], ids: IdArray, where: Where, labels: LabelFinder,
    messages: list[str],
) -> Iterator[ReportedCascade]:  # fmt: skip
    """Cascades of a split with labels.

    Args:
        ensembles: of the leaderboard, by their names on a command line.
        messages: gets why one is left out.
    """
    names = [*_saved(bench, where), *_largest(ensembles)]
    for name in names[:MOST]:
        try:
            yield _cascade(bench, name, ids, where, labels)
        except GsmBenchError as error:
            messages.append(f"the cascade {name} is left out: {error.what}")


def _saved(bench: OpenWorkspace, where: Where) -> list[str]:
    """Saved cascades of models that all have scores on this split."""
    names = []
    for name in bench.manifest.cascades if where else ():
        members = cascade_members(name, bench.manifest, bench.workspace, where["dataset"], where["split"])
        if all(spec.path.is_file() for spec in members.specs):
            names.append(name)
    return names


def _largest(ensembles: Mapping[str, NamedSource]) -> list[str]:
    """The ensemble of most models; of equals the one with fewest clips."""
    sizes = {
        name: (-len({spec.path for spec in source.members}), sum(spec.clips or 1 for spec in source.members))
        for name, source in ensembles.items()
    }
    return sorted(sizes, key=lambda name: sizes[name])[:1]


def _cascade(bench: OpenWorkspace, name: str, ids: IdArray, where: Where, labels: LabelFinder) -> ReportedCascade:
    members = cascade_members(name, bench.manifest, bench.workspace, where.get("dataset"), where.get("split"))
    config = CascadeConfig(task=members.task, space=members.space, saved=members.saved)
    with open_members(members.specs) as opened:
        result = search_cascades(opened, labels.members(opened), config)
        head = opened[0].head
    assert result.stages is not None
    same = len(head) == len(ids) and (head.order == "unverified" or head.ids == ids)
    places = np.arange(len(head)) if same else head.ids.rows_in(ids)  # row in the split of each row of the file
    command = words(f"cascade {shlex.quote(name)}", where, data=labels.data)
    return ReportedCascade(name, result, places[result.stages.rows], command)
