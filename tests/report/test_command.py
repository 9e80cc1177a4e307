"""`gsmbench report`, and the links that other commands print into it."""

from __future__ import annotations

import click
import pytest

from gsm_bench.report.addresses import view_address

REPORT = "reports/report.html"


@pytest.fixture(scope="module")
def scored(demo_workspace):
    """The demo's workspace, without a report."""
    (demo_workspace / REPORT).unlink(missing_ok=True)
    return demo_workspace


def test_writes_opens_and_never_overwrites(scored, gsmbench, monkeypatch):
    opened = []
    monkeypatch.setattr(click, "launch", opened.append)
    call = ("--workspace", scored, "report", "shapes_8f@2", "shapes_En1", "--open", "--title", "Two of them")
    ran = gsmbench(*call)
    assert (ran.status, ran.err) == (0, "")
    assert opened == [(scored / REPORT).as_uri()]
    text = (scored / REPORT).read_text()
    assert "<h1>Two of them</h1>" in text
    again = gsmbench(*call)
    assert again.status == 1
    assert "this report exists already" in again.err
    assert "--force" in again.err
    assert (scored / REPORT).read_text() == text
    assert gsmbench(*call, "--force").status == 0


def test_links_into_a_report_that_has_the_results(scored, gsmbench):
    assert gsmbench("--workspace", scored, "report", "shapes_8f@2", "shapes_En1", "--force").status == 0
    there = (scored / REPORT).as_uri()
    compared = gsmbench("--workspace", scored, "compare", "shapes_En1", "shapes_8f@2")
    assert f"videos: {there}#clips?split=shapes/val&right=shapes_En1&wrong=shapes_8f@2" in compared.err
    assert "videos:" not in gsmbench("--workspace", scored, "compare", "shapes_En1", "shapes_12f").err
    confused = gsmbench("--workspace", scored, "evaluate", "--confusions", scored / "scores/shapes/val/shapes_8f.h5")
    assert f"videos: {there}#confusion?split=shapes/val&by=shapes_8f@2" in confused.err


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe", b'<script type="application/json" id="index">[1]</script>']
)
def test_no_link_without_a_report(scored, gsmbench, content):
    (scored / REPORT).unlink(missing_ok=True)
    if content is not None:
        (scored / REPORT).write_bytes(content)
    assert "videos:" not in gsmbench("--workspace", scored, "compare", "shapes_En1", "shapes_8f@2").err


def test_unknown_names_and_empty_workspaces_are_one_error(scored, workspace, gsmbench):
    for arguments in (("report", "nothing_like_it"), ("report", "--split", "other")):
        ran = gsmbench("--workspace", scored, *arguments)
        assert ran.status == 1
        assert "fix:" in ran.err
        assert not ran.out
    assert "gsmbench score" in gsmbench("report").err


@pytest.mark.parametrize(
    ("parameters", "address"),
    [
        ({"right": "En3", "wrong": "x@2"}, "#clips?right=En3&wrong=x@2"),
        ({"class_": "a & b = c", "k": None}, "#clips?class=a%20%26%20b%20%3D%20c"),
        ({"by": "</script>#?"}, "#clips?by=%3C/script%3E%23%3F"),
        ({}, "#clips"),
    ],
)
def test_addresses(parameters, address):
    assert view_address("clips", **parameters) == address
