"""The compiled loops and numpy's give the same bits, on numbers of every size, on ties and where nothing is a number."""

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
            sound = module.rank_views(block, views, labels, ranks, weight, total, first)
        results.append((sound, ranks, total))
    (sound, ranks, total), (sound_plain, ranks_plain, total_plain) = results
    means = np.empty((rows, classes))
    with np.errstate(invalid="ignore"):
        plain.view_means(block, views, means)
    numbers = ~np.isnan(means).any(axis=1)
    assert sound == sound_plain
    assert ranks[numbers].tolist() == ranks_plain[numbers].tolist()
    np.testing.assert_array_equal(total, total_plain)


def test_rows_beyond_a_byte_and_empty_ones():
    scores = np.zeros((2, 2000))
    for module in (compiled, plain):
        ranks = np.empty(2, np.int32)
        module.label_ranks(scores, np.array([0, 1999], np.int32), ranks)
        assert ranks.tolist() == [0, 1999]
        assert module.view_means(np.zeros((0, 2, 5), np.float32), np.array([0, 1]), np.empty((0, 5)))


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
        compiled.rank_views(block, views, labels, ranks, 1.0, np.zeros((3, 5)), True)
    with pytest.raises(ValueError, match="length"):
        compiled.rank_views(block, views, labels[:2], ranks, 1.0, np.zeros((0, 0)), True)
    with pytest.raises(IndexError, match="no views"):
        compiled.rank_views(block, views[:0], labels, ranks, 1.0, np.zeros((0, 0)), True)
    with pytest.raises(ValueError, match="length"):
        compiled.label_ranks(np.zeros((3, 4)), np.zeros(2, np.int32), np.zeros(3, np.int32))
