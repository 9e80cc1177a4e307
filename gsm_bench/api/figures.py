"""Figures by their kind: what each needs, and what `figure all` makes of a workspace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gsm_bench.api.evaluating import evaluate_classes_of
from gsm_bench.api.figure_request import FigureRequest
from gsm_bench.api.sources import short_names, task_of
from gsm_bench.ensembles.members import common_tasks, open_members, shared_out
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import GsmBenchError, LabelError, MissingScoresError
from gsm_bench.evaluation.agreement import agreement
from gsm_bench.evaluation.predictions import predict
from gsm_bench.figures.style import FigureStyle, Plot

if TYPE_CHECKING:
    from gsm_bench.api.bench.results import WorkspaceResults
    from gsm_bench.evaluation.per_class import ClassEvaluation

RENAMED = {"accuracy-cost": "complexity"}
BLOCKS = {"3": ("earlier work", "GSM", "own scores"), "4": ("1 clip", "2 clips", "ensembles")}
"""Names of the blocks of tables."""
MOST_PANELS = 12
CURVE_STEPS = 20
"""Thresholds per rule of a cascade's curve."""


Maker = Callable[["WorkspaceResults", FigureRequest, FigureStyle], Plot]


@dataclass(frozen=True)
class FigureRules:
    """How a kind of figure is made.

    Attributes:
        make: makes it.
        least, most: how many names it takes.
        what: the same in words.
        example: a command line.
    """

    make: Maker
    least: int
    most: int
    what: str
    example: str


def make_figure(bench: WorkspaceResults, kind: str, request: FigureRequest, style: FigureStyle) -> Plot:
    """A figure of one kind; see `Bench.figure`."""
    rules = RULES.get(RENAMED.get(kind, kind))
    if rules is None:
        raise GsmBenchError(f"no figure {kind!r}", fix=f"one of {', '.join(RULES)}")
    if not rules.least <= len(request.names) <= rules.most:
        raise GsmBenchError(
            f"a {kind} figure takes {rules.what}; {len(request.names)} given", fix=f"gsmbench figure {rules.example}"
        )
    return rules.make(bench, request, style)


def _noted(plot: Plot, messages: Sequence[str]) -> Plot:
    """The plot with what the commands say beside the same numbers."""
    return replace(plot, notes=(*dict.fromkeys(messages), *plot.notes))


