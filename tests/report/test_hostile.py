"""Names that look like markup, scripts, quotes or commands to a terminal stay text on the page."""

from __future__ import annotations

import numpy as np
import pytest

from gsm_bench import Bench
from gsm_bench.report.addresses import view_address
from gsm_bench.scorefile import write
from tests.conftest import clip_scores
from tests.report.browser import COMPLETE, show

NAMES = (
    "</script><script>window.hit=1</script>", "</style><style>*{display:none}</style>", "<img src=x onerror=window.hit=1>",
    "<svg/onload=window.hit=1>", "\"><script>window.hit=1</script>", "' onmouseover='window.hit=1", '" autofocus onfocus="window.hit=1',
    "<!--", "-->", "<![CDATA[", "]]>", "<title>", "</title>", "</textarea><script>window.hit=1</script>", "<base href=//x.example>",
    "<meta http-equiv=refresh content=0>", "javascript:window.hit=1", "data:text/html,<script>window.hit=1</script>", "&lt;b&gt;", "&#60;b>",
    "{{ 7 * 7 }}", "{% raw %}", "${window.hit=1}", "`window.hit=1`", "\\u003cscript>", "\\", "\\\"", "'", '"', "a\u2028b", "a\u2029b",
    "\u202egnp.exe", "\u2066isolate\u2069", "\u200fright to left", "\u061cmark", "\x1b[31mred", "\x07bell", "\x7fdelete", "tab\there",
    "return\rhere", "\ud7ff\ufeff", "#clips?right=x", "?q=1&q=2", "100%", "%3Cscript%3E", "a+b", "a b", " ", "__proto__", "constructor",
)  # fmt: skip
VIDEOS = 60


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory):
    """A report whose classes, ids, model and title are all hostile."""
    workspace = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(3)
    labels = rng.integers(0, len(NAMES), VIDEOS).astype(np.int32)
    one_line = [name for name in NAMES if not set(name) & set("\r\u2028\u2029")]
    ids = [f"{one_line[at % len(one_line)]}{at // len(one_line) or ''}" for at in range(VIDEOS)]
    for number, model in enumerate(("<b>bold", "__proto__", "quote'\"")):
        scores = rng.normal(0, 1, (VIDEOS, 1, len(NAMES)))
        scores[np.arange(VIDEOS), 0, labels] += 2
        content = clip_scores(
            scores, ids, offsets=(0.5,), names=NAMES, model=model, host=NAMES[0], command_line=list(NAMES[:5])
        )
        content = content.__class__(**{**vars(content), "labels": {"action": labels}})
        write(workspace / "scores" / "made" / "val" / f"model{number} {model.replace('/', '')}.h5", content)
    path = workspace / "report.html"
    Bench(workspace).report(out=path, title=NAMES[0])
    return path


def test_fifty_names_inject_nothing(chromium, hostile_report):
    assert len(set(NAMES)) >= 50
    with chromium.page(hostile_report, wait=COMPLETE) as page:
        assert page.evaluate("window.hit") is None
        assert (
            page.evaluate(
                "document.querySelectorAll('script:not([type]), img, base, meta[http-equiv=refresh], style, title').length"
            )
            == 3
        )
        assert page.title() == NAMES[0]
        assert page.evaluate("location.href") == hostile_report.absolute().as_uri()
        assert "<script>" in page.text_content("h1")
        page.keyboard.press("j")
        assert len(page.query_selector_all("main .row")) > 5


def test_every_hostile_class_can_be_filtered(chromium, hostile_report):
    with chromium.page(hostile_report, wait=COMPLETE) as page:
        classes = page.locator("main section[data-panel=classes] tbody tr td:first-child").all_text_contents()
        links = page.locator("main section[data-panel=classes] td.videos a").evaluate_all(
            "all => all.map(one => [one.getAttribute('href'), one.textContent])"
        )
        assert len(classes) == len(links) > 20
        for address, videos in links:
            assert show(page, address) == int(videos), address
        assert page.evaluate("window.hit") is None


def test_no_mark_reverses_what_follows(chromium, hostile_report):
    with chromium.page(hostile_report, wait=COMPLETE) as page:
        for wanted in ("gnp.exe", "isolate", "red"):
            assert show(page, view_address("clips", q=wanted)) >= 1
        text = page.evaluate("document.body.innerText")
    assert not set(text) & set("\u202e\u2066\u2069\u200f\u061c\x1b\x07\x7f\u2028\u2029")
