"""Tables as text: every format, by hand-made tables."""

import csv
import io
import json

import pytest

from gsm_bench.errors import GsmBenchError
from gsm_bench.tables.render import FORMATS, cell, render, render_all
from gsm_bench.tables.table import Column, Table, with_notes

COLUMNS = (Column("name", "Model\nname"), Column("top1", "Top-1", "percent"))
TABLE = Table(
    "Title", COLUMNS, (({"name": "a|b", "top1": 0.5, "extra": 3},), ({"name": "c", "top1": None},)), ("A note.",)
)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("text", "x", "x"),
        ("text", None, "-"),
        ("percent", 0.12345, "12.35"),
        ("percent", float("nan"), "-"),
        ("points", 0.01, "+1.00"),
        ("points", -0.01, "-1.00"),
        ("number", 0.5, "0.5000"),
        ("p", 0.04, "0.0400"),
        ("p", 1e-9, "<0.0001"),
        ("giga", 16_530_000_000, "16.53"),
        ("mega", 22_210_000, "22.21"),
        ("count", 11_522, "11,522"),
    ],
)
def test_every_unit(unit, value, text):
    assert cell({"key": value}, Column("key", "", unit)) == text


def test_a_cell_has_its_interval_bounds_and_mark():
    row = {"top1": 0.5, "top1_low95": 0.47, "top1_high95": 0.53, "top1_low": 0.4, "top1_high": 0.6, "top1_tied": True}
    assert cell(row, COLUMNS[1]) == "≈ 50.00 ±3.0 (40.00 to 60.00)"
    assert cell({**row, "top1": None}, COLUMNS[1]) == "-"
    assert cell({**row, "top1": None, "top1_shown": "NA"}, COLUMNS[1]) == "NA"


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.0, 0.0, 0.49, "0.00 [0.0, 49.0]"),
        (1.0, 0.986, 1.0, "100.00 [98.6, 100.0]"),
        (0.9, 0.80, 0.95, "90.00 [80.0, 95.0]"),
        (0.75, 0.7401, 0.7599, "75.00 ±1.0"),
        (0.72, 0.678, 0.764, "72.00 ±4.3"),
    ],
)
def test_an_interval_that_is_not_symmetric_has_both_ends(value, low, high, text):
    assert cell({"top1": value, "top1_low95": low, "top1_high95": high}, COLUMNS[1]) == text


@pytest.mark.parametrize("form", ["rich", "md", "html", "latex", "csv"])
def test_no_control_character_leaves(form):
    text = render(Table("a\x1b[31m", COLUMNS, (({"name": "x\u202ey\x00\nz", "top1": 0.5},),), ("n\x07",)), form)
    assert not set("\x1b\u202e\x00\x07") & set(text)
    assert sum("y" in line and "z" in line for line in text.splitlines()) == 1


def test_markdown():
    assert render(TABLE, "md").splitlines() == [
        "**Title**",
        "",
        "| Model name | Top-1 |",
        "| --- | ---: |",
        "| a\\|b | 50.00 |",
        "| c | - |",
        "",
        "_A note._  ",
    ]


@pytest.mark.parametrize("form", ["rich", "md"])
def test_notes_stand_alone_where_there_are_no_rows(form):
    empty = Table("Title", COLUMNS, ((),), ("Nothing was found.",))
    lines = [line.strip(" *_") for line in render(empty, form).splitlines() if line]
    assert lines == ["Title", "Nothing was found."]
    assert "Top-1" in render(Table("Title", COLUMNS, ((),)), form)


def test_csv_holds_all_keys_and_raw_numbers():
    rows = list(csv.DictReader(io.StringIO(render(TABLE, "csv"))))
    assert rows == [{"name": "a|b", "top1": "0.5", "extra": "3"}, {"name": "c", "top1": "", "extra": ""}]


