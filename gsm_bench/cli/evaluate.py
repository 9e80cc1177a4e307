"""``gsmbench evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.options import (
    PATH,
    actions_option,
    bench,
    data_option,
    format_option,
    mark_option,
    out_option,
    print_result,
    print_table,
    workspace_option,
)

if TYPE_CHECKING:
    from gsm_bench.settings import ActionSource, Mark

PAIRS = 20


@click.command("evaluate", short_help="Evaluate score files.")
@click.argument("files", nargs=-1, type=PATH)
@click.option(
    "--parts", is_flag=True, help="Verb, noun, action metrics: tail, unseen, precision and recall over many-shot."
)
@click.option("--per-class", is_flag=True, help="Accuracy of each class, in the protocol with most clips.")
@click.option("--confusions", is_flag=True, help="Most frequently confused classes, in the protocol with most clips.")
@click.option(
    "--mean-over-splits",
    is_flag=True,
    help="Mean over the splits of a data set, such as UCF101's three; one score file per split.",
)
@click.option(
    "--label-errors",
    is_flag=True,
    help="Videos on which all strong score files agree against the label, likeliest first.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    metavar="N",
    help="Confused pairs, or videos with --label-errors, shown (default: 20; all in csv and json).",
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
@out_option
@mark_option
@format_option
@workspace_option
def command(
    files: tuple[Path, ...], parts: bool, per_class: bool, confusions: bool, mean_over_splits: bool, label_errors: bool,
    most: int | None, actions: ActionSource | None, offline: str | None, split: str | None, annotations: Path | None, definitions: bool,
    out: Path | None, force: bool, marks: tuple[Mark, ...] | None, data: Path | None, form: str,
) -> int:  # fmt: skip
    """Top-1, top-5 and mean class accuracy of score files, for every clip protocol that they hold.

    \b
    Example:
      gsmbench evaluate scores/something-v1/validation/inv3_12f.h5
      gsmbench evaluate --label-errors scores/something-v1/validation/inv3_*.h5
      gsmbench evaluate --mean-over-splits scores/ucf101/test*/r3d.h5
    """
    if definitions:
        from gsm_bench.tables.epic import definitions_table

        print_table(definitions_table(), form)
        return 0
    if not files:
        raise click.UsageError("name score files, e.g.: gsmbench evaluate scores/something-v1/validation/*.h5")
    if (split or annotations) and not offline:
        raise click.UsageError("--split and --annotations belong to --offline epic-55")
    if mean_over_splits and (parts or offline or label_errors):
        raise click.UsageError("--mean-over-splits does not go with --parts, --offline and --label-errors")
    if parts or offline:
        return _evaluate_parts(files, actions, split, annotations, offline, data, form, out, force)
    if (per_class or confusions or label_errors) and most is None and form not in ("csv", "json"):
        most = PAIRS
    opened = bench()
    if label_errors:
        return print_result(opened.label_errors(*files, data=data, most=most), form, out=out, force=force, marks=marks)
    result = opened.evaluate(
        *files, data=data, actions=actions, per_class=per_class, confusions=confusions, most=most,
        mean_over_splits=mean_over_splits,
    )  # fmt: skip
    status = print_result(result, form, several=True, out=out, force=force, marks=marks)
    if confusions:
        from gsm_bench.cli.report_links import say_confused

        say_confused(opened, result.evaluations)
    return status


def _evaluate_parts(
    files: tuple[Path, ...], actions: ActionSource | None, split: str | None, annotations: Path | None,
    offline: str | None, data: Path | None, form: str, out: Path | None, force: bool,
) -> int:  # fmt: skip
    from gsm_bench.api.results import Result

    opened = bench()
    results = [
        opened.parts(path, actions=actions, offline=offline, split=split, data=data, annotations=annotations)
        for path in files
    ]
    whole = Result(
        tuple(table for result in results for table in result.tables),
        tuple(dict.fromkeys(message for result in results for message in result.messages)),
        complete=all(result.complete for result in results),
    )
    return print_result(whole, form, several=True, out=out, force=force)
