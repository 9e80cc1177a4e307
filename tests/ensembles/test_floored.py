"""Minus infinity masks a class: whatever is computed is what a very low score gives, and below every number of its view."""

import warnings

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.ensembles.fuse import MASKED, floored
from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.evaluation.accuracies import accuracies_alone, accuracies_of
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import predict
from gsm_bench.evaluation.top_classes import top_classes
from gsm_bench.selection.greedy import member_scores, select
from gsm_bench.selection.temperatures import member_temperatures
from tests.selection.pools import brute_force, counted, noisy, pool, save

VIDEOS, CLASSES = 300, 9


@pytest.fixture
def labels():
    return np.random.default_rng(5).integers(0, CLASSES, VIDEOS)


def hide(arrays, masks, low):
    return [np.where(mask, low, array) for array, mask in zip(arrays, masks, strict=True)]


def masks_of(name, labels, views):
    """Bool [300, V, 9] for each of three members; no row is masked whole."""
    rng = np.random.default_rng(2)
    shape = (VIDEOS, views, CLASSES)
    kept = np.arange(VIDEOS)[:, None, None] % CLASSES == np.arange(CLASSES)
    label = labels[:, None, None] == np.arange(CLASSES)
    first = np.arange(VIDEOS)[:, None, None] < 40
    masks = {
        "few": [rng.random(shape) < 0.05 for _ in range(3)],
        "half": [rng.random(shape) < 0.5 for _ in range(3)],
        "all but one": [np.ones(shape, bool)] * 3,
        "the labels": [np.broadcast_to(label, shape)] * 3,
        "the labels of one": [np.broadcast_to(label, shape), np.zeros(shape, bool), np.zeros(shape, bool)],
        "all but the labels": [np.broadcast_to(~label, shape), np.zeros(shape, bool), np.zeros(shape, bool)],
        "one class of all": [np.broadcast_to(np.arange(CLASSES) == 4, shape)] * 3,
        "one class each": [np.broadcast_to(np.arange(CLASSES) == at, shape) for at in range(3)],
        "the first rows": [np.broadcast_to(first, shape)] * 3,
        "the last view": [np.arange(views)[:, None] == views - 1 & (rng.random(shape) < 0.6)] * 3,
    }[name]
    return [np.asarray(mask) & ~kept for mask in masks]


NAMES = ("few", "half", "all but one", "the labels", "the labels of one", "all but the labels", "one class of all",
         "one class each", "the first rows", "the last view")  # fmt: skip


def answers(specs, labels, space):
    """What fusion, prediction, search and temperatures give."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_members(specs) as members:
            blocks = member_scores(members, "action", space, labels)
            top = top_classes(members, "action", space, labels)
            result = [
                str(accuracies_of(members, "action", space, labels)),
                str(accuracies_alone(members, "action", space, labels)),
                *(values.tolist() for values in vars(predict(members, "action", space, labels)).values()),
                *(values.tolist() for values in vars(top).values()),
                select(blocks, np.ones(VIDEOS, bool), len(members), rounds=8).tolist(),
                member_temperatures(members, "action", GroundTruth({"action": labels})),
            ]
        return [*result, counted(specs, labels, space)[1]]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("space", ["logits", "probabilities"])
def test_minus_infinity_gives_what_a_very_low_score_gives(name, views, space, tmp_path, labels):
    arrays, masks = noisy(labels, CLASSES, 3, views), masks_of(name, labels, views)
    results = []
    for low in (MASKED, -np.inf):
        folder = tmp_path / str(low)
        folder.mkdir()
        specs = pool(folder, hide(arrays, masks, low))[views - 1 :: views]
        results.append(answers(specs, labels, space))
        assert results[-1][-1] == brute_force(specs, labels, space)
    assert results[0] == results[1]


@pytest.mark.parametrize("lowest", [-9e3, -1e4, -2e5, -1e9, -1e30, -3e38, float(np.finfo(np.float32).min)])
def test_a_masked_class_is_never_above_a_number(lowest):
    block = np.float32([[[1.0, lowest, -np.inf, 3.0], [0.0, 1.0, 2.0, -np.inf]]])
    result = floored(block)
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result[0, 0, 2] <= result[0, 0, 1] and result[0, 0, 2] <= MASKED
    assert result[0, 1, 3] == MASKED
    kept = np.isfinite(block)
    assert np.array_equal(result[kept], block[kept])


def test_a_block_without_minus_infinity_is_not_copied():
    block = np.float32([[[1.0, np.nan, np.inf]]])
    assert floored(block) is block


def test_a_view_of_minus_infinity_alone_holds_no_numbers():
    result = floored(np.full((1, 2, 3), -np.inf, np.float32))
    assert np.isnan(result).all()


def test_rows_without_scores_stay_without_scores(tmp_path, labels):
    arrays = noisy(labels, CLASSES, 2)
    arrays[0][7, 0, 2] = -np.inf
    arrays[1][20:30] = np.nan
    status = np.zeros(VIDEOS, int)
    status[20:30] = 2
    paths = save(tmp_path, "a", arrays[0]), save(tmp_path, "b", arrays[1], status=status)
    with open_members([MemberSpec(path.stem, path, 1, 1.0) for path in paths]) as members:
        fused, (one, other) = accuracies_of(members, "action", "logits", labels)
    assert (fused.scored, one.scored, other.scored) == (VIDEOS - 10, VIDEOS, VIDEOS - 10)


def test_arrays_of_a_notebook(labels):
    scores = noisy(labels, CLASSES, 1)[0]
    scores[:, 0, 3] = np.where(labels == 3, scores[:, 0, 3], -np.inf)
    scores[5] = -np.inf
    ids = [f"v{at}" for at in range(VIDEOS)]
    masked = gb.from_arrays(ids, scores, labels, kind="logits")
    numbers = np.where(np.isinf(scores), MASKED, scores)
    numbers[5] = np.nan
    low = gb.from_arrays(ids, numbers, labels, kind="logits")
    assert masked.head.status.tolist() == low.head.status.tolist() == [2 * (at == 5) for at in range(VIDEOS)]
    assert gb.evaluate(masked).to_pandas().equals(gb.evaluate(low).to_pandas())
    fused = [gb.fuse([file, file]).scores["action"] for file in (masked, low)]
    assert np.array_equal(*fused, equal_nan=True)
