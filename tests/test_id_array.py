import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsm_bench import id_array
from gsm_bench.id_array import IdArray

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), max_size=12)
LISTS = st.lists(TEXT, max_size=30)


@given(LISTS)
def test_names_are_the_strings_they_were_made_of(texts):
    names = IdArray.of(texts)
    assert list(names) == texts
    assert names == texts
    assert names == tuple(texts)
    assert [names[row] for row in range(len(names))] == texts
    assert names[1:] == texts[1:]
    assert list(names.take(np.arange(len(texts))[::-1])) == texts[::-1]
    assert IdArray.of(names) is names
    assert pickle.loads(pickle.dumps(names)) == names


@given(LISTS)
def test_fingerprint_is_that_of_the_joined_text(texts):
    names = IdArray.of(texts)
    assert names.sha256 == hashlib.sha256("\n".join(texts).encode()).hexdigest()
    assert b"".join(names.lines()) == b"".join(text.encode() + b"\n" for text in texts)


def test_blocks_join_without_a_seam(monkeypatch):
    texts = [f"clip{row}" for row in range(10)]
    monkeypatch.setattr(id_array, "BLOCK", 3)
    assert list(IdArray.of(texts)) == texts
    assert IdArray.of(texts).sha256 == hashlib.sha256("\n".join(texts).encode()).hexdigest()


@given(LISTS)
def test_first_repeated_is_the_first_row_whose_name_stood_before(texts):
    expected = next((row for row, text in enumerate(texts) if text in texts[:row]), None)
    assert IdArray.of(texts).first_repeated() == expected


@given(LISTS, st.lists(TEXT, max_size=30, unique=True))
def test_rows_in_finds_each_name_or_says_that_it_is_not_there(texts, others):
    expected = [others.index(text) if text in others else -1 for text in texts]
    assert IdArray.of(texts).rows_in(IdArray.of(others)).tolist() == expected


@given(LISTS, st.lists(TEXT, max_size=30, unique=True))
def test_names_of_equal_keys_are_still_told_apart(texts, others):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_array, "_keys", lambda texts, _: np.zeros(len(texts), np.uint64))
        expected = [others.index(text) if text in others else -1 for text in texts]
        assert IdArray.of(texts).rows_in(IdArray.of(others)).tolist() == expected
        repeated = next((row for row, text in enumerate(texts) if text in texts[:row]), None)
        assert IdArray.of(texts).first_repeated() == repeated


def test_names_of_other_lengths_compare_by_what_they_say():
    short, long = IdArray.of(["a", "b"]), IdArray.of(["a", "b", "a longer name"])[:2]
    assert short.texts.dtype != long.texts.dtype
    assert short == long
    assert hash(short) == hash(long)
    assert short != IdArray.of(["a", "c"])
    assert short != "ab"
    assert short.rows_in(long).tolist() == [0, 1]


def test_a_name_with_nul_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        IdArray.of(["a\0"])


def test_names_say_what_they_hold():
    assert repr(IdArray.of(["a", "b", "c", "d"])) == "IdArray(4: 'a', 'b', 'c', ..)"
