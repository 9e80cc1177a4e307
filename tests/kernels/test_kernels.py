"""The compiled loops and numpy's give the same bits, on numbers of every size, on ties and where nothing is a number."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gsm_bench import kernels
from gsm_bench.kernels import plain

compiled = pytest.importorskip(
    "gsm_bench.kernels.compiled", reason="this installation was built without a compiler: numpy does the work"
)

NO_SUMS, NO_TOTAL = np.empty(0, np.uint32), np.zeros((0, 0))
ANY = st.floats(width=32, allow_nan=True, allow_infinity=True)
FEW = st.sampled_from([0.0, -0.0, 1.0, 2.0, -np.inf, np.inf, np.nan])
BLOCKS = arrays.array_shapes(min_dims=3, max_dims=3, max_side=19).flatmap(
    lambda shape: arrays.arrays(np.float32, shape, elements=ANY | FEW)
)


def test_the_compiled_ones_are_at_work():
    assert kernels.COMPILED
    assert kernels.view_means is compiled.view_means


@given(BLOCKS, st.data())
def test_means_over_views_are_equal_bit_by_bit(block, data):
    held = block.shape[1]
    views = np.array(data.draw(st.lists(st.integers(0, held - 1), min_size=1, max_size=2 * held)), np.int64)
    found, expected = (np.full((len(block), block.shape[2]), 7.0) for _ in range(2))
    with np.errstate(invalid="ignore", over="ignore"):
        sound = plain.view_means(block, views, expected)
    assert compiled.view_means(block, views, found) == sound == bool(np.isfinite(expected).all())
    np.testing.assert_array_equal(found, expected)
    assert np.signbit(found[~np.isnan(found)]).tolist() == np.signbit(expected[~np.isnan(found)]).tolist()


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40), st.floats(-1e3, 1e3))
def test_products_are_rounded_before_they_are_added(values, weight):
    means = np.array([values])
    found, expected = means[:, ::-1].copy(), means[:, ::-1].copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for first in (False, True, False):
            compiled.add_weighted(means, weight, found, first)
            plain.add_weighted(means, weight, expected, first)
            np.testing.assert_array_equal(found, expected)


@given(BLOCKS, st.data())
def test_ranks_are_equal_and_as_counted_by_hand(block, data):
    scores = block[:, 0].astype(np.float64)
    rows, classes = scores.shape
    labels = np.array(data.draw(st.lists(st.integers(-2, classes), min_size=rows, max_size=rows)), np.int32)
    found, expected = (np.full(rows, 99, np.int32) for _ in range(2))
    compiled.label_ranks(scores, labels, found)
    plain.label_ranks(scores, labels, expected)
    for row, label in enumerate(labels):
        if not 0 <= label < classes:
            assert found[row] == expected[row] == -1
        elif not np.isnan(scores[row]).any():
            better = sum((value, -c) > (scores[row, label], -label) for c, value in enumerate(scores[row]))
            assert found[row] == expected[row] == better


@given(BLOCKS, st.floats(-3, 3), st.booleans(), st.booleans(), st.data())
def test_the_three_in_one_are_the_three(block, weight, first, adds, data):
    rows, held, classes = block.shape
    views = np.array(data.draw(st.lists(st.integers(0, held - 1), min_size=1, max_size=held)), np.int64)
    labels = np.array(data.draw(st.lists(st.integers(-2, classes), min_size=rows, max_size=rows)), np.int32)
    results = []
    for module in (compiled, plain):
        ranks, total = np.full(rows, 99, np.int32), np.full((rows, classes) if adds else (0, 0), 0.1)
        with np.errstate(invalid="ignore", over="ignore"):
            sound = module.rank_rows(block, views, labels, ranks, weight, total, first, NO_SUMS, 1)
        results.append((sound, ranks, total))
    (sound, ranks, total), (sound_plain, ranks_plain, total_plain) = results
    means = np.empty((rows, classes))
    with np.errstate(invalid="ignore"):
        plain.view_means(block, views, means)
    numbers = ~np.isnan(means).any(axis=1)
    assert sound == sound_plain
    assert ranks[numbers].tolist() == ranks_plain[numbers].tolist()
    np.testing.assert_array_equal(total, total_plain)


@pytest.mark.parametrize(
    ("rows", "held", "classes", "rows_per_sum"),
    [
        (1, 1, 1, 1), (7, 1, 1, 3), (300, 1, 3, 64), (64, 2, 33, 64), (65, 2, 33, 64), (100, 2, 174, 16), (9, 3, 1021, 4),
        (3, 2, 3000, 2), (2000, 1, 5, 1024), (5, 2, 7, 1000), (33, 1, 129, 1), (0, 2, 5, 4),
    ],
)  # fmt: skip
def test_checksums_are_those_of_zlib(rows, held, classes, rows_per_sum):
    block = np.random.default_rng(rows).standard_normal((rows, held, classes)).astype(np.float32)
    pieces = [block[start : start + rows_per_sum] for start in range(0, rows, rows_per_sum)]
    for module in (compiled, plain):
        sums = np.full(len(pieces), 7, np.uint32)
        ranks = np.empty(rows, np.int32)
        module.rank_rows(block, np.array([0]), np.zeros(rows, np.int32), ranks, 1.0, NO_TOTAL, True, sums, rows_per_sum)
        assert sums.tolist() == [zlib.crc32(piece.tobytes()) for piece in pieces]


def test_checksums_of_bytes_of_every_length():
    """One class more adds four bytes: all lengths of what is left after the wide registers."""
    numbers = np.random.default_rng(0).standard_normal(400).astype(np.float32)
    for classes in range(1, 400):
        block, sums = numbers[:classes].reshape(1, 1, classes), np.zeros(1, np.uint32)
        compiled.rank_rows(
            block, np.array([0]), np.zeros(1, np.int32), np.empty(1, np.int32), 1.0, NO_TOTAL, True, sums, 1
        )
        assert sums[0] == zlib.crc32(block.tobytes())


def test_rows_beyond_a_byte_and_empty_ones():
    scores = np.zeros((2, 2000))
    for module in (compiled, plain):
        ranks = np.empty(2, np.int32)
        module.label_ranks(scores, np.array([0, 1999], np.int32), ranks)
        assert ranks.tolist() == [0, 1999]
        assert module.view_means(np.zeros((0, 2, 5), np.float32), np.array([0, 1]), np.empty((0, 5)))


def test_rows_without_classes_have_checksums():
    sums, labels, ranks = np.full(2, 7, np.uint32), *np.zeros((2, 3), np.int32)
    compiled.rank_rows(np.zeros((3, 2, 0), np.float32), np.array([0]), labels, ranks, 1.0, NO_TOTAL, True, sums, 2)
    assert sums.tolist() == [0, 0]


def test_arrays_that_do_not_fit_are_refused():
    block, views = np.zeros((3, 2, 4), np.float32), np.array([0, 1])
    with pytest.raises(ValueError, match="shape"):
        compiled.view_means(block, views, np.empty((3, 5)))
    with pytest.raises(IndexError, match="view"):
        compiled.view_means(block, np.array([2]), np.empty((3, 4)))
    with pytest.raises(ValueError, match="shape"):
        compiled.add_weighted(np.zeros((3, 4)), 1.0, np.zeros((3, 5)), True)
    labels, ranks = np.zeros((2, 3), np.int32)
    with pytest.raises(ValueError, match="shape"):
        compiled.rank_rows(block, views, labels, ranks, 1.0, np.zeros((3, 5)), True, NO_SUMS, 1)
    with pytest.raises(ValueError, match="length"):
        compiled.rank_rows(block, views, labels[:2], ranks, 1.0, NO_TOTAL, True, NO_SUMS, 1)
    with pytest.raises(IndexError, match="no views"):
        compiled.rank_rows(block, views[:0], labels, ranks, 1.0, NO_TOTAL, True, NO_SUMS, 1)
    for room, rows_per_sum in ((1, 2), (2, 1), (4, 1), (1, 0), (3, -1)):
        with pytest.raises(ValueError, match="checksum"):
            compiled.rank_rows(
                block, views, labels, ranks, 1.0, NO_TOTAL, True, np.zeros(room, np.uint32), rows_per_sum
            )
    with pytest.raises(ValueError, match="length"):
        compiled.label_ranks(np.zeros((3, 4)), np.zeros(2, np.int32), np.zeros(3, np.int32))
