"""Results as figures, and as a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsm_bench.api.bench.results import WorkspaceResults
from gsm_bench.api.bench.workspace import Place, path_of

if TYPE_CHECKING:
    from gsm_bench.figures.style import Plot
    from gsm_bench.report.content import ReportContent
    from gsm_bench.selection.subsets import Progress
    from gsm_bench.settings import FigureKind, Theme


class DisplayMethods(WorkspaceResults):
    """Figures and the report of results."""

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
        from gsm_bench.api.figure_request import FigureRequest
        from gsm_bench.api.figures import make_figure
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
        content = gather_report(self, names, dataset=dataset, split=split, data=path_of(data), frames=frames)
        content = replace(content, title=title or content.title)
        if out is not None:
            write_page(Path(out), report_html(content), force=force)
        return content
