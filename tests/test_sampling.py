import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsm_bench.sampling import clip_offsets, in_order, indices_at, sample_indices, validation_indices
from tests.conftest import REFERENCE

EXAMPLES = json.loads((REFERENCE / "frame_indices.json").read_text())


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples(name):
    frames, num_frames = (int(part) for part in name.replace("frames", "").split("f-"))
    expected = EXAMPLES[name]
    assert sample_indices(num_frames, frames).tolist() == [expected["1clip"]]
    assert sample_indices(num_frames, frames, 2).tolist() == expected["2clips"]
    assert validation_indices(num_frames, frames).tolist() == expected["val"]


def test_double_products_not_whole_number_arithmetic():
    # 12 frames of 8: the integer formula (2x + 1) * 8 // 24 + 1 gives 1 2 2 3 4 4 5 6 6 7 8 8.
    assert sample_indices(8, 12)[0].tolist() == [1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8]


@given(st.integers(1, 400), st.integers(1, 32))
def test_second_of_two_clips_is_the_one_clip_protocol(num_frames, frames):
    assert np.array_equal(sample_indices(num_frames, frames, 2)[1], sample_indices(num_frames, frames)[0])


@given(st.integers(1, 400), st.integers(1, 32), st.integers(1, 6))
def test_indices_are_frames_of_the_video_in_order(num_frames, frames, clips):
    indices = sample_indices(num_frames, frames, clips)
    assert indices.shape == (clips, frames)
    assert indices.min() >= 1
    assert indices.max() <= num_frames
    assert (np.diff(indices, axis=1) >= 0).all()


def test_offsets():
    assert clip_offsets(1) == (0.5,)
    assert clip_offsets(2) == (0.0, 0.5)
    assert clip_offsets(4) == (0.0, 0.25, 0.5, 0.75)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sample_indices(0, 8),
        lambda: sample_indices(8, 0),
        lambda: sample_indices(8, 8, 0),
        lambda: indices_at(-1, 8, 0.5),
    ],
)
def test_refuses_what_cannot_be_sampled(call):
    with pytest.raises(ValueError):
        call()


def test_orders_of_one_clip():
    numbers = np.array([2, 5, 8, 11])
    assert in_order(numbers, "forward").tolist() == [2, 5, 8, 11]
    assert in_order(numbers, "reversed").tolist() == [11, 8, 5, 2]
    assert in_order(numbers, "frozen").tolist() == [8, 8, 8, 8]


def test_the_id_alone_decides_a_shuffled_order():
    numbers = np.arange(1, 9)
    orders = {name: in_order(numbers, "shuffled", name).tolist() for name in map(str, range(50))}
    assert all(sorted(order) == numbers.tolist() for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 45
    assert orders["7"] == [4, 8, 7, 2, 5, 3, 1, 6]  # on every machine, in every version
