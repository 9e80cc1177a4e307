"""Fixtures: a browser, and the report of the scores that ship with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from gsm_bench import Bench
from gsm_bench.cli.demo import _copy_scores
from tests.report.browser import chromium

__all__ = ["chromium"]


@pytest.fixture(scope="session")
def demo_workspace(tmp_path_factory) -> Path:
    """A workspace with the score files of Temporal Shapes that ship with the package."""
    workspace = tmp_path_factory.mktemp("demo")
    _copy_scores(workspace)
    return workspace


@pytest.fixture(scope="session")
def demo_report(demo_workspace, tmp_path_factory) -> Path:
    """Its report, outside the workspace, where other tests write theirs."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    Bench(demo_workspace).report(out=path)
    return path
