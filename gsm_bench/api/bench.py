"""`Bench`: a workspace with its registry, the one object that is handed around."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsm_bench.manifest import load_manifest
from gsm_bench.workspace import Workspace

if TYPE_CHECKING:
    import pandas

    from gsm_bench.api.diagnosing import DiagnosisResult, LabelErrorsResult, ProbeResult
    from gsm_bench.api.results import (
        CalibrationResult,
        ComparisonResult,
        EvaluationResult,
        FileCheckResult,
        Result,
        SearchTables,
        SimulationTables,
        SubmissionResult,
        VerdictResult,
    )
    from gsm_bench.api.sources import LabelFinder, NamedSource, Source
    from gsm_bench.figures.style import Plot
    from gsm_bench.report.content import ReportContent
    from gsm_bench.scorefile import ScoreFile
    from gsm_bench.selection.subsets import Progress
    from gsm_bench.settings import ActionSource, FigureKind, Metric, Rule, SearchMethod, Space, Theme
    from gsm_bench.trust.canary import CanaryCheck

Place = str | Path


class Bench:
    """A workspace and its registry.

    Every method returns what the command of the same name prints; numbers are equal to the last bit. Names are those of
    the command line: models, ensembles, score files, ``inv3_8f@2`` for two clips. Score files may be given open, too.

    Args:
        workspace: a directory; $GSMBENCH_HOME, else the current directory if None.

    Attributes:
        workspace: the directory and the places in it.
        manifest: all entries of the registry.
    """

    def __init__(self, workspace: Place | None = None) -> None:
        self.workspace = Workspace.locate(workspace)
        self.manifest = load_manifest(self.workspace)

    def __repr__(self) -> str:
        return f"Bench({str(self.workspace.root)!r})"

    def models(self) -> pandas.DataFrame:
        """A row per model, with ``scored``: whether the score file of its own split is there."""
        from gsm_bench.api.registry import models_frame

        return models_frame(self.manifest, self.workspace)

    def datasets(self) -> pandas.DataFrame:
        """A row per split of each data set, with ``here``: whether its list is in the workspace."""
        from gsm_bench.api.registry import datasets_frame

        return datasets_frame(self.manifest, self.workspace)

    def ensembles(self) -> pandas.DataFrame:
        """A row per member of each ensemble."""
        from gsm_bench.api.registry import ensembles_frame

        return ensembles_frame(self.manifest)

    def cite(self, *names: str) -> str:
        """BibTeX of the papers of models, of the members of ensembles, and of this tool."""
        from gsm_bench.api.citing import references

        return references(names, self.manifest, self.workspace)[0]

    def scores(self, name: Place, *, dataset: str | None = None, split: str | None = None) -> ScoreFile:
        """The score file of a model, or of a path; it is open until it is deleted.

        Raises:
            MissingScoresError: with the command that makes it.
        """
        from gsm_bench.ensembles.members import open_members
        from gsm_bench.errors import AlignmentError
        from gsm_bench.scorefile import ScoreFile

        source = self.source(name, dataset, split)
        if len(source.members) != 1:
            raise AlignmentError(f"{name} has {len(source.members)} members", fix="name one model or one score file")
        (member,) = source.members
        if member.path in source.opened:
            return source.opened[member.path]
        if member.entry is not None and not member.path.is_file():
            with open_members([member]):
                pass
        return ScoreFile.open(member.path)

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
        places = [None if place is None else Path(place) for place in (data, annotations)]
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
            allow_leak=allow_leak, out=None if out is None else Path(out), force=force,
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

    def table(
        self,
        number: str | int | None = None,
        *,
        rows: Sequence[str] = (),
        with_paper: str | int | None = None,
        columns: Sequence[str] = (),
        sort: str = "",
        side_by_side: bool = False,
        dataset: str | None = None,
        split: str | None = None,
        data: Place | None = None,
        annotations: Place | None = None,
        partial: bool = False,
    ) -> Result:
        """A table of the paper, or your own, from score files; with neither number nor rows, what tables there are.

        Args:
            number: a table of the paper, or the name of your own in tables.toml.
            rows: models, ensembles and score files, as further rows or alone.
            with_paper: a table of the paper whose printed rows stand above the others.
            columns: shown columns by name; sort: the column that rows are sorted by.
            side_by_side: one row per model, with columns for each split.
            partial: rows without scores stay empty.
        """
        from gsm_bench.api.paper_tables import TableLayout, fill_table

        layout = TableLayout(tuple(columns), sort, "" if with_paper is None else str(with_paper), side_by_side)
        return fill_table(
            self, None if number is None else str(number), self.labels(data), rows=rows, layout=layout,
            dataset=dataset, split=split, partial=partial,
            data=None if data is None else Path(data), annotations=None if annotations is None else Path(annotations),
        )  # fmt: skip

    def figure(
        self, kind: FigureKind, *names: str, out: Place | None = None, width_in: float | None = None,
        theme: Theme = "light", title: str | None = None, force: bool = False, **request: Any,
    ) -> Plot:  # fmt: skip
        """A figure from score files; needs matplotlib.

        Args:
            names: what the kind takes: models, ensembles, score files, the pool of a search.
            out: file to write: pdf, svg or png; an existing one needs `force`.
            width_in, theme, title: as of `FigureStyle`.
            request: as of `FigureRequest`: table, dataset, split, data, task, block, most.
        """
        from gsm_bench.api.figures import FigureRequest, make_figure
        from gsm_bench.figures.style import FigureStyle

        plot = make_figure(self, kind, FigureRequest(names, **request), FigureStyle(width_in, theme, title))
        if out is not None:
            plot.save(Path(out), force=force)
        return plot

    def report(
        self, *names: str, dataset: str | None = None, split: str | None = None, data: Place | None = None,
        title: str | None = None, out: Place | None = None, force: bool = False, thumbnails: int = 1000,
        all_clips: bool = False, progress: Progress = lambda done, total: None,
    ) -> ReportContent:  # fmt: skip
        """Everything that a report shows; with `out`, also written as one HTML file.

        Args:
            names: models, ensembles, score files; all of the workspace if there are none.
            out: file to write; an existing one needs `force`.
            thumbnails: most videos whose frames the page holds.
            all_clips: write the frames of all other videos into a folder beside the page.
            progress: is called with the videos whose frames are read, and their total.
        """
        from gsm_bench.api.report import gather_report
        from gsm_bench.api.report_frames import FrameSettings
        from gsm_bench.report.page import refuse_existing, write_page
        from gsm_bench.report.sections import report_html

        frames = FrameSettings(videos=thumbnails, force=force, progress=progress)
        if out is not None:
            refuse_existing(Path(out), force=force)
            frames = frames.beside(Path(out)) if all_clips else frames
        content = gather_report(
            self, names, dataset=dataset, split=split, data=None if data is None else Path(data), frames=frames
        )
        content = replace(content, title=title or content.title)
        if out is not None:
            write_page(Path(out), report_html(content), force=force)
        return content

    def diagnose(
        self, model: str | None = None, *, scores: Source | None = None, videos: int = 300, seed: int = 0,
        task: str | None = None, data: Place | None = None, most: int | None = None,
        progress: Callable[[int, int], None] | None = None, step: Callable[[str], None] | None = None, **options: Any,
    ) -> DiagnosisResult:  # fmt: skip
        """Why a model or a score file is less accurate than it should be; labels are needed.

        Args:
            model: of the registry; its frames and network are tried with other settings, which needs torch.
            scores: a score file or a model's scores instead: labels and kinds alone, without a network.
            videos: how many are tried, chosen at random by `seed`; 0 for all. Score files are used whole.
            task: whose labels are used; the first with labels if None.
            most: rows of what was tried in the second table.
            progress: called with the videos whose frames are read, and all; step with what is being tried.
            options: as of `score`, with `model`: dataset, split, frames, device, workers, ..
        """
        from gsm_bench.api.diagnosing import diagnose_model_of, diagnose_scores_of
        from gsm_bench.errors import GsmBenchError

        if (model is None) == (scores is None):
            raise GsmBenchError("diagnose one of model and scores", fix="Bench.diagnose('inv3_8f'), or scores='x.h5'")
        if scores is not None:
            if options:
                raise GsmBenchError(f"scores take no option {min(options)!r}", fix="options belong to a model")
            return diagnose_scores_of(self.source(scores), self.labels(data), task, most)
        options |= {} if data is None else {"data": data}
        return diagnose_model_of(self, str(model), videos, seed, task, options, progress, step, most)

    def probe(
        self, model: str, *, videos: int = 300, seed: int = 0, task: str | None = None,
        progress: Callable[[int, int], None] | None = None, **options: Any,
    ) -> ProbeResult:  # fmt: skip
        """What of a model depends on time: frames reversed, shuffled, one alone, the first half; needs torch and labels.

        Args:
            videos: how many are shown, chosen at random by `seed`; 0 for all.
            options: as of `score`: dataset, split, data, frames, device, workers, ..
        """
        from gsm_bench.api.diagnosing import probe_model_of

        return probe_model_of(self, model, videos, seed, task, options, progress)

    def doctor(self) -> Result:
        """What is installed here and on which machine: the block of ``gsmbench doctor``, a row per line. Needs no torch."""
        from gsm_bench.api.results import Result
        from gsm_bench.trust.environment import environment_table, examine_environment

        return Result((environment_table(examine_environment(self.workspace)),))

    def check_canary(self, model: str, **options: Any) -> CanaryCheck:
        """Whether network, weights, frames and preprocessing are those of the model's canary; needs torch.

        Args:
            options: as of `score`: dataset, split, data, frames, device, workers, ..
        """
        from gsm_bench.api.diagnosing import check_canary_of

        return check_canary_of(self, model, options)

    def label_errors(
        self, *names: Source, task: str | None = None, most: int | None = None, dataset: str | None = None,
        split: str | None = None, data: Place | None = None,
    ) -> LabelErrorsResult:  # fmt: skip
        """Videos on which all strong results agree against the label, the likeliest label errors first."""
        from gsm_bench.api.diagnosing import label_errors_of

        return label_errors_of(self._sources(names, dataset, split), self.labels(data), task, most)

    def audit(self, *names: Place, videos: int | None = None) -> Result:
        """What does not add up in tables: a row per fault, none for tables that are consistent.

        Args:
            names: .csv, .json, .md and .tex files; or tables of the registry by name, ``paper`` for all of the paper.
            videos: number of videos that the accuracies are over, if the tables do not say.
        """
        from gsm_bench.api.paper_tables import audit_tables

        return audit_tables(self, [str(name) for name in names], videos)

    def check(self, path: Place, *, data: Place | None = None) -> VerdictResult | FileCheckResult:
        """Compare a score file with its checksums, or judge an EPIC-KITCHENS zip or JSON as its server would.

        Args:
            data: directory with the annotations.

        Returns:
            True for a sound score file, and for a submission that the server would take.

        Raises:
            ScoreFileError: the score file is damaged.
        """
        from gsm_bench.api.checking import check_any

        return check_any(Path(path), self.manifest, self.workspace, None if data is None else Path(data))

    def submit(
        self,
        target: str,
        *,
        model: str | None = None,
        ensemble: str | None = None,
        scores: Place | None = None,
        split: str | None = None,
        levels: Mapping[str, int] | None = None,
        space: Space | None = None,
        allow_leak: bool = False,
        data: Place | None = None,
        out: Place | None = None,
        force: bool = False,
    ) -> SubmissionResult:
        """Write a submission for an EPIC-KITCHENS server, read it back and check it.

        Args:
            target: ``epic-55`` or ``epic-100``.
            model, ensemble, scores: the source, one of them; the only score file of the split if all are None.
            split: ``s1`` or ``s2`` of EPIC-KITCHENS-55.
            levels: supervision levels of EPIC-KITCHENS-100: sls_pt, sls_tl and sls_td, 0 to 5.
        """
        from gsm_bench.api.submitting import submit
        from gsm_bench.submit.source import SubmissionSource

        source = SubmissionSource(model, ensemble, None if scores is None else Path(scores))
        return submit(
            target, source, split, levels or {}, self.manifest, self.workspace, space=space, allow_leak=allow_leak,
            data=None if data is None else Path(data), out=None if out is None else Path(out), force=force,
        )  # fmt: skip

    def score(self, model: str, **options: Any) -> ScoreFile:
        """Score a split with a model and return its score file; needs torch.

        Args:
            options: as of ``gsmbench score``: dataset, split, data, clips, crops, device, limit, ..

        Raises:
            NetworkError: torch is not installed.
        """
        from gsm_bench.api.scoring import score_model

        return score_model(self, model, options)

    def trust(self, *models: str) -> list[Path]:
        """Allow the code of these models to run until one of its files changes, as ``gsmbench trust allow`` does.

        Code can do whatever you can: allow only what you have read, or whose author you trust.

        Returns:
            The files of the workspace that may run now and could not before.
        """
        from gsm_bench.permissions import allow, missing_permissions

        missing = missing_permissions([self.manifest.model(name) for name in models], self.workspace.root)
        for code in missing.values():
            allow(code)
        return [self.workspace.root / file for code in missing.values() for file in code.sources]

    def source(
        self, name: Source, dataset: str | None = None, split: str | None = None, data: Place | None = None
    ) -> NamedSource:
        """The members that a name stands for; those that are servers' files are open, by the annotations in `data`."""
        from gsm_bench.api.sources import resolve_source

        source = resolve_source(name, self.manifest, self.workspace, dataset, split)
        return self._with_server_files([source], dataset, split, data)[0]

    def _with_server_files(
        self, sources: list[NamedSource], dataset: str | None, split: str | None, data: Place | None
    ) -> list[NamedSource]:
        """The sources with all servers' files open; this costs nothing where there are none."""
        from gsm_bench.ensembles.members import SERVER_SUFFIXES

        if not any(member.path.suffix in SERVER_SUFFIXES for source in sources for member in source.members):
            return sources
        from gsm_bench.api.server_files import ListPlaces, with_server_files

        places = ListPlaces(self.manifest, self.workspace, dataset, split, None if data is None else Path(data))
        return with_server_files(sources, places)

    def _sources(
        self, names: Sequence[Source], dataset: str | None, split: str | None, data: Place | None = None,
        *, together: bool = False,
    ) -> list[NamedSource]:  # fmt: skip
        """The sources; `together` where servers' files among them are compared with each other."""
        from gsm_bench.api.sources import file_source, resolve_source
        from gsm_bench.errors import GsmBenchError
        from gsm_bench.scorefile import ScoreFile

        if not names:
            raise GsmBenchError("no result is named", fix="give the names of models, ensembles or score files")
        sources = [
            file_source(name, number)
            if isinstance(name, ScoreFile)
            else resolve_source(name, self.manifest, self.workspace, dataset, split)
            for number, name in enumerate(names, start=1)
        ]
        if together:
            return self._with_server_files(sources, dataset, split, data)
        return [self._with_server_files([source], dataset, split, data)[0] for source in sources]

    def labels(self, data: Place | None = None) -> LabelFinder:
        """A function that gives the ground truth of a score file, read once for files of the same videos."""
        from gsm_bench.api.sources import LabelFinder

        return LabelFinder(self.manifest, self.workspace, data)
