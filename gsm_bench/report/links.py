"""Links from the command line into a report that was written before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gsm_bench.report.addresses import view_address
from gsm_bench.report.payload import safe_json


def report_link(report: Path, names: Sequence[str], section: str, **parameters: str | int | None) -> str | None:
    """The address of a view in a written report; None if there is no report, or not with these results.

    Args:
        names: of the results that the view shows.
    """
    try:
        text = report.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not all(f'"name":{safe_json(name)}' in text for name in names):
        return None
    return report.absolute().as_uri() + view_address(section, **parameters)
