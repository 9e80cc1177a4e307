"""Columns of text lists, without their frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsm_bench.errors import SplitError
from gsm_bench.layouts.columns import parse_list


def table_of(text, columns=()):
    return parse_list("list.txt", text.splitlines(), columns)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a 9 1\nb 8 0\n", ("id", "frames", "label")),
        ("a\t9\t1\nb\t8\t0\n", ("id", "frames", "label")),
        ("id,label\na,1\nb,0\n", ("id", "label")),
        ("label;frames;path\n1;9;a\n0;8;b\n", ("label", "frames", "id")),
        (",video,class\n0,a,1\n1,b,0\n", ("", "id", "label")),
        ("# made by a script\na 9 1\nb 8 0\n", ("id", "frames", "label")),
        ("1,a\n0,b\n", ("frames", "id")),
        ("a,\nb,\n", ("id",)),
        ("take 1\ntake 2\ntake 3\n", ("id",)),
        ("take 1 9\ntake 2 9\ntake 3 9\n", ("id", "frames")),
        ("Smith, John 9 1\nDoe, Jane 8 0\n", ("id", "frames", "label")),
    ],
)
def test_columns(text, columns):
    assert table_of(text).columns == columns


def test_fields_keep_their_spaces_inside():
    table = table_of("a  b   9 1\n c 8 0 \n")
    assert (table.texts("id"), table.numbers("frames")) == (["a  b", "c"], [9, 8])


def test_ids_may_contain_a_separator():
    assert table_of("a,1\nb,2\n", columns=("id",)).texts("id") == ["a,1", "b,2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n \n", "empty"),
        ("a 9 1\nb 8\n", "expected <id> <frames> <class>, as in line 1"),
        ("a 1 9 1\nb 1 8 0\n", "4 columns of this list have no header"),
        ("a,x,1\nb,y,0\n", "3 columns of this list have no header"),
        ("id,label,class\na,1,2\n", "several columns of labels"),
    ],
)
def test_columns_that_are_not_known(text, message):
    with pytest.raises(SplitError, match=message):
        table_of(text)


def test_a_number_that_is_none_names_its_line():
    with pytest.raises(SplitError, match=r"'9\.5' in the column 'frames' is not a whole number") as refused:
        table_of("id,frames\na,9\nb,9.5\n").numbers("frames")
    assert "line 3" in str(refused.value)


@given(st.text('ab01 ,;\t\n#".é', max_size=60))
def test_any_text_is_a_table_or_an_error(text):
    try:
        table = table_of(text)
    except SplitError:
        return
    assert len(table.texts("id")) == len(table.rows) > 0
    assert {len(fields) for _, fields in table.rows} == {len(table.columns)}
