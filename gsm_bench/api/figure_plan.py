"""Which figures can be made from the score files of a workspace, and what the others need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsm_bench.api.clip_figures import missing_frames
from gsm_bench.api.feature_figures import has_features
from gsm_bench.api.figure_request import FigureRequest
from gsm_bench.api.figures import RULES
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.class_groups import MOST_CLASSES
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.api.bench.results import WorkspaceResults
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


def scored_places(bench: WorkspaceResults) -> list[tuple[str, str]]:
    """Data set and split of each directory of the workspace that holds scores of a registered model."""
    places = sorted(
        {path.parent for path in bench.workspace.scores.glob("*/*/*.h5") if path.stem in bench.manifest.models}
    )
    return [(place.parent.name, place.name) for place in places if place.parent.name in bench.manifest.datasets]


def plan_figures(bench: WorkspaceResults, dataset: str, split: str, data: Path | None = None) -> list[PlannedFigure]:
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
    by_accuracy = [model.name for model in models]
    plan = _SplitFigures(bench, dataset, split, data)
    return [*of_scores, plan.tsne(by_accuracy), plan.frames(by_accuracy), plan.saliency(by_accuracy)]


@dataclass(frozen=True)
class _SplitFigures:
    """A split, and the figures that need more than score files; models are given from the least to the most accurate."""

    bench: WorkspaceResults
    dataset: str
    split: str
    data: Path | None

    def tsne(self, names: Sequence[str]) -> PlannedFigure:
        """The least and the most accurate of the models that have features."""
        have = [name for name in names if has_features(self.bench, name, self.dataset, self.split)]
        if not have:
            return self._lacks("tsne", f"features: gsmbench{self.bench.workspace.option} features --model {names[-1]}")
        ends = tuple(dict.fromkeys((have[0], have[-1])))
        entry = self.bench.manifest.dataset(self.dataset)
        few = [task for task, classes in entry.tasks.items() if 0 < classes <= MOST_CLASSES]
        if not few and not entry.class_groups:
            return self._lacks("tsne", f"groups of classes: gsmbench figure tsne {' '.join(ends)} --groups FILE.toml")
        task = few[0] if few and "action" not in few and not entry.class_groups else None
        return self._of("tsne", ends, task=task)

    def frames(self, names: Sequence[str]) -> PlannedFigure:
        """The ensemble with the most frames of models of this data set, else the most accurate model."""
        sizes = {
            entry.name: sum(self.bench.manifest.model(one.model).frames * one.clips for one in entry.members)
            for entry in self.bench.manifest.ensembles.values()
            if all(self.bench.manifest.model(one.model).dataset == self.dataset for one in entry.members)
        }
        name = max(sizes, key=lambda one: (sizes[one], one)) if sizes else names[-1]
        planned = self._of("frames", (name,))
        assert planned.request is not None
        missing = missing_frames(self.bench, planned.request)
        return self._lacks("frames", missing) if missing else planned

    def saliency(self, names: Sequence[str]) -> PlannedFigure:
        """The least accurate model and the most accurate one of as many frames, on a video that only the second has right."""
        frames = {name: self.bench.manifest.model(name).frames for name in names}
        chosen = tuple(dict.fromkeys((names[0], [name for name in names if frames[name] == frames[names[0]]][-1])))
        missing = self._missing_network(chosen) or missing_frames(self.bench, FigureRequest(chosen, **self._where))
        if missing:
            return self._lacks("saliency", missing)
        return self._of("saliency", chosen, ids=(self._telling_video(chosen),))

    @property
    def _where(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "split": self.split, "data": self.data}

    def _missing_network(self, names: Sequence[str]) -> str:
        """What a network of these models lacks to run; empty if nothing."""
        if find_spec("torch") is None:
            return "torch: pip install 'gsm-bench[score]'"
        for name in names:
            if not self.bench.workspace.checkpoint_path(self.bench.manifest.model(name).checkpoint.file).is_file():
                return f"the checkpoint of {name}: gsmbench models show {name} says where it is"
        return ""

    def _telling_video(self, names: Sequence[str]) -> str:
        """The first video that the last model has right and the first one does not; else the first video."""
        first, last = (self.bench.per_video(name, **self._where) for name in (names[0], names[-1]))
        telling = (last["rank"] == 1).to_numpy() & (first["rank"] != 1).to_numpy()
        return str(first["id"].iloc[int(telling.argmax())])

    def _of(self, kind: str, names: Sequence[str], ids: Sequence[str] = (), task: str | None = None) -> PlannedFigure:
        return PlannedFigure(kind, FigureRequest(tuple(names), ids=ids, task=task, **self._where))

    def _lacks(self, kind: str, missing: str) -> PlannedFigure:
        return PlannedFigure(kind, None, missing)


def _planned(
    bench: WorkspaceResults, kind: str, names: Sequence[str] | None, dataset: str, split: str, data: Path | None
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


def _names_by_kind(bench: WorkspaceResults, dataset: str, models: Sequence[_Scored]) -> dict[str, Sequence[str] | None]:
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
