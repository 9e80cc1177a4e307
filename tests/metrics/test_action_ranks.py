import numpy as np
import pytest

from gsm_bench.metrics.action_ranks import best_pairs, pair_ranks


def all_ranks(verb, noun):
    """Rank of every pair int [N, Cv, Cn], by sorting all sums; a stable sort keeps (verb, noun) order among equals."""
    sums = (verb[:, :, None] + noun[:, None, :]).reshape(len(verb), -1)
    order = np.argsort(-sums, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    return ranks.reshape(len(verb), verb.shape[1], noun.shape[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8], ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (5, 8), (97, 300)], ids=str)
def test_ranks_equal_a_sort_of_all_pairs(dtype, shape):
    """With many equal sums, too: half precision and whole numbers collide all the time."""
    rng = np.random.default_rng(shape[0])
    rows = 40
    verb, noun = ((3 * rng.standard_normal((rows, classes))).astype(dtype).astype(np.float64) for classes in shape)
    verbs, nouns = (rng.integers(0, classes, rows) for classes in shape)
    expected = all_ranks(verb, noun)
    assert pair_ranks(verb, noun, verbs, nouns).tolist() == expected[np.arange(rows), verbs, nouns].tolist()
    best = expected.reshape(rows, -1).argmin(axis=1)
    assert np.stack(best_pairs(verb, noun)).tolist() == [(best // shape[1]).tolist(), (best % shape[1]).tolist()]


def test_hand_made():
    verb, noun = np.array([[2.0, 1.0]]), np.array([[0.0, 1.0]])  # sums 2, 3 / 1, 2
    ranks = [int(pair_ranks(verb, noun, np.array([v]), np.array([n]))[0]) for v in range(2) for n in range(2)]
    assert ranks == [1, 0, 3, 2]  # 0,0 and 1,1 are equal: the lower verb first


def test_no_rows():
    assert pair_ranks(np.zeros((0, 3)), np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, int)).tolist() == []
