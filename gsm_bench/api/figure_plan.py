"""Which figures can be made from the score files of a workspace, and what the others need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.feature_figures import has_features
from gsm_bench.api.figures import RULES, FigureRequest
from gsm_bench.errors import GsmBenchError
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench
    from gsm_bench.evaluation.evaluation import Evaluation

POOL = 8
"""Most models of a search: two protocols each make the most choices of an exact one."""
PANELS = 6
"""Most models side by side."""


@dataclass(frozen=True)
class PlannedFigure:
    """A figure of one split.

    Attributes:
        kind: of the figure.
        request: what it is made from; None if something is missing.
        missing: what is missing, and the command that makes it; empty if nothing is.
    """

    kind: str
    request: FigureRequest | None
    missing: str = ""


@dataclass(frozen=True)
class _Scored:
    """A registered model with a score file: its name, its accuracy in the protocol with most clips, its cost."""

    name: str
    top1: float
    macs: int | None


def scored_places(bench: Bench) -> list[tuple[str, str]]:
    """Data set and split of each directory of the workspace that holds scores of a registered model."""
    places = sorted(
        {path.parent for path in bench.workspace.scores.glob("*/*/*.h5") if path.stem in bench.manifest.models}
    )
    return [(place.parent.name, place.name) for place in places if place.parent.name in bench.manifest.datasets]


def plan_figures(bench: Bench, dataset: str, split: str, data: Path | None = None) -> list[PlannedFigure]:
    """One figure of each kind for the score files of registered models on a split."""
    names = sorted(
        path.stem
        for path in (bench.workspace.scores / dataset / split).glob("*.h5")
        if path.stem in bench.manifest.models
    )
    try:
        evaluations = [bench.evaluate(name, dataset=dataset, split=split, data=data).evaluation for name in names]
    except GsmBenchError as error:
        return [PlannedFigure(kind, None, str(error)) for kind in RULES]
    models = sorted(_scored(names, evaluations), key=lambda model: (model.top1, model.name))
    if not models:
        reason = f"labels of {dataset}/{split}: put its list into {pasteable(bench.workspace.data / dataset)}"
        return [PlannedFigure(kind, None, reason) for kind in RULES]
    chosen = _names_by_kind(bench, dataset, models)
    of_scores = [_planned(bench, kind, names, dataset, split, data) for kind, names in chosen.items()]
    return [*of_scores, _planned_tsne(bench, [model.name for model in models], dataset, split, data)]


def _planned_tsne(bench: Bench, names: Sequence[str], dataset: str, split: str, data: Path | None) -> PlannedFigure:
    """The least and the most accurate of the models that have features."""
    have = [name for name in names if has_features(bench, name, dataset, split)]
    if not have:
        command = f"gsmbench{bench.workspace.option} features --model {names[-1]}"
        return PlannedFigure("tsne", None, f"features: {command}")
    ends = tuple(dict.fromkeys((have[0], have[-1])))
    return PlannedFigure("tsne", FigureRequest(ends, dataset=dataset, split=split, data=data))


def _planned(
    bench: Bench, kind: str, names: Sequence[str] | None, dataset: str, split: str, data: Path | None
) -> PlannedFigure:
    if names is not None:
        return PlannedFigure(kind, FigureRequest(tuple(names), dataset=dataset, split=split, data=data))
    others = [
        name for name, entry in bench.manifest.models.items()
        if entry.dataset == dataset and not bench.workspace.score_path(dataset, split, name).is_file()
    ]  # fmt: skip
    command = f"gsmbench score --model {others[0]}" if others else "gsmbench models add"
    return PlannedFigure(kind, None, f"scores of a second model: {command}")


def _scored(names: Sequence[str], evaluations: Sequence[Evaluation]) -> Iterator[_Scored]:
    for name, evaluation in zip(names, evaluations, strict=True):
        accuracy = evaluation.accuracy.get("action") or next(iter(evaluation.accuracy.values()), None)
        if accuracy is not None and accuracy.scored:
            yield _Scored(name, accuracy.top(1), evaluation.macs_paper)


def _names_by_kind(bench: Bench, dataset: str, models: Sequence[_Scored]) -> dict[str, Sequence[str] | None]:
    """What each kind is made from, models from the least accurate to the most; None where a second model is missing."""
    names = [model.name for model in models]
    several = len(names) > 1
    best = names[-POOL:]
    has_table = any(
        entry.dataset == dataset and entry.name.split(".")[0] == "4" for entry in bench.manifest.tables.values()
    )
    steps = _cheapest_first(models)
    return {
        "complexity": [] if has_table else names,
        "improved": [names[0], names[-1]] if several else None,
        "confusion": [names[-1]],
        "reliability": names[-PANELS:],
        "pareto": best if several else None,
        "cascade": steps if several else None,
        "per-class": [names[0], names[-1]] if several else names,
        "agreement": names if several else None,
    }


def _cheapest_first(models: Sequence[_Scored]) -> list[str]:
    """The models that are the most accurate up to their cost, the cheapest first; the two best if there is only one."""
    chosen: list[_Scored] = []
    for model in sorted(models, key=lambda one: (one.macs or 0, -one.top1, one.name)):
        if not chosen or model.top1 > chosen[-1].top1:
            chosen.append(model)
    if len(chosen) < 2:
        chosen = sorted(models[-2:], key=lambda one: (one.macs or 0, one.name))
    return [model.name for model in chosen[-PANELS:]]
