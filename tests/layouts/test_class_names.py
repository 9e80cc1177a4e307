"""Class files beside lists."""

import pytest

from gsm_bench.errors import SplitError
from gsm_bench.layouts.rows import class_names
from gsm_bench.manifest import load_manifest

ANIMALS = ("ape", "bee", "cat", "dog", "elk")


@pytest.fixture
def entry(workspace):
    return load_manifest(workspace).dataset("toy")


@pytest.mark.parametrize("first", [0, 1])
def test_numbered_lines_are_names_in_numerical_order(tmp_path, entry, first):
    """UCF101's classInd.txt has rows `1 ApplyEyeMakeup`; the number is no part of the name."""
    rows = [f"{number} {name}" for number, name in enumerate(ANIMALS, start=first)]
    (tmp_path / "classes.txt").write_text("\n".join([*rows[3:], *rows[:3]]) + "\n")
    assert class_names(entry, tmp_path) == ANIMALS


def test_ten_comes_after_nine(tmp_path, workspace):
    from dataclasses import replace

    entry = replace(load_manifest(workspace).dataset("toy"), classes=12)
    names = tuple(f"C{number:02d}" for number in range(1, 13))
    (tmp_path / "classes.txt").write_text("".join(f"{at}\t{name}\r\n" for at, name in enumerate(names, start=1)))
    assert class_names(entry, tmp_path) == names


@pytest.mark.parametrize(
    "names",
    [
        ("1 step", "3 steps", "4 steps", "5 steps", "6 steps"),  # not consecutive
        ("2 up", "3 up", "4 up", "5 up", "6 up"),  # neither from 0 nor from 1
        ("1 a", "2 b", "3 c", "4 d", "e"),  # a name without a number
        ("1 a", "1 b", "2 c", "3 d", "4 e"),  # a number twice
    ],
)
def test_other_names_that_begin_with_numbers_stay(tmp_path, entry, names):
    (tmp_path / "classes.txt").write_text("\n".join(names) + "\n")
    assert class_names(entry, tmp_path) == names


def test_numbered_lines_that_are_not_sorted_are_refused_where_classes_are_alphabetical(tmp_path, entry):
    from dataclasses import replace

    rows = [f"{number} {name}" for number, name in enumerate(reversed(ANIMALS), start=1)]
    (tmp_path / "classes.txt").write_text("\n".join(rows) + "\n")
    with pytest.raises(SplitError, match="not in alphabetical order"):
        class_names(replace(entry, class_order="alphabetical"), tmp_path)
