"""Accuracies of score files, ensembles and tables of the paper; comparisons; calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.results import CalibrationResult, ComparisonResult, EvaluationResult, Result
from gsm_bench.api.sources import LabelFinder, NamedSource, short_names
from gsm_bench.ensembles.leaks import find_leaks, refuse_leaks, split_name
from gsm_bench.ensembles.members import OpenMember, common_tasks, open_members, reweighted, shared_out
from gsm_bench.ensembles.spaces import conversions, fusion_space
from gsm_bench.ensembles.write import write_fused
from gsm_bench.errors import LabelError, TaskError
from gsm_bench.evaluation.actions import SOURCE_WORDS, rule_for
from gsm_bench.evaluation.evaluation import Evaluation, evaluate_members
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.scorefile import NOT_SCORED, ScoreFile, open_scores
from gsm_bench.tables.notes import order_notes
from gsm_bench.tables.results import results_table
from gsm_bench.tables.table import Table, with_notes

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench
    from gsm_bench.entries import Published
    from gsm_bench.settings import ActionSource, Space

# Modules of one command alone are imported inside its function, so that the other commands start without them.

PathsOf = Callable[[OpenMember, GroundTruth], Sequence[str]]
"""The path of each video in the rows of a member."""


def evaluate_sources(
    sources: Sequence[NamedSource],
    truth_of: LabelFinder,
    *,
    actions: ActionSource | None = None,
    per_class: bool = False,
    confusions: bool = False,
    most: int | None = None,
) -> EvaluationResult:
    """Score files in every clip protocol that they hold, other sources as they are; see `Bench.evaluate`."""
    from gsm_bench.evaluation.score_files import evaluate_file, evaluate_file_classes
    from gsm_bench.tables.per_class import confusions_table, per_class_table

    blocks: list[list[Evaluation]] = []
    class_by_class: list[Table] = []
    for source in sources:
        if len(source.members) > 1 or source.members[0].clips is not None:
            with open_members(source.members, source.opened) as members:
                truth = truth_of(members[0].head)
                rule = rule_for(members, truth, actions)
                blocks.append([evaluate_members(source.label, members, truth, source.space, actions=rule)[0]])
            continue
        with _opened(source) as (path, file):
            blocks.append(evaluate_file(path, truth_of, actions, file))
            for classes in evaluate_file_classes(path, truth_of, file) if per_class or confusions else ():
                class_by_class += [per_class_table(classes)] if per_class else []
                class_by_class += [confusions_table(classes, most)] if confusions else []
    evaluations = tuple(result for block in blocks for result in block)
    return EvaluationResult(
        (results_table("", blocks, name="evaluate"), *class_by_class), tuple(truth_of.messages),
        complete=not any(result.not_scored for result in evaluations), evaluations=evaluations,
    )  # fmt: skip


def evaluate_parts_of(
    bench: Bench,
    source: NamedSource,
    truth_of: LabelFinder,
    *,
    actions: ActionSource | None = None,
    offline: str | None = None,
    split: str | None = None,
    data: Path | None = None,
    annotations: Path | None = None,
) -> Result:
    """Verb, noun and action metrics of one score file; see `Bench.parts`."""
    from gsm_bench.evaluation.epic_file import estimate_epic_file, evaluate_epic_file
    from gsm_bench.tables.epic import epic_table

    with _opened(source) as (path, _):
        pass
    if offline:
        places = (data or bench.workspace.data / offline, annotations or bench.workspace.data / "epic-100")
        evaluation = estimate_epic_file(path, bench.manifest.dataset(offline), split, places, actions)
    else:
        evaluation = evaluate_epic_file(path, truth_of, actions)
    return Result((epic_table(evaluation),), tuple(truth_of.messages), complete=not evaluation.not_scored)


@contextmanager
def _opened(source: NamedSource) -> Iterator[tuple[Path, ScoreFile]]:
    """The one score file of a source with its path."""
    (member,) = source.members
    if member.path in source.opened:
        yield member.path, source.opened[member.path]
        return
    if member.entry is not None and not member.path.is_file():
        with open_members([member]):  # its error names the command that makes the scores
            pass
    with open_scores(member.path) as file:
        yield member.path, file


def evaluate_ensemble(
    bench: Bench,
    source: NamedSource,
    truth_of: LabelFinder,
    weights: Sequence[float] | None = None,
    space: Space | None = None,
    *,
    actions: ActionSource | None = None,
    published: Published | None = None,
    allow_leak: bool = False,
    out: Path | None = None,
    force: bool = False,
) -> EvaluationResult:
    """Fuse members and evaluate the ensemble beside each of them; see `Bench.ensemble`."""
    space, messages = space or source.space, []
    with open_members(reweighted(source.members, weights), source.opened) as members:
        head = members[0].head
        spaces = {task: fusion_space(members, task, space) for task in common_tasks(members)}
        lines = dict.fromkeys(line for task in spaces for line in conversions(members, task, spaces[task]))
        messages += [f"note: {line}" for line in lines]
        leaks = refuse_leaks(find_leaks(members, bench.manifest), split_name(head), allowed=allow_leak)
        messages += [f"leak: {line}" for line in leaks]
        truth = truth_of(head)
        rule = rule_for(members, truth, actions)
        if rule is not None:
            messages.append(f"note: actions {SOURCE_WORDS[rule.source]} ({rule.why})")
        whole, singles = evaluate_members(source.label, members, truth, space, published, rule)
        if out:
            write_fused(out, source.label, members, spaces, whole, force=force)
            messages.append(f"wrote {bench.workspace.shown(out.absolute())}")
    words = ", ".join(dict.fromkeys(spaces.values())).replace("_", "-")
    table = results_table(f"{source.label}: mean of {words}", [singles, [whole]], name=source.label)
    return EvaluationResult(
        (table,), (*truth_of.messages, *messages), complete=not whole.not_scored, evaluations=(*singles, whole)
    )


def compare_sources(
    sources: Sequence[NamedSource],
    truth_of: LabelFinder,
    *,
    actions: ActionSource | None = None,
    why: bool = False,
    list_videos: bool = False,
    most: int = 10,
    paths_of: PathsOf | None = None,
) -> ComparisonResult:
    """Compare two results video by video; see `Bench.compare`."""
    from gsm_bench.evaluation.compare import Side, compare
    from gsm_bench.tables.comparison import classes_table, difference_table, videos_table
    from gsm_bench.tables.settings_diff import settings_diff_table

    first, second = sources
    labels = short_names([first.label, second.label]) if first.label != second.label else ["first", "second"]
    with open_members([*first.members, *second.members], first.opened | second.opened) as members:
        truth = truth_of(members[0].head)
        parts = members[: len(first.members)], members[len(first.members) :]
        sides = [
            Side(label, shared_out(part), source.space)
            for label, part, source in zip(labels, parts, sources, strict=True)
        ]
        comparison = compare(sides[0], sides[1], truth, actions)
        tables = [with_notes(difference_table(comparison), order_notes(members))]
        if why:
            tables.append(settings_diff_table(comparison))
        if truth.labels:
            tables.append(videos_table(comparison) if list_videos else classes_table(comparison, most))
        return ComparisonResult(
            tuple(tables), tuple(truth_of.messages), complete=not _incomplete(members), comparison=comparison,
            paths=paths_of(members[0], truth) if paths_of else (),
        )  # fmt: skip


def calibrate_sources(
    sources: Sequence[NamedSource],
    truth_of: LabelFinder,
    space: Space | None = None,
    *,
    bins: int = 15,
    folds: int = 5,
    reliability: bool = True,
) -> CalibrationResult:
    """Calibration errors of results, as they are and scaled by a temperature; see `Bench.calibrate`."""
    from gsm_bench.evaluation.calibrate import Calibrated, calibrate
    from gsm_bench.tables.calibration import calibration_table, reliability_table

    results: list[Calibrated] = []
    notes: dict[str, None] = {}
    for source, label in zip(sources, short_names([source.label for source in sources]), strict=True):
        with open_members(source.members, source.opened) as members:
            truth = truth_of(members[0].head)
            notes |= dict.fromkeys(order_notes(members))
            results += calibrate(label, members, truth, space or source.space, bins=bins, folds=folds)
    if not results:
        raise LabelError("no video has a label and a score", fix="give a labelled list: --data DIR")
    tables = [with_notes(calibration_table(results, folds), notes)]
    if reliability:
        tables.append(reliability_table(results))
    return CalibrationResult(tuple(tables), tuple(truth_of.messages), calibrations=tuple(results))


def fill_table(
    bench: Bench,
    number: str,
    truth_of: LabelFinder,
    *,
    dataset: str | None = None,
    split: str | None = None,
    partial: bool = False,
    data: Path | None = None,
    annotations: Path | None = None,
) -> EvaluationResult | Result:
    """A table of the paper from score files; see `Bench.table`."""
    from gsm_bench.evaluation.epic_paper import evaluate_epic_paper
    from gsm_bench.evaluation.paper import evaluate_paper_table
    from gsm_bench.tables.epic_paper import epic_paper_table
    from gsm_bench.tables.paper import paper_table

    workspace, manifest = bench.workspace, bench.manifest
    entry = manifest.table(number, dataset)
    if entry.form == "verb-noun-action":
        if split or dataset not in (None, entry.dataset):
            raise TaskError(
                f"table {number} covers {entry.dataset} {' and '.join(entry.splits)}",
                fix="no --dataset and no --split",
            )
        folder = workspace.data / manifest.dataset(entry.dataset).folder
        places = (data or folder, annotations or workspace.data / "epic-100")
        epic = evaluate_epic_paper(entry, manifest, workspace, places, partial=partial)
        return Result((epic_paper_table(epic),), tuple(truth_of.messages), complete=not epic.incomplete)
    evaluation = evaluate_paper_table(
        entry, manifest, workspace, truth_of, dataset=dataset, split=split, partial=partial
    )
    return EvaluationResult(
        (paper_table(evaluation),), tuple(truth_of.messages),
        complete=not any(result.not_scored for result in evaluation.results), evaluations=tuple(evaluation.results),
    )  # fmt: skip


def _incomplete(members: Sequence[OpenMember]) -> bool:
    return any(bool((member.status == NOT_SCORED).any()) for member in members)
