"""``gsmbench import``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.options import (
    INCOMPLETE,
    PATH,
    choice,
    data_option,
    format_option,
    print_table,
    registry,
    say,
    workspace_option,
)
from gsm_bench.importers.formats import CHOICES
from gsm_bench.settings import SourceKind
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.entries import DatasetEntry
    from gsm_bench.manifest import Manifest
    from gsm_bench.scorefile import ClipScores
    from gsm_bench.splits import Split
    from gsm_bench.tables.table import Table
    from gsm_bench.workspace import Workspace

SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


class Count(click.ParamType):  # type: ignore[type-arg]
    """A whole number that may be written 65.7G or 34.6M."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d+)?)([kmgt]?)", str(value).strip().lower())
        if not match:
            self.fail(f"{value!r} is no number such as 34.6M or 65700000000", param, ctx)
        return round(float(match[1]) * SUFFIXES[match[2]])


@click.command("import", short_help="Convert another project's score dump to a score file.")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option(
    "--from", "asked", type=click.Choice(CHOICES), default="auto", show_default=True, metavar="FORMAT",
    help=f"The dump's format: {', '.join(CHOICES)}. By default it is detected from the content.",
)  # fmt: skip
@click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=completing.dataset_name,
    help="The data set that was tested, where it is known.",
)
@click.option(
    "--split",
    metavar="NAME",
    shell_complete=completing.split_name,
    help="Its split (default: the one that models are evaluated on).",
)
@data_option
@click.option(
    "--classes", multiple=True, metavar="[TASK=]FILE",
    help="The source's class names in column order. Columns are matched to the split's classes by name.",
)  # fmt: skip
@click.option(
    "--ids", type=PATH, metavar="FILE", help="The list that was tested, a video per line in the dump's order."
)
@click.option(
    "--labels", type=PATH, metavar="FILE", help="A list of the videos' labels: <id> <class>, a video per line."
)
@click.option("--kind", type=choice(SourceKind), help="What the scores are (default: inferred from the values).")
@click.option(
    "--first-label", type=click.IntRange(0, 1), default=0, show_default=True,
    help="The number of the first class in the labels.",
)  # fmt: skip
@click.option("--head", metavar="NAME", help="The head to read, where each row holds the scores of several.")
@click.option(
    "--skip-columns", metavar="NAMES", help="Columns of a table that are neither classes nor labels: pred,fold."
)
@click.option("--id-column", metavar="NAME", help="The column of a table that holds the video ids.")
@click.option("--label-column", metavar="NAME", help="The column of a table that holds the labels.")
@click.option(
    "--solve-classes", "solve", is_flag=True, help="Apply the order of classes that the labels suggest, if any."
)
@click.option("--name", metavar="NAME", help="The model's name in tables (default: the file's).")
@click.option("--frames", type=click.IntRange(min=1), help="Frames of one view, for tables.")
@click.option("--macs", type=Count(), help="Multiply-adds of one view, for tables: 65.7G.")
@click.option("--params", type=Count(), help="Parameters, for tables: 34.6M.")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="The score file (default: scores/<dataset>/<split>/NAME.h5, else scores/imported/).",
)
@click.option("--force", is_flag=True, help="Replace the score file if it exists.")
@format_option
@workspace_option
def command(
    files: tuple[Path, ...], asked: str, dataset: str | None, split: str | None, data: Path | None,
    classes: tuple[str, ...], ids: Path | None, labels: Path | None, kind: SourceKind | None, first_label: int, head: str | None,
    skip_columns: str | None, id_column: str | None, label_column: str | None, solve: bool, name: str | None,
    frames: int | None, macs: int | None, params: int | None, out: Path | None, force: bool, form: str,
) -> int:  # fmt: skip
    """Convert a score dump of mmaction2, PySlowFast, VideoMAE, TRN, the EPIC baselines or others to a score file.

    Pickles are read, never run. What the dump leaves open (order of videos and classes, kind of score) is inferred,
    printed and stored with the scores. Several FILEs are the processes, clips or crops of one test run.

    \b
    Example:
      gsmbench import joint.pkl
    """
    from gsm_bench.errors import ScoreFileError
    from gsm_bench.files import refuse_existing
    from gsm_bench.importers.convert import import_dump
    from gsm_bench.importers.dump import ReadOptions
    from gsm_bench.importers.orders import ImportRequest
    from gsm_bench.scorefile import write

    workspace, manifest = registry()
    entry, tested = _split(manifest, workspace, dataset, split, data)
    model = name or files[0].stem
    skipped = tuple(column.strip() for column in (skip_columns or "").split(",") if column.strip())
    request = ImportRequest(
        paths=_expanded(files), model=model, asked=asked, dataset=entry, split=tested, classes=_class_files(classes),
        ids=ids, labels=labels, kind=kind, solve=solve, frames=frames, macs=macs, params=params,
        options=ReadOptions(first_label, head, skipped, id_column, label_column),
    )  # fmt: skip
    place = out or _place(workspace, tested, model)
    exists = ScoreFileError("this file already exists", where=place, fix="--force replaces it; or choose another --out")
    refuse_existing(place, force=force, exists=exists)
    imported = import_dump(request)
    say(f"{'detected format' if asked == 'auto' else 'format'}: {imported.format_title}")
    for line in imported.assumptions:
        say(f"assumed: {line}")
    for line in imported.advice:
        say(f"note: {line}")
    write(place, imported.content, force=force)
    say(f"wrote {pasteable(place)}")
    print_table(_table(place, imported.content, tested), form)
    return INCOMPLETE if (imported.content.status == 2).any() else 0


def _place(workspace: Workspace, split: Split | None, model: str) -> Path:
    """Where the score file goes unless the user says otherwise."""
    if split:
        return workspace.score_path(split.dataset, split.name, model)
    return workspace.scores / "imported" / f"{model}.h5"


def _table(path: Path, content: ClipScores, split: Split | None) -> Table:
    """The imported file, evaluated where it or its split has labels."""
    from gsm_bench.evaluation.ground_truth import GroundTruth
    from gsm_bench.evaluation.score_files import evaluate_file
    from gsm_bench.tables.results import results_table

    labels = dict(content.labels) or (dict(split.labels) if split else {})
    truth = GroundTruth(labels, split.groups if split else None)
    results = evaluate_file(path, lambda _: truth)
    return results_table("", [results], name="import")


def _split(
    manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None, data: Path | None
) -> tuple[DatasetEntry | None, Split | None]:
    if dataset is None:
        if split or data:
            raise click.UsageError(
                "--split and --data go with --dataset, e.g.: --dataset something-v1 --split validation"
            )
        return None, None
    from gsm_bench.splits import read_split

    entry = manifest.dataset(dataset)
    return entry, read_split(entry, split or entry.evaluation_split, data or workspace.data / entry.folder)


def _class_files(texts: tuple[str, ...]) -> dict[str, Path]:
    """Class files by task, from ``FILE`` or ``TASK=FILE``."""
    files = {}
    for text in texts:
        task, equals, path = text.partition("=")
        known = equals and task in ("action", "verb", "noun")
        files[task if known else "action"] = Path(path if known else text)
    return files


def _expanded(files: tuple[Path, ...]) -> tuple[Path, ...]:
    """Folders replaced by the files in them."""
    return tuple(
        inner
        for path in files
        for inner in (
            sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".") if path.is_dir() else [path]
        )
    )
