"""Links from the command line into a report that was written before."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from gsm_bench.report.addresses import view_address

INDEX = re.compile(r'<script type="application/json" id="index">(.*?)</script>', re.DOTALL)


def report_link(report: Path, names: Sequence[str], section: str, **parameters: str | int | None) -> str | None:
    """The address of a view in a written report; None if there is no report, or not with these results.

    Args:
        names: of the results that the view shows.
    """
    known = _names_in(report)
    if not set(names) <= known:
        return None
    return report.absolute().as_uri() + view_address(section, **parameters)


def _names_in(report: Path) -> set[str]:
    """Names of all results of a written report; none for a file that is no report."""
    try:
        match = INDEX.search(report.read_text(encoding="utf-8"))
        splits = json.loads(match[1])["splits"] if match else []
        return {result["name"] for split in splits for result in split["results"]}
    except (OSError, ValueError, LookupError, TypeError):
        return set()