def _complexity(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.figures.complexity import CostPoint, cost_points, draw_complexity

    points: list[CostPoint] = []
    messages: list[str] = []
    if request.table or not request.names:
        number = request.table or _table_of(bench, request.dataset)
        result = bench.table(number, **request.places, partial=True)
        messages += result.messages
        points += cost_points(result.table(), BLOCKS.get(number, ()))
        if not points:
            raise MissingScoresError(
                f"no row of table {number} has scores yet", fix=f"gsmbench table {number} lists the commands to run"
            )
    for name in request.names:
        result = bench.evaluate(name, **request.places)
        messages += result.messages
        points += cost_points(result.table(), ["models" if not points else "added"])
    return _noted(draw_complexity(style, points), messages)


def _table_of(bench: WorkspaceResults, dataset: str | None) -> str:
    """Table 3 for its own data set, which holds printed rows; else table 4."""
    return "3" if dataset in (None, bench.manifest.table("3").dataset) else "4"


def _improved(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.figures.improved import MOST, draw_improved

    first, second = request.names
    result = bench.compare(first, second, **request.places)
    if result.comparison is None or not result.comparison.tasks:
        raise LabelError("no labels: videos that flip have no classes", fix="give a labelled list: --data DIR")
    return _noted(draw_improved(style, result.comparison, most=request.most or MOST), result.messages)


def _confusion(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.figures.matrices import MOST, draw_confusion

    (name,) = request.names
    (evaluation,), messages = _classes(bench, [name], request)
    return _noted(draw_confusion(style, evaluation, block=request.block, most=request.most or MOST), messages)


def _per_class(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.figures.per_class import draw_per_class

    evaluations, messages = _classes(bench, request.names, request)
    return _noted(draw_per_class(style, evaluations), messages)


def _classes(
    bench: WorkspaceResults, names: Sequence[str], request: FigureRequest
) -> tuple[list[ClassEvaluation], list[str]]:
    """One evaluation per name, of the requested task; and what a user has to know of the labels."""
    truth_of = bench.labels(request.data)
    chosen = []
    for name in names:
        evaluations = evaluate_classes_of(bench.source(name, request.dataset, request.split), truth_of)
        task = task_of([evaluation.task for evaluation in evaluations], request.task)
        chosen += [evaluation for evaluation in evaluations if evaluation.task == task]
    return chosen, truth_of.messages


def _reliability(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.figures.reliability import draw_reliability

    result = bench.calibrate(*request.names, **request.places)
    return _noted(draw_reliability(style, result.calibrations), result.messages)


def _pareto(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.figures.curves import draw_pareto
    from gsm_bench.selection.search import SearchResult

    result = bench.search(list(request.names), task=request.task, **request.places)
    assert isinstance(result.search, SearchResult)  # the default method
    return _noted(draw_pareto(style, result.search), result.messages)


def _cascade(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.figures.curves import draw_cascade

    result = bench.cascade(",".join(request.names), steps=CURVE_STEPS, task=request.task, **request.places)
    assert result.cascade is not None
    return _noted(draw_cascade(style, result.cascade), result.messages)


def _agreement(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.figures.matrices import draw_agreement

    sources = [bench.source(name, request.dataset, request.split) for name in request.names]
    opened = {path: file for source in sources for path, file in source.opened.items()}
    with open_members([member for source in sources for member in source.members], opened) as members:
        task = task_of(common_tasks(members), request.task)
        truth_of = bench.labels(request.data)
        labels = truth_of.if_any(members).labels.get(task)
        labels = np.full(len(members[0].head), -1) if labels is None else labels
        predictions, start = [], 0
        for source in sources:
            part = shared_out(members[start : start + len(source.members)])
            predictions.append(predict(part, task, fusion_space(part, task, source.space), labels))
            start += len(source.members)
    result = agreement(short_names([source.label for source in sources]), predictions)
    return _noted(draw_agreement(style, result), truth_of.messages)


def _tsne(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.api.feature_figures import make_tsne

    return make_tsne(bench, request, style)


def _saliency(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.api.clip_figures import make_saliency

    return make_saliency(bench, request, style)


def _frames(bench: WorkspaceResults, request: FigureRequest, style: FigureStyle) -> Plot:
    from gsm_bench.api.clip_figures import make_frames

    return make_frames(bench, request, style)


MANY = 1_000
RULES = {
    "complexity": FigureRules(_complexity, 0, MANY, "any number of names", "complexity --table 4"),
    "improved": FigureRules(_improved, 2, 2, "two names", "improved tsn_bninc_8f bninc_8f"),
    "confusion": FigureRules(_confusion, 1, 1, "one name", "confusion inv3_16f"),
    "reliability": FigureRules(_reliability, 1, MANY, "one or more names", "reliability inv3_8f En3"),
    "pareto": FigureRules(_pareto, 1, MANY, "the pool of a search", "pareto 'inv3_*'"),
    "cascade": FigureRules(_cascade, 1, MANY, "the members of a cascade", "cascade inv3_8f,inv3_12f,inv3_16f"),
    "per-class": FigureRules(_per_class, 1, 4, "one to four names", "per-class inv3_8f inv3_16f"),
    "agreement": FigureRules(_agreement, 2, MANY, "two or more names", "agreement inv3_8f inv3_12f inv3_16f"),
    "tsne": FigureRules(_tsne, 1, MOST_PANELS, "one to twelve models", "tsne tsn_bninc_8f bninc_8f"),
    "saliency": FigureRules(_saliency, 1, 4, "one to four models", "saliency tsn_bninc_16f bninc_16f --ids ID,ID"),
    "frames": FigureRules(_frames, 1, MANY, "ensembles or models", "frames En3x2 --ids ID"),
}
"""Every kind of figure."""
