"""One look for all figures: sizes as printed, colours that survive grey print, and files with the same bytes."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from gsm_bench.errors import ExportError, GsmBenchError
from gsm_bench.files import new_file, sweep
from gsm_bench.settings import FigureFormat, Theme
from gsm_bench.tables.render.cells import plain
from gsm_bench.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG_NAME = 30
"""Class names of more characters ask for the width of a page."""
COLUMN_IN, PAGE_IN = 3.25, 6.875
"""Widths of one column and of a page of a paper, in inches."""
PANEL_IN = 1.6
"""Panels of a grid are at least as wide."""
NARROWEST_IN, WIDEST_IN = 2.5, 20.0
SMALL_PT, TEXT_PT, TITLE_PT = 6.0, 7.0, 8.0
"""Font sizes as printed; no text is smaller than `SMALL_PT`."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
DASHES = ("-", "--", "-.", ":")
SUFFIXES = tuple(f".{form}" for form in get_args(FigureFormat))
METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
}
"""Of a file's metadata, what would differ between two runs."""


def write_new(path: Path, content: bytes, *, force: bool, same_is_done: bool = False) -> None:
    """Write a file; raises ExportError if it exists already, unless `force`, or `same_is_done` and the bytes are the same."""
    if same_is_done and path.is_file() and path.read_bytes() == content:
        sweep(path)
        return
    exists = ExportError("this file exists already", where=path, fix="--force to replace it, or another --out")
    with new_file(path, force=force, exists=exists) as written:
        written.write_bytes(content)


Drawing = TypeVar("Drawing", bound="Callable[..., Plot]")


@dataclass(frozen=True)
class Palette:
    """Colours of a theme.

    Attributes:
        ink, paper, faint: text, background, grid and secondary lines.
        series: Okabe-Ito colours of the series, at least 40 grey levels apart from each other and from `paper`.
        sequential: colours of the map for counts and shares, from `paper` on, evenly spaced.
    """

    ink: str
    paper: str
    faint: str
    series: tuple[str, ...]
    sequential: tuple[str, ...]


