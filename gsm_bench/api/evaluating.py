"""Accuracies of score files, class by class and by parts of EPIC-KITCHENS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.results import EvaluationResult, Result
from gsm_bench.api.sources import LabelFinder, NamedSource
from gsm_bench.ensembles.members import open_members
from gsm_bench.evaluation.actions import rule_for
from gsm_bench.evaluation.evaluation import Evaluation, evaluate_members
from gsm_bench.evaluation.per_class import ClassEvaluation
from gsm_bench.evaluation.reproduction import verdict_messages
from gsm_bench.evaluation.score_files import evaluate_file, evaluate_file_classes, evaluate_member_classes
from gsm_bench.evaluation.split_mean import split_means
from gsm_bench.scorefile import ScoreFile, open_scores
from gsm_bench.tables.notes import some_of
from gsm_bench.tables.per_class import confusions_table, per_class_table
from gsm_bench.tables.results import results_table
from gsm_bench.tables.split_mean import split_mean_table
from gsm_bench.tables.table import Table

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace
    from gsm_bench.settings import ActionSource


def evaluate_sources(
    sources: Sequence[NamedSource],
    truth_of: LabelFinder,
    *,
    actions: ActionSource | None = None,
    per_class: bool = False,
    confusions: bool = False,
    most: int | None = None,
    mean_over_splits: bool = False,
) -> EvaluationResult:
    """Score files in every clip protocol that they hold, other sources as they are; see `Bench.evaluate`."""
    blocks: list[list[Evaluation]] = []
    class_by_class: list[Table] = []
    for source in sources:
        if len(source.members) > 1 or source.members[0].clips is not None:
            with open_members(source.members, source.opened) as members:
                truth = truth_of.members(members)
                rule = rule_for(members, truth, actions)
                blocks.append([evaluate_members(source.label, members, truth, source.space, actions=rule)[0]])
            continue
        with _opened(source) as (path, file):
            blocks.append(evaluate_file(path, truth_of, actions, file))
            for classes in evaluate_file_classes(path, truth_of, file) if per_class or confusions else ():
                class_by_class += [per_class_table(classes)] if per_class else []
                class_by_class += [confusions_table(classes, most)] if confusions else []
    evaluations = tuple(result for block in blocks for result in block)
    means, warnings = split_means(evaluations) if mean_over_splits else ([], [])
    converted = tuple(dict.fromkeys(note for source in sources for note in source.notes))
    notes = (*checksum_notes(evaluations), *warnings_of(evaluations), *verdicts_of(evaluations), *warnings)
    mean_tables = [split_mean_table(means)] if means else []
    return EvaluationResult(
        (results_table("", blocks, name="evaluate"), *mean_tables, *class_by_class),
        (*converted, *truth_of.messages, *notes), complete=not any(result.not_scored for result in evaluations),
        evaluations=evaluations, means=tuple(means),
    )  # fmt: skip


def evaluate_parts_of(
    bench: OpenWorkspace,
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

    with _opened(source) as (_, file):
        if offline:
            places = (data or bench.workspace.data / offline, annotations or bench.workspace.data / "epic-100")
            evaluation = estimate_epic_file(file, bench.manifest.dataset(offline), split, places, actions)
        else:
            evaluation = evaluate_epic_file(file, truth_of, actions)
    messages = (*source.notes, *truth_of.messages)
    return Result((epic_table(evaluation),), messages, complete=not evaluation.not_scored)


def warnings_of(evaluations: Iterable[Evaluation]) -> list[str]:
    """Warnings about labels that hardly belong to the scores of some results."""
    return [f"warning: {result.label}: {text}" for result in evaluations for text in result.warnings]


def checksum_notes(evaluations: Iterable[Evaluation]) -> list[str]:
    """Which score files of some results have no checksums."""
    names = dict.fromkeys(file.path.name for result in evaluations for file in result.files if file.unchecked)
    if not names:
        return []
    return [f"note: no checksums in {some_of(list(names))}: damage of these scores could not be seen"]


def verdicts_of(evaluations: Iterable[Evaluation]) -> list[str]:
    """Whether measured accuracies are the published ones, in plain words."""
    return verdict_messages([(result.label, result.reproduction) for result in evaluations])


def evaluate_classes_of(source: NamedSource, truth_of: LabelFinder) -> list[ClassEvaluation]:
    """A source class by class, one per task; a score file in the protocol with most clips."""
    if len(source.members) == 1 and source.members[0].clips is None:
        with _opened(source) as (path, file):
            return list(evaluate_file_classes(path, truth_of, file))
    with open_members(source.members, source.opened) as members:
        return list(evaluate_member_classes(source.label, members, truth_of.members(members), source.space))


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
