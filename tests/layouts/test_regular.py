import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsm_bench.layouts import regular
from gsm_bench.layouts.columns import DEFAULT, parse_list
from gsm_bench.layouts.regular import read_regular
from gsm_bench.layouts.rows import text_lines

WORD = st.text("ab_1", min_size=1, max_size=9)
NUMBER = st.integers(1, 999_999_999).map(str)
TEXTS = st.text("a1 0\n\r\tä", max_size=30)


def rows_of(columns):
    return st.lists(st.tuples(WORD, *[NUMBER] * (columns - 1)).map(" ".join), min_size=1, max_size=20)


def slowly(path):
    lines = [line for line in text_lines(path) if line]
    table = parse_list(path, lines, DEFAULT[: min(len(lines[0].split(" ")), 3)])
    frames = table.numbers("frames") if "frames" in table.columns else [0] * len(lines)
    return table.texts("id"), frames, table.numbers("label") if "label" in table.columns else []


@given(st.integers(1, 3).flatmap(rows_of), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 40))
def test_regular_lists_give_what_the_reader_row_by_row_gives(tmp_path_factory, lines, ending, closed, block):
    path = tmp_path_factory.mktemp("list") / "list.txt"
    path.write_bytes((ending.join(lines) + (ending if closed else "")).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regular, "BLOCK_BYTES", block)
        found = read_regular(path)
    ids, frames, labels = slowly(path)
    assert list(found.ids) == ids
    assert found.num_frames.tolist() == frames
    assert (found.labels is None) == (" " not in lines[0] or lines[0].count(" ") == 1)
    assert found.labels is None or found.labels.tolist() == labels


@given(TEXTS)
def test_whatever_a_list_holds_it_is_read_as_row_by_row_or_left_alone(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("list") / "list.txt"
    path.write_bytes(text.encode())
    found = read_regular(path)
    if found is not None:
        ids, frames, labels = slowly(path)
        assert (list(found.ids), found.num_frames.tolist()) == (ids, frames)
        assert found.labels is None or found.labels.tolist() == labels


@pytest.mark.parametrize(
    "text",
    ["", "a 0 1\n", "a 1 x\n", "a 1 2\n\nb 1 2\n", "a 1 2\nb 1\n", "a  1 2\n", "ä 1 2\n", "a\t1 2\n", "a 1 1234567890\n", "a 1 2\n b 1\n"],
)  # fmt: skip
def test_lists_that_are_not_regular_are_left_to_the_reader_that_names_the_row(tmp_path, text):
    (tmp_path / "list.txt").write_text(text)
    assert read_regular(tmp_path / "list.txt") is None


def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa 1 2\n")
    found = read_regular(tmp_path / "list.txt")
    assert (found.ids[0], found.labels.dtype) == ("a", np.int64)
