"""What a report shows, as plain data; `gsm_bench.api.report` gathers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.evaluation.calibrate import Calibrated
from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.evaluation.per_class import ClassEvaluation
from gsm_bench.evaluation.top_classes import TopClasses
from gsm_bench.id_array import IdArray
from gsm_bench.report.cascade import ReportedCascade
from gsm_bench.report.frames import ReportedFrames
from gsm_bench.report.playground import Playground
from gsm_bench.selection.search import SearchResult
from gsm_bench.tables.table import Table


@dataclass(frozen=True)
class ReportedTable:
    """A table, and the command line that prints the same; empty where no command does."""

    table: Table
    command: str = ""


@dataclass(frozen=True)
class ReportedResult:
    """A row of the leaderboard.

    Attributes:
        name: unique in the split; what the address of a view calls it, short where that is clear.
        source: how a command line names it.
        evaluation: its accuracies and ranks.
        rows: int64 [N], its row for each video of the split; -1 where it has none.
        best: per task, its best classes in its own rows; empty where only ranks are kept.
        classes: per task, its accuracy class by class; empty likewise.
        members: of an ensemble, as a command line names them.
        forward: whether frames were read in their own order.
    """

    name: str
    source: str
    evaluation: Evaluation
    rows: NDArray[np.int64]
    best: Mapping[str, TopClasses] = field(default_factory=dict)
    classes: Mapping[str, ClassEvaluation] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    forward: bool = True


@dataclass(frozen=True)
class ReportedFile:
    """A score file: its path in the workspace, its sha256, its number of videos, and its provenance as in the file."""

    path: str
    sha256: str
    videos: int
    provenance: Mapping[str, Any]


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
        leaderboard: a row for each result.
        paper: tables of the registry on this split.
        search: what a search of the best models found; its tables.
        epic: verb, noun and action metrics.
        calibrated: names of results with their calibration; its tables.
        files: score files that the results are made of.
        cascades, playgrounds, frames: what scripts compute with and draw.
    """

    key: str
    title: str
    ids: IdArray
    labels: Mapping[str, NDArray[np.integer]]
    class_names: Mapping[str, tuple[str, ...]]
    results: tuple[ReportedResult, ...]
    leaderboard: ReportedTable
    paper: tuple[ReportedTable, ...] = ()
    search: tuple[SearchResult, tuple[ReportedTable, ...]] | None = None
    epic: tuple[ReportedTable, ...] = ()
    calibrated: tuple[tuple[str, Calibrated], ...] = ()
    calibration: tuple[ReportedTable, ...] = ()
    files: tuple[ReportedFile, ...] = ()
    cascades: tuple[ReportedCascade, ...] = ()
    playgrounds: tuple[Playground, ...] = ()
    frames: ReportedFrames | None = None


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
