"""Where a written report shows the videos behind what a command prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gsm_bench.cli.console import say

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench
    from gsm_bench.api.results import ComparisonResult
    from gsm_bench.evaluation.evaluation import Evaluation

REPORT = "report.html"
"""Name of the report of a workspace, in its reports/."""


def say_compared(opened: Bench, names: Sequence[str], result: ComparisonResult) -> None:
    """Link to the videos that the first has right and the second wrong, if a report has both."""
    from gsm_bench.api.report_rows import short_row_names
    from gsm_bench.ensembles.member_files import member_files, place_text
    from gsm_bench.report.links import report_link

    right, wrong = short_row_names(names)
    comparison = result.comparison
    file = member_files(comparison.first.members)[0] if comparison else None
    split = (place_text(file.dataset, file.split) or None) if file else None
    path = opened.workspace.reports / REPORT
    _say(report_link(path, (right, wrong), "clips", split=split, right=right, wrong=wrong))


def say_confused(opened: Bench, evaluations: Sequence[Evaluation]) -> None:
    """Link to the confusion matrix of each score file that a report has, in its protocol with most clips."""
    from gsm_bench.ensembles.member_files import place_text
    from gsm_bench.report.links import report_link

    last = {result.files[0].path: result.files[0] for result in evaluations if len(result.files) == 1}
    for path, file in last.items():
        name = f"{path.stem}@{file.clips}" if (file.clips or 1) > 1 else path.stem
        split = place_text(file.dataset, file.split) or None
        _say(report_link(opened.workspace.reports / REPORT, (name,), "confusion", split=split, by=name))


def _say(link: str | None) -> None:
    if link:
        say(f"videos: {link}")
