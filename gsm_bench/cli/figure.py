"""``gsmbench figure``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import INCOMPLETE, PATH, bench, choice, data_option, frames_option, say, workspace_option
from gsm_bench.figures.style import COLUMN_IN, PAGE_IN, SUFFIXES, FigureStyle, write_new
from gsm_bench.settings import FigureFormat, FigureKind, FilmFormat, Theme
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench
    from gsm_bench.figures.style import Plot

KINDS = get_args(FigureKind)
OLD_NAMES = ("accuracy-cost",)
WIDTHS = {"column": COLUMN_IN, "page": PAGE_IN}
NUMBER_FORMATS = ("csv", "json", "md")


class Width(click.ParamType[float]):
    """A width by name, or in inches."""

    name = "width"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            return WIDTHS.get(text) or float(text)
        except ValueError:
            self.fail(f"{text!r} is neither {', '.join(WIDTHS)} nor a number of inches", param, ctx)


@click.command("figure", short_help="Draw a figure from score files.")
@click.argument("kind", type=click.Choice([*KINDS, "all", *OLD_NAMES]), metavar="KIND")
@click.argument("names", nargs=-1, shell_complete=completing.member_names)
@click.option(
    "--table",
    metavar="N",
    help="complexity: the rows of this table of the paper (default: 3 if no NAMES; 4 on other data sets).",
)
@click.option(
    "--classes",
    metavar="A,B",
    help="confusion: these classes and those that they are confused with; tsne: only these; saliency: the one explained. "
    "With a semicolon in it, the list is split there: names may hold commas.",
)
@click.option("--layers", metavar="A,B", help="tsne: a panel for each of these layers (default: pool).")
@click.option("--ids", "--clips", "ids", metavar="A,B", help="saliency, frames: the videos, by id.")
@click.option("--models", metavar="A,B", shell_complete=completing.member_names, help="The same as NAMES.")
@click.option("--video", type=PATH, metavar="FILE", help="saliency: write a video, too (mp4, mkv, webm).")
@frames_option
@click.option(
    "--groups",
    metavar="NAME",
    help="tsne: groups of classes of the data set (something-v1 has `ten`), or a TOML file with them.",
)
@click.option(
    "--most", type=click.IntRange(1), metavar="N", help="improved, confusion: pairs of classes that are named."
)
@click.option("--task", metavar="NAME", help="Task of the scores (default: action if there is one).")
@click.option(
    "--dataset", metavar="NAME", shell_complete=completing.dataset_name, help="Data set (default: the model's)."
)
@click.option("--split", metavar="NAME", shell_complete=completing.split_name, help="Split (default: the model's).")
@click.option("--out", type=PATH, metavar="FILE", help="pdf, svg or png; a directory for `all` (default: reports/).")
@click.option("--format", "form", type=choice(FigureFormat), default="pdf", show_default=True, help="Without a FILE.")
@click.option(
    "--numbers",
    type=PATH,
    metavar="FILE",
    help="Write the plotted numbers, too: csv, json or md; one of these words for `all`.",
)
@click.option(
    "--width", type=Width(), metavar="INCHES", help="column (3.25), page (6.875) or inches (default: the kind's)."
)
@click.option("--title", metavar="TEXT", help="Title above the figure (default: none).")
@click.option(
    "--theme", type=choice(Theme), default="light", show_default=True, help="Light for paper, dark for slides."
)
@click.option("--force", is_flag=True, help="Replace existing files.")
@data_option
@workspace_option
def command(
    kind: str, names: tuple[str, ...], table: str | None, classes: str | None, layers: str | None,
    groups: str | None, ids: str | None, models: str | None, video: Path | None, frames: Path | None, most: int | None, task: str | None,
    dataset: str | None, split: str | None, out: Path | None, form: str, numbers: Path | None, width: float | None,
    title: str | None, theme: Theme, force: bool, data: Path | None,
) -> int:  # fmt: skip
    """Draw a figure from score files, feature files or videos.

    \b
    KIND, and what NAMES are: models, ensembles, score files
      complexity   top-1 against GFLOPs; area shows parameters       [NAMES]
      improved     classes that the second corrects in the first     A B
      confusion    the confusion matrix, confused classes adjacent   NAME
      reliability  accuracy by confidence                            NAMES
      pareto       the best ensembles of a pool for their cost       POOL
      cascade      cascades of members, cheapest first               NAMES
      per-class    accuracy class by class                           NAME [NAMES]
      agreement    how often results predict the same class          NAMES
      tsne         features of several models or layers in the plane MODELS
      saliency     what in a video speaks for the predicted class    MODELS
      frames       the frames that each model is shown of a video    NAMES
      all          what can be made from the workspace

    \b
    Example:
      gsmbench figure complexity
      gsmbench figure confusion inv3_16f --out confusion.pdf
    """
    from gsm_bench.api.figure_request import FigureRequest
    from gsm_bench.api.figures import make_figure

    opened = bench()
    style = FigureStyle(width, theme, title)
    names = (*names, *_parts(models))
    if numbers and (numbers.name if kind == "all" else numbers.suffix[1:]) not in NUMBER_FORMATS:
        what = "one of" if kind == "all" else "a file that ends in"
        raise click.UsageError(f"--numbers {numbers}: {what} {', '.join(NUMBER_FORMATS)}")
    if kind == "all":
        return _draw_all(opened, (dataset, split, data), style, out or opened.workspace.reports, form, numbers, force)
    if video and kind != "saliency":
        raise click.UsageError("--video goes with saliency")
    if video and video.suffix[1:].lower() not in get_args(FilmFormat):
        raise click.UsageError(f"--video {video}: a video is a {', '.join(get_args(FilmFormat))} file")
    if kind in OLD_NAMES:
        kind = "complexity"
        say("note: accuracy-cost is called complexity now")
    if out and out.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"--out {out}: a figure is a {', '.join(SUFFIXES)} file")
    request = FigureRequest(
        names, table, dataset, split, data, task, _parts(classes), most, _parts(layers), groups, _parts(ids), frames
    )  # fmt: skip
    plot = make_figure(opened, kind, request, style)
    _write(plot, out or opened.workspace.reports / f"{kind}.{form}", force, numbers)
    if video:
        from gsm_bench.api.clip_figures import write_saliency_film

        write_saliency_film(opened, request, style, video, force=force)
        echo(pasteable(video))
    return 0


def _parts(text: str | None) -> tuple[str, ...]:
    """The names of a list; between semicolons where there is one, since names of classes may hold commas."""
    if not text:
        return ()
    return tuple(part.strip() for part in text.split(";" if ";" in text else ",") if part.strip())


def _write(plot: Plot, path: Path, force: bool, numbers: Path | None = None) -> None:
    """Write a figure, and its numbers if requested; print where."""
    from gsm_bench.tables.render import render

    plot.save(path, force=force, same_is_done=numbers is not None)  # a killed run may have written the picture alone
    for note in plot.notes:
        say(note)
    echo(pasteable(path))
    if numbers:
        text = render(plot.numbers, numbers.suffix[1:]).rstrip()
        write_new(numbers, f"{text}\n".encode(), force=force)
        echo(pasteable(numbers))


def _draw_all(
    opened: Bench,
    places: tuple[str | None, str | None, Path | None],
    style: FigureStyle,
    out: Path,
    form: str,
    numbers: Path | None,
    force: bool,
) -> int:
    """Draw what the score files of the workspace allow; say what is missing for the rest."""
    from gsm_bench.api.figure_plan import plan_figures, scored_places
    from gsm_bench.api.figures import make_figure
    from gsm_bench.errors import GsmBenchError, MissingScoresError

    dataset, split, data = places
    if out.suffix.lower() in SUFFIXES:
        raise click.UsageError(f"--out {out}: a directory for `all`")
    chosen = [p for p in scored_places(opened) if dataset in (None, p[0]) and split in (None, p[1])]
    if not chosen:
        raise MissingScoresError(
            "no score file of a registered model", where=opened.workspace.scores, fix="gsmbench score"
        )
    status, flat = 0, bool(dataset and split)
    for place in chosen:
        for planned in plan_figures(opened, *place, data):
            name = planned.kind if flat else f"{'/'.join(place)}/{planned.kind}"
            if planned.request is None:
                say(f"{name} needs {planned.missing}")
                continue
            try:
                plot = make_figure(opened, planned.kind, planned.request, style)
                _write(plot, out / f"{name}.{form}", force, out / f"{name}.{numbers}" if numbers else None)
            except GsmBenchError as error:
                say(f"{name}: {error}")
                status = INCOMPLETE
    return status