PALETTES: dict[Theme, Palette] = {
    "light": Palette(
        "#000000", "#ffffff", "#8c8c8c", ("#0072b2", "#e69f00", "#000000", "#f0e442"),
        ("#ffffff", "#56b4e9", "#0072b2", "#00263b"),
    ),
    "dark": Palette(
        "#ffffff", "#111111", "#8c8c8c", ("#e69f00", "#0072b2", "#ffffff", "#f0e442"),
        ("#111111", "#0072b2", "#56b4e9", "#ffffff"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class FigureStyle:
    """How a figure looks.

    Attributes:
        width_in: width as printed, in inches; that of the kind if None.
        theme: light for paper, dark for slides.
        title: above the figure; none if None.
    """

    width_in: float | None = None
    theme: Theme = "light"
    title: str | None = None

    def __post_init__(self) -> None:
        if self.width_in is not None and not NARROWEST_IN <= self.width_in <= WIDEST_IN:
            raise GsmBenchError(
                f"a width of {self.width_in:g} inches", fix=f"a width from {NARROWEST_IN:g} to {WIDEST_IN:g} inches"
            )

    @property
    def palette(self) -> Palette:
        return PALETTES[self.theme]

    def colour(self, series: int) -> str:
        """Colour of a series by its number; from the fifth on, markers and dashes tell them apart."""
        return self.palette.series[series % len(self.palette.series)]

    def marker(self, series: int) -> str:
        """Marker of a series by its number."""
        return MARKERS[series % len(MARKERS)]

    def dashes(self, series: int) -> str:
        """Line style of a series by its number: dashed from the fifth on."""
        return DASHES[series // len(self.palette.series) % len(DASHES)]

    def figure(self, width_in: float, height_in: float) -> Figure:
        """An empty figure with the title, laid out without clipped labels; `width_in` is that of the kind."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        layout = ConstrainedLayoutEngine(w_pad=2 / 72, h_pad=2 / 72)
        figure = Figure(figsize=(self.width_in or width_in, height_in), layout=layout)
        FigureCanvasAgg(figure)  # it measures text
        if self.title:
            figure.suptitle(shortened(self.title, round((self.width_in or width_in) * 15)), fontsize=TITLE_PT)
        return figure

    @contextmanager
    def context(self) -> Iterator[None]:
        """Settings of matplotlib for this style, for drawing and for saving."""
        import matplotlib as mpl

        ink, paper, faint = self.palette.ink, self.palette.paper, self.palette.faint
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(
                {
                    "font.family": ["DejaVu Sans"], "font.size": TEXT_PT, "axes.labelsize": TEXT_PT,
                    "axes.titlesize": TEXT_PT, "xtick.labelsize": SMALL_PT, "ytick.labelsize": SMALL_PT,
                    "legend.fontsize": SMALL_PT, "legend.title_fontsize": SMALL_PT, "legend.frameon": False,
                    "text.parse_math": False, "text.color": ink, "axes.labelcolor": ink, "axes.edgecolor": ink,
                    "xtick.color": ink, "ytick.color": ink, "figure.facecolor": paper, "axes.facecolor": paper,
                    "savefig.facecolor": paper, "grid.color": faint, "grid.alpha": 0.25, "grid.linewidth": 0.4,
                    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "lines.linewidth": 1.0,
                    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.spines.top": False,
                    "axes.spines.right": False, "hatch.linewidth": 0.5, "pdf.fonttype": 42, "ps.fonttype": 42,
                    "svg.fonttype": "path", "svg.hashsalt": "gsmbench", "figure.dpi": 72, "savefig.dpi": 300,
                }
            )  # fmt: skip
            yield


@dataclass(frozen=True)
class Plot:
    """A figure with the numbers that it shows.

    Attributes:
        figure: of matplotlib.
        numbers: what is plotted, one row per mark, as raw numbers.
        style: how it looks.
        notes: what could not be shown.
    """

    figure: Figure
    numbers: Table
    style: FigureStyle
    notes: tuple[str, ...] = ()

    def save(self, path: Path, *, force: bool = False, same_is_done: bool = False) -> None:
        """Write the figure; the suffix decides the format. The bytes are the same on every run.

        Args:
            force: replace an existing file.
            same_is_done: accept an existing file that is the same figure.

        Raises:
            GsmBenchError: another suffix than those of `SUFFIXES`.
            ExportError: the file exists already.
        """
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise GsmBenchError(f"{path} is no figure file", fix=f"a name that ends in {', '.join(SUFFIXES)}")
        write_new(path, self.content(suffix), force=force, same_is_done=same_is_done)

    def content(self, suffix: str) -> bytes:
        """The bytes of the figure as a file with one of `SUFFIXES`."""
        content = io.BytesIO()
        with self.style.context():
            self.figure.savefig(content, format=suffix[1:], metadata=METADATA[suffix])
        return content.getvalue()

    def _repr_png_(self) -> bytes:
        return self.content(".png")


def panel_grid(style: FigureStyle, count: int) -> tuple[float, int, int]:
    """Width in inches of a figure of `count` panels, unless the style has one, and its columns and rows of panels."""
    kind_width = COLUMN_IN if count <= 2 else PAGE_IN
    columns = min(count, max(1, int((style.width_in or kind_width) / PANEL_IN)))
    return kind_width, columns, math.ceil(count / columns)


def legend_above(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """A legend above the axes and below the title, in as many rows as the width of the figure asks for."""
    short, title = [shortened(name, 26) for name in names], figure.get_suptitle()
    figure.suptitle("")  # the layout would put it on the legend
    for columns in range(max(1, len(handles)), 0, -1):
        legend = figure.legend(
            handles, short, loc="outside upper center", ncols=columns, handletextpad=0.4, columnspacing=1.0, borderpad=0.4,
            title=title or None, title_fontsize=TITLE_PT,
        )  # fmt: skip
        width = legend.get_window_extent(figure.canvas.get_renderer()).width  # type: ignore[attr-defined]
        if width <= figure.bbox.width or columns == 1:
            return
        legend.remove()


def fit_height(figure: Figure) -> None:
    """Give a figure the height that its content takes; its width stays."""
    for _ in range(3):
        figure.draw_without_rendering()
        content = figure.get_tightbbox()
        figure.set_size_inches(figure.get_figwidth(), content.height + 5 / 72)


def styled(function: Drawing) -> Drawing:
    """Let a function draw in the style that is its first argument."""

    @functools.wraps(function)
    def inside(style: FigureStyle, *args: Any, **kwargs: Any) -> Plot:
        with style.context():
            return function(style, *args, **kwargs)

    return cast(Drawing, inside)


def shortened(text: Any, most: int) -> str:
    """A text of at most `most` characters on one line; of a longer one, the middle is left out."""
    line = " ".join(plain(str(text)).split())
    if len(line) <= most:
        return line
    tail = (most - 1) // 3
    return f"{line[: most - 1 - tail]}…{line[len(line) - tail :] if tail else ''}"


def abbreviated(text: Any, most: int) -> str:
    """A text of at most `most` characters on one line; the longer its words, the sooner they are cut."""
    words = plain(str(text)).split()
    if len(" ".join(words)) > most:
        words = [word.replace("something", "sth") for word in words]  # as Something-Something's own papers do
    line = " ".join(words)
    for letters in range(9, 3, -1):
        if len(line) <= most:
            break
        line = " ".join(f"{word[:letters]}." if len(word) > letters + 1 else word for word in words)
    return shortened(line, most)
