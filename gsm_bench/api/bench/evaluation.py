"""What score files and ensembles are worth, alone and compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gsm_bench.api.bench.workspace import OpenWorkspace, Place, path_of

if TYPE_CHECKING:
    import pandas

    from gsm_bench.api.results import CalibrationResult, ComparisonResult, EvaluationResult, Result
    from gsm_bench.api.sources import Source
    from gsm_bench.settings import ActionSource, Space


class EvaluationMethods(OpenWorkspace):
    """Accuracies, calibration and predictions of score files and ensembles."""

    def evaluate(
        self,
        *names: Source,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
        actions: ActionSource | None = None,
        per_class: bool = False,
        confusions: bool = False,
        most: int | None = None,
        mean_over_splits: bool = False,
    ) -> EvaluationResult:
        """Top-1, top-5 and mean class accuracy; score files in every clip protocol that they hold.

        Args:
            names: models, score files, ensembles.
            data: directory with the list and labels.
            actions: where actions of verbs and nouns come from.
            per_class, confusions: tables of classes; at most `most` pairs of classes.
            mean_over_splits: the score files are one per split of a data set, such as UCF101; a table has their mean.
        """
        from gsm_bench.api.evaluating import evaluate_sources

        sources = self._sources(names, dataset, split, data)
        return evaluate_sources(
            sources, self.labels(data), actions=actions, per_class=per_class, confusions=confusions, most=most,
            mean_over_splits=mean_over_splits,
        )  # fmt: skip

    def parts(
        self,
        name: Source,
        *,
        actions: ActionSource | None = None,
        offline: str | None = None,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
        annotations: Place | None = None,
    ) -> Result:
        """Verb, noun and action metrics: tail classes, unseen participants, precision and recall over many-shot.

        Args:
            offline: ``epic-55`` estimates them from the labels that EPIC-100 made public.
            split: ``s1`` or ``s2``, with `offline`; that of the scores if None.
            annotations: a clone of the EPIC-100 annotations, with `offline`.
        """
        from gsm_bench.api.evaluating import evaluate_parts_of
        from gsm_bench.api.sources import resolve_source

        source = resolve_source(name, self.manifest, self.workspace, dataset, None if offline else split)
        (source,) = self._with_server_files([source], dataset, split, data)
        places = [path_of(place) for place in (data, annotations)]
        return evaluate_parts_of(
            self, source, self.labels(data), actions=actions, offline=offline, split=split, data=places[0],
            annotations=places[1],
        )  # fmt: skip

    def ensemble(
        self,
        name: Source,
        weights: Sequence[float] | None = None,
        space: Space | None = None,
        *,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
        actions: ActionSource | None = None,
        allow_leak: bool = False,
        out: Place | None = None,
        force: bool = False,
        title: str | None = None,
    ) -> EvaluationResult:
        """Fuse models and evaluate the ensemble beside its members.

        Args:
            name: an ensemble of the registry, or its members: a list, or names between commas.
            weights: one per member, divided by their sum.
            space: what is averaged; that of the entry or of the scores if None.
            title: of the ensemble in tables; its name if None.
            out: score file to write the fused scores to; an existing one needs `force`.
            allow_leak: go on with members that were trained on videos of this split.
        """
        from gsm_bench.api.fusing import evaluate_ensemble

        source = self.source(name, dataset, split, data)
        source = replace(source, label=title or source.label)
        published = None
        if isinstance(name, str) and name in self.manifest.ensembles and not (dataset or split or weights or space):
            published = next(iter(self.manifest.ensemble(name).published), None)
        return evaluate_ensemble(
            self, source, self.labels(data), weights, space, actions=actions, published=published,
            allow_leak=allow_leak, out=path_of(out), force=force,
        )  # fmt: skip

    def explain(
        self,
        name: Source,
        weights: Sequence[float] | None = None,
        space: Space | None = None,
        *,
        dataset: str | None = None,
        split: str | None = None,
        title: str | None = None,
    ) -> str:
        """What an ensemble averages, in words: members, views, frame numbers, formula. Needs no scores."""
        from gsm_bench.ensembles.explain import explain_ensemble
        from gsm_bench.ensembles.members import reweighted

        source = self.source(name, dataset, split)
        members = reweighted(source.members, weights)
        return explain_ensemble(title or source.label, members, space or source.space, source.opened)

    def compare(
        self,
        first: Source,
        second: Source,
        *,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
        actions: ActionSource | None = None,
        why: bool = False,
        most: int = 10,
        list_videos: bool = False,
        power: bool = False,
        points: float | None = None,
        paths: bool = False,
    ) -> ComparisonResult:
        """Compare two results video by video: the difference, its interval and exact test, the classes that flip.

        Args:
            why: a table of the settings in which they differ.
            most: pairs of classes per side.
            list_videos: a table of the videos instead of the classes.
            power: a table of the differences that so many videos can show; with `points`, also of that difference.
            paths: know where the frames of each video are; see `ComparisonResult.videos`.
        """
        from gsm_bench.api.comparing import compare_sources

        sources = self._sources((first, second), dataset, split, data, together=True)
        return compare_sources(
            sources, self.labels(data), actions=actions, why=why, list_videos=list_videos, most=most,
            power=power, points=points,
            workspace=self.workspace if paths else None,
        )  # fmt: skip

    def calibrate(
        self,
        *names: Source,
        space: Space | None = None,
        bins: int = 15,
        folds: int = 5,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
        reliability: bool = True,
    ) -> CalibrationResult:
        """Calibration errors, as they are and scaled by a temperature that was fitted on other folds."""
        from gsm_bench.api.comparing import calibrate_sources

        sources = self._sources(names, dataset, split)
        return calibrate_sources(sources, self.labels(data), space, bins=bins, folds=folds, reliability=reliability)

    def per_video(
        self,
        *names: Source,
        task: str | None = None,
        k: int = 5,
        paths: bool = False,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
    ) -> pandas.DataFrame:
        """A row per video and model.

        Columns: ``model``, ``id``, ``label``, ``rank`` of the label from 1 (missing without a label or a score),
        ``top1`` to ``top5`` and their probabilities ``p1`` to ``p5``; ``path`` with `paths`. Names are categorical.
        """
        from gsm_bench.api.per_video import per_video_frame

        sources = self._sources(names, dataset, split)
        return per_video_frame(sources, self.labels(data), self.workspace, task, k, paths)
