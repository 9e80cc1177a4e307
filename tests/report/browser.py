"""A real browser for tests of the report: Debian's chromium through Playwright, without a network.

Tests in this folder have it as a fixture, one browser per module::

    def test_something(chromium):
        with chromium.page(path_of_html) as page:
            page.click("text=Top-1")

`Browser.page` waits until the report is ready, and fails if the page asked for anything but its own file, or if a script
failed. Tests that use it are slow: list their module in ``tests/conftest.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
EXECUTABLES = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 120_000
READY, COMPLETE = "html[data-ready]", "html[data-complete]"


@dataclass(frozen=True)
class Browser:
    """A running chromium; `engine` is Playwright's browser."""

    engine: Any

    @contextmanager
    def page(
        self,
        path: Path | str,
        *,
        at: str = "",
        throttle: float = 1,
        wait: str = READY,
        beside: str = "",
        **context: Any,
    ) -> Iterator[Any]:
        """A page that shows a file.

        Args:
            at: hash of the address, e.g. ``#clips?wrong=En3``.
            throttle: slows the processor down by this factor.
            wait: for an element, once the page can be used: `COMPLETE` when all of it is there.
            beside: name of a folder beside the page whose files it may ask for.
            context: options of Playwright, e.g. ``color_scheme="dark"``, ``viewport={"width": 360, "height": 740}``.
        """
        opened = self.engine.new_context(**context)
        opened.set_default_timeout(PATIENCE_MS)
        requests, problems = [], []
        page = opened.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        address = Path(path).absolute().as_uri()
        folder = Path(path).absolute().with_name(beside).as_uri() + "/" if beside else address
        known = (address, folder)
        opened.route("**/*", lambda route: route.continue_() if route.request.url.startswith(known) else route.abort())
        if throttle != 1:
            opened.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": throttle})
        try:
            page.goto(address + at)
            for selector in (READY, wait):
                page.wait_for_selector(selector, state="attached")
            yield page
        finally:
            opened.close()
        others = [url for url in requests if not url.startswith((*known, "data:", "blob:"))]
        assert not others, f"the page asked for {others}"
        assert not problems, problems


def show(page: Any, address: str) -> int:
    """Open a view of a report, wait until it is shown, and return how many videos its list has."""
    page.evaluate("address => { location.hash = address }", address)
    page.wait_for_function("() => document.documentElement.dataset.shown === location.hash")
    return count_of(page)


def count_of(page: Any) -> int:
    """How many videos the list of a report has."""
    return int(page.text_content("main:not([hidden]) .count strong").replace(",", ""))


def executable() -> str | None:
    """Where a chromium is; None without one."""
    return next((path for name in EXECUTABLES if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = executable()
    if path is None:
        pytest.skip("chromium is not installed")
    playwright.expect.set_options(timeout=PATIENCE_MS)
    with playwright.sync_playwright() as started:
        engine = started.chromium.launch(executable_path=path, args=list(ARGUMENTS), timeout=PATIENCE_MS)
        yield Browser(engine)
        engine.close()
