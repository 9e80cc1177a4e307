"""``gsmbench evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.options import (
    INCOMPLETE,
    PATH,
    actions_option,
    data_option,
    format_option,
    print_table,
    print_tables,
    registry,
    say,
    workspace_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gsm_bench.evaluation.epic_file import EpicFileEvaluation
    from gsm_bench.evaluation.ground_truth import GroundTruth, TruthOf
    from gsm_bench.manifest import Manifest
    from gsm_bench.scorefile import ScoreHead
    from gsm_bench.settings import ActionSource
    from gsm_bench.workspace import Workspace

PAIRS = 20


@click.command("evaluate", short_help="Evaluate score files.")
@click.argument("files", nargs=-1, type=PATH)
@click.option(
    "--parts", is_flag=True, help="Verb, noun, action metrics: tail, unseen, precision and recall over many-shot."
)
@click.option("--per-class", is_flag=True, help="Accuracy of each class, in the protocol with most clips.")
@click.option("--confusions", is_flag=True, help="Most frequently confused classes, in the protocol with most clips.")
@click.option(
    "--most", type=click.IntRange(1), metavar="N", help="Confused pairs shown (default: 20; all in csv and json)."
)
@actions_option
@click.option("--offline", type=click.Choice(["epic-55"]), help="Estimate from the labels that EPIC-100 made public.")
@click.option("--split", metavar="NAME", help="With --offline: s1 or s2 (default: the file's).")
@click.option(
    "--annotations",
    type=PATH,
    metavar="DIR",
    help="With --offline: a clone of the EPIC-100 annotations (default: data/epic-100).",
)
@click.option("--definitions", is_flag=True, help="Define every number.")
@data_option
@format_option
@workspace_option
def command(
    files: tuple[Path, ...], parts: bool, per_class: bool, confusions: bool, most: int | None,
    actions: ActionSource | None, offline: str | None, split: str | None, annotations: Path | None, definitions: bool,
    data: Path | None, form: str,
) -> int:  # fmt: skip
    """Top-1, top-5 and mean class accuracy of score files, for every clip protocol that they hold.

    \b
    Example:
      gsmbench evaluate scores/something-v1/validation/inv3_12f.h5
    """
    if definitions:
        from gsm_bench.tables.epic import definitions_table

        print_table(definitions_table(), form)
        return 0
    if not files:
        raise click.UsageError("name score files, e.g.: gsmbench evaluate scores/something-v1/validation/*.h5")
    if (split or annotations) and not offline:
        raise click.UsageError("--split and --annotations belong to --offline epic-55")
    from gsm_bench.evaluation.ground_truth import remember_truth

    workspace, manifest = registry()
    truth_of = remember_truth(lambda head: labelled_truth(head, manifest, workspace, data))
    if offline:
        from gsm_bench.evaluation.epic_file import estimate_epic_file

        dataset = manifest.dataset(offline)
        places = (data or workspace.data / offline, annotations or workspace.data / "epic-100")
        return _print_parts((estimate_epic_file(path, dataset, split, places, actions) for path in files), files, form)
    if parts:
        from gsm_bench.evaluation.epic_file import evaluate_epic_file

        return _print_parts((evaluate_epic_file(path, truth_of, actions) for path in files), files, form)
    most = most or (None if form in ("csv", "json") else PAIRS)
    return _print_results(files, truth_of, actions, form, per_class=per_class, confusions=confusions, most=most)


def _print_results(
    files: tuple[Path, ...], truth_of: TruthOf, actions: ActionSource | None, form: str, *, per_class: bool,
    confusions: bool, most: int | None,
) -> int:  # fmt: skip
    from gsm_bench.evaluation.score_files import evaluate_file, evaluate_file_classes
    from gsm_bench.tables.per_class import confusions_table, per_class_table
    from gsm_bench.tables.results import results_table

    blocks = [evaluate_file(path, truth_of, actions) for path in files]
    tables = [results_table("", blocks, name="evaluate")]
    if per_class or confusions:
        for evaluation in (one for path in files for one in evaluate_file_classes(path, truth_of)):
            tables += [per_class_table(evaluation)] if per_class else []
            tables += [confusions_table(evaluation, most)] if confusions else []
    print_tables(tables, form)
    return INCOMPLETE if any(result.not_scored for block in blocks for result in block) else 0


def _print_parts(evaluations: Iterator[EpicFileEvaluation], files: tuple[Path, ...], form: str) -> int:
    from gsm_bench.tables.epic import epic_table

    if len(files) > 1 and form != "rich":
        raise click.UsageError("one file at a time with --parts and this --format")
    incomplete = False
    for evaluation in evaluations:
        print_table(epic_table(evaluation), form)
        incomplete |= bool(evaluation.not_scored)
    return INCOMPLETE if incomplete else 0


def labelled_truth(head: ScoreHead, manifest: Manifest, workspace: Workspace, data: Path | None) -> GroundTruth:
    """The ground truth of a score file; prints a note for a split without labels."""
    from gsm_bench.evaluation.ground_truth import ground_truth_for

    truth = ground_truth_for(head, manifest, workspace, data)
    if not truth.labels:
        say(f"note: {head.provenance.place} has no labels: accuracies are unknown")
    return truth
