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
    from gsm_bench.evaluation.ground_truth import GroundTruth
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
@click.option("--per-class", is_flag=True, help="The accuracy of each class, of the protocol with most clips.")
@click.option("--confusions", is_flag=True, help="Which classes are taken for which, of that protocol.")
@click.option(
    "--most", type=click.IntRange(1), metavar="N", help="Pairs of classes listed (default: 20; all in csv and json)."
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
@click.option("--definitions", is_flag=True, help="Say what every number means.")
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
    if parts or offline:
        return _evaluate_parts(files, actions, split, annotations, offline, data, form)
    from gsm_bench.tables.protocols import class_tables, evaluate_file
    from gsm_bench.tables.results import results_table

    workspace, manifest = registry()

    known: list[tuple[ScoreHead, GroundTruth]] = []

    def truth_of(head: ScoreHead) -> GroundTruth:
        """Read once for files of the same clips."""
        for other, truth in known:
            if other.ids == head.ids and _same_clips(other, head):
                return truth
        known.append((head, found_truth(head, manifest, workspace, data)))
        return known[-1][1]

    blocks = [evaluate_file(path, truth_of, actions) for path in files]
    tables = [results_table("", blocks, name="evaluate")]
    if per_class or confusions:
        most = most or (None if form in ("csv", "json") else PAIRS)
        tables += [table for path in files for table in class_tables(path, truth_of, per_class, confusions, most)]
    print_tables(tables, form)
    return INCOMPLETE if any(result.bad for block in blocks for result in block) else 0


def _same_clips(head: ScoreHead, other: ScoreHead) -> bool:
    """Whether all that labels are found by is the same."""
    places = [(one.provenance.place, one.provenance.list_path) for one in (head, other)]
    unlabelled = not head.labels and not other.labels
    return places[0] == places[1] and unlabelled and head.class_names == other.class_names and head.order == other.order


def _evaluate_parts(
    files: tuple[Path, ...], actions: ActionSource | None, split: str | None, annotations: Path | None,
    offline: str | None, data: Path | None, form: str,
) -> int:  # fmt: skip
    from gsm_bench.tables.epic import estimate_table, parts_table

    if len(files) > 1 and form != "rich":
        raise click.UsageError("one file at a time with --parts and this --format")
    workspace, manifest = registry()
    incomplete = False
    for path in files:
        if offline:
            places = (data or workspace.data / offline, annotations or workspace.data / "epic-100")
            table, bad = estimate_table(path, manifest.dataset(offline), split, places, actions)
        else:
            table, bad = parts_table(path, lambda head: found_truth(head, manifest, workspace, data), actions)
        print_table(table, form)
        incomplete |= bool(bad)
    return INCOMPLETE if incomplete else 0


def found_truth(head: ScoreHead, manifest: Manifest, workspace: Workspace, data: Path | None) -> GroundTruth:
    """What is known of a score file's clips; for a split without labels, none, and it is said."""
    from gsm_bench.evaluation.ground_truth import ground_truth_for

    truth = ground_truth_for(head, manifest, workspace, data)
    if not truth.labels:
        say(f"note: {head.provenance.place} has no labels, so no accuracy can be given")
    return truth
