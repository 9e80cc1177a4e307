"""What a report shows, as plain data; `gsm_bench.api.report` gathers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.evaluation.top_classes import TopClasses
from gsm_bench.id_array import IdArray
from gsm_bench.tables.table import Table


@dataclass(frozen=True)
class ReportedResult:
    """A row of the leaderboard.

    Attributes:
        name: unique in the split; what the address of a view calls it.
        evaluation: its accuracies and ranks.
        rows: int64 [N], its row for each video of the split; -1 where it has none.
        best: per task, its best classes in its own rows; empty where only ranks are kept.
        members: names of the members of an ensemble, as given.
    """

    name: str
    evaluation: Evaluation
    rows: NDArray[np.int64]
    best: Mapping[str, TopClasses] = field(default_factory=dict)
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportedSplit:
    """One split: its N videos and the results on them.

    Attributes:
        key: ``dataset/split``.
        title: of the data set.
        ids: of the N videos.
        labels: int [N] per task; negative unknown.
        class_names: per task, in column order.
        results: of the leaderboard, in its order.
        leaderboard: the table of all results, one row for each.
    """

    key: str
    title: str
    ids: IdArray
    labels: Mapping[str, NDArray[np.integer]]
    class_names: Mapping[str, tuple[str, ...]]
    results: tuple[ReportedResult, ...]
    leaderboard: Table


@dataclass(frozen=True)
class ReportContent:
    """A whole report.

    Attributes:
        title: of the page.
        command: the command line that made it.
        written: when, in UTC.
        version: the commit or version of this package.
        splits: with at least one result each.
        messages: what was left out, and what the commands say beside the same numbers.
        complete: whether every score file could be read, and every video has a score.
    """

    title: str
    command: str
    written: str
    version: str
    splits: tuple[ReportedSplit, ...]
    messages: Sequence[str] = ()
    complete: bool = True