def test_json_holds_raw_numbers_and_no_nan():
    table = Table("Title", COLUMNS, (({"name": "a", "top1": float("nan")}, {"name": "b", "top1": 1 / 3}),))
    document = json.loads(render(table, "json"))
    assert document["rows"] == [{"name": "a", "top1": None}, {"name": "b", "top1": 1 / 3}]
    assert document["tables"] == {}


def test_terminal_fits_the_width_and_marks_blocks():
    lines = render(TABLE, "rich", width=30).splitlines()
    assert lines[0] == "Title"
    assert lines[-1] == "A note."
    assert max(map(len, lines)) <= 30
    assert sum(set(line) == {"─"} or set(line) == {"─", " "} for line in lines if line.strip()) >= 1
    long = Table("", (Column("a", "A"), Column("b", "B", "percent")), (({"a": "x" * 40, "b": 0.5},),))
    assert max(map(len, render(long, "rich", width=24).splitlines())) <= 24
    assert "\x1b[" in render(TABLE, "rich", width=30, colour=True)


def test_names_stay_in_one_line():
    columns = (Column("name", "Name"), Column("label", "Label"), Column("top1", "Top-1", "percent"))
    row = {"name": "diving48_inv3_16f", "label": "GSM InceptionV3, Diving48", "top1": 0.39}
    lines = render(Table("", columns, ((row,),)), "rich", width=36).splitlines()
    assert any("diving48_inv3_16f" in line and "39.00" in line for line in lines)
    assert max(map(len, lines)) <= 36


@pytest.mark.parametrize("form", FORMATS)
def test_several_tables_are_all_drawn(form):
    others = [Table(f"Table {at}", COLUMNS, (({"name": f"row{at}", "top1": 0.1},),), name="more") for at in range(2)]
    if form == "csv":
        with pytest.raises(GsmBenchError, match="one csv holds one table"):
            render_all([TABLE, *others], form)
        return
    text = render_all([TABLE, *others], form, width=60)
    assert all(f"row{at}" in text for at in range(2))
    if form == "json":
        assert list(json.loads(text)["tables"]) == ["more", "more-2"]
    else:
        drawn = [render(table, form, width=60) for table in [TABLE, *others]]
        if form == "latex":  # the packages are named once
            drawn[1:] = [one.partition("\n\n")[2] for one in drawn[1:]]
        assert text == ("\n" if form == "html" else "\n\n").join(drawn)


def test_notes_are_added():
    assert with_notes(TABLE, ["Another."]).notes == ("A note.", "Another.")


def test_a_narrow_terminal_leaves_out_intervals_and_says_so():
    columns = (COLUMNS[0], COLUMNS[1], Column("top5", "Top-5", "percent"))
    row = {"name": "a model", "top1": 0.9, "top1_low95": 0.8, "top1_high95": 0.95}
    row |= {"top5": 0.99, "top5_low95": 0.9, "top5_high95": 1.0}
    table = Table("", columns, ((row,),))
    assert "99.00 [90.0, 100.0]" in render(table, "rich", width=60)
    narrow = render(table, "rich", width=40)
    assert "90.00 [80.0, 95.0]" in narrow
    assert "[90.0" not in narrow
    assert narrow.splitlines()[-1] == "No room for the intervals of Top-5."


def test_a_column_has_one_form_of_intervals():
    columns = (Column("name", "Name"), Column("top1", "Top-1", "percent"), Column("top5", "Top-5", "percent"))
    even = {"top1": 0.5, "top1_low95": 0.46, "top1_high95": 0.54}
    uneven = {"top1": 0.99, "top1_low95": 0.90, "top1_high95": 0.995}
    five = {"top5": 0.7, "top5_low95": 0.66, "top5_high95": 0.74}
    table = Table("", columns, (({"name": "a", **even, **five}, {"name": "b", **uneven, **five}),))
    for form in ("rich", "md", "latex", "html"):
        text = render(table, form, width=160)
        assert "46.0, 54.0" in text
        assert "90.0, 99.5" in text
        assert "66.0" not in text
    alone = Table("", columns, (({"name": "a", **even},),))
    assert "[46.0" not in render(alone, "md")
