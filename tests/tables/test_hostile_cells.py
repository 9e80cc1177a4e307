"""Ids and names that a spreadsheet, a browser, Markdown or LaTeX would take for something else."""

import csv
import io

import pytest

from gsm_bench.tables.render import render
from gsm_bench.tables.table import Column, Table

FORMULAS = (
    "=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1+1", "=HYPERLINK(\"x\")",
    "-3B32lodo2M", "--", "=\x00",
)  # fmt: skip
SAFE = ("-", "+", "a=1", "-0.5", "+3", "-1e-05", "1-2", "", "'x", ".5", "-.5")
HOSTILE = (
    "<script>alert(1)</script>", "&lt;b&gt;", "a|b", "**b**", "~~s~~", "$x$", "[a](javascript:alert(1))", "`c`",
    "\\input{/etc/passwd}", "\\write18{id}", "a & b % c # d", "\x1b[31mred", "\u202egpj", "a\nb", "\\", "_x_", "^^41",
)  # fmt: skip


def table(names):
    rows = tuple({"name": name, "top1": -0.5, "low": 3} for name in names)
    return Table("=T", (Column("name", "=Name"), Column("top1", "Top-1", "percent")), (rows,), ("=note",), name="t")


def read_back(names):
    return list(csv.DictReader(io.StringIO(render(table(names), "csv"))))


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_are_text_in_csv(name):
    (row,) = read_back([name])
    assert row["name"].startswith("'")
    assert row["top1"] == "-0.5"
    assert float(row["top1"]) == -0.5


@pytest.mark.parametrize("name", SAFE)
def test_other_texts_and_numbers_stay(name):
    assert read_back([name])[0]["name"] == name


def test_keys_are_texts_too():
    odd = Table("", (Column("=key", "Key"),), (({"=key": 1},),), name="t")
    assert render(odd, "csv").splitlines()[0] == "'=key"


@pytest.mark.parametrize("form", ["md", "html", "latex", "csv", "rich", "json"])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_leaks(name, form):
    text = render(table([name]), form)
    assert "\x1b" not in text
    assert "\u202e" not in text
    if form == "html":
        assert "<script" not in text
        assert "&lt;b" not in text or name.startswith("<") or "&amp;lt;b" in text
    if form == "md":
        assert "\n" not in name or "a b" in text
        line = next(line for line in text.splitlines() if line.startswith("| ") and "-50.00" in line)
        assert len(line.replace("\\\\", "").replace("\\|", "").split("|")) == 4
        for sign in "*_`[]<>&~$":
            assert line.count(sign) == line.count(f"\\{sign}")
    if form == "latex":
        assert "\\input" not in text
        assert "\\write18" not in text
        assert "^^" not in text
