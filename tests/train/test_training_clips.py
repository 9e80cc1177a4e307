"""Order, random numbers and pixels of training clips, and what a mirror does to labels."""

import json
import os
import signal
import warnings

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import Dataset

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.errors import FrameError, GsmBenchError, WorkerError
from gsm_bench.shapes.classes import CLASSES, mirrored_class
from gsm_bench.splits import Video
from gsm_bench.train.augment import SOMETHING_SWAPS, segment_starts
from gsm_bench.train.draws import BatchOrder, clip_draws, dropout_seed, epoch_order
from gsm_bench.train.mirror import mirrored_classes, swaps_of
from gsm_bench.train.rules import DEFAULT, RELEASED, deviations, recipe_of
from gsm_bench.train.training_clips import ClipSettings, frame_numbers, read_ahead, training_clip
from tests.conftest import REFERENCE

AUGMENT = json.loads((REFERENCE / "training" / "augment.json").read_text())


class Pictures:
    """A source whose frame k is a picture of the value k; some of its frames cannot be read."""

    def __init__(self, frames=40, bad=(), size=(60, 50)):
        self.frames, self.bad, self.size = frames, bad, size

    def count(self, video):
        return self.frames

    def pixels(self, video, numbers):
        for number in numbers:
            if number in self.bad:
                yield number, FrameError(f"frame {number} cannot be decoded", where="here")
            else:
                yield number, Image.new("RGB", self.size, (number, number, number))


def values(source, recipe, frames=4, seed=1, row=0):
    clip = training_clip(
        source, Video("v", source.frames, row), ClipSettings(frames, 32, recipe, {}), clip_draws(seed, (0, row), frames)
    )
    assert clip.shape == (frames, 32, 32, 3)
    return clip[:, 16, 16, 0].tolist()


class Deadly(Dataset):
    """Its reading process is killed."""

    def __len__(self):
        return 1

    def __getitem__(self, row):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_reading_process_that_dies_is_one_error():
    with warnings.catch_warnings(), pytest.raises(WorkerError, match="a reading process died"):
        warnings.simplefilter("error")
        list(read_ahead(Deadly(), 2 * usable_cpus() + 1))


def test_a_video_that_no_frame_can_stand_for(tmp_path):
    source, recipe = Pictures(frames=6, bad=range(1, 7)), recipe_of("default", {"bad_frame": "nearest"})
    with pytest.raises(FrameError, match="take the video out of the list"):
        values(source, recipe)


# Order.


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("rows", [10, 12, 13])
def test_processes_share_every_micro_batch(rows, processes):
    whole = list(BatchOrder(5, rows, 4, 3).batches_from(0, 0))
    shares = [list(BatchOrder(5, rows, 4, 3, rank, processes).batches_from(0, 0)) for rank in range(processes)]
    kept = [batch for batch in whole if len(batch) >= processes]
    for batch, *parts in zip(kept, *shares, strict=True):
        assert sorted(batch) == sorted(key for part in parts for key in part)
        assert all(parts)
    assert BatchOrder(5, rows, 4, 3, 0, processes).batches() * 3 == len(kept)


def test_an_epoch_has_every_row_once_and_the_next_another_order():
    order = BatchOrder(5, 10, 4, 2)
    batches = list(order.batches_from(0, 0))
    assert [order.size(number) for number in range(order.batches())] == [4, 4, 2]
    epochs = [[row for batch in part for _, row in batch] for part in (batches[:3], batches[3:])]
    assert [sorted(rows) for rows in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


def test_a_run_can_begin_at_any_micro_batch():
    order = BatchOrder(5, 10, 4, 3)
    whole = list(order.batches_from(0, 0))
    for at in range(len(whole)):
        assert list(order.batches_from(*divmod(at, order.batches()))) == whole[at:]


def test_streams_of_random_numbers_do_not_meet():
    drawn = [clip_draws(seed, (epoch, row), 1).frames[0] for seed in (0, 1) for epoch in range(3) for row in range(3)]
    assert len(set(drawn)) == len(drawn)
    assert clip_draws(1, (2, 3), 8).frames.tolist() == clip_draws(1, (2, 3), 8).frames.tolist()
    assert epoch_order(1, 0, 50).tolist() != epoch_order(2, 0, 50).tolist()
    seeds = {dropout_seed(1, epoch, batch, rank) for epoch in range(3) for batch in range(3) for rank in range(2)}
    assert len(seeds) == 18
    assert max(seeds) < 2**63


# Frames and crops.


@pytest.mark.parametrize("name", AUGMENT["sampling"]["cases"])
def test_released_frames(name):
    frames, total = (int(part[1:]) for part in name.split())
    settings = ClipSettings(frames, 32, RELEASED, {})
    starts, length = segment_starts(total, frames)
    for row in range(20):
        numbers = frame_numbers(total, settings, clip_draws(1, (0, row), frames))
        if total < frames:
            assert set(numbers.tolist()) == {1}
        else:
            assert np.all((numbers >= starts) & (numbers < starts + length))


def test_the_default_sees_every_frame():
    settings = ClipSettings(8, 32, DEFAULT, {})
    seen = {int(n) for row in range(400) for n in frame_numbers(23, settings, clip_draws(1, (0, row), 8))}
    assert seen == set(range(1, 24))
    assert set(frame_numbers(3, settings, clip_draws(1, (0, 0), 8)).tolist()) == {1, 2, 3}


def test_pixels_are_those_of_the_frames():
    source = Pictures()
    assert (
        values(source, DEFAULT)
        == frame_numbers(40, ClipSettings(4, 32, DEFAULT, {}), clip_draws(1, (0, 0), 4)).tolist()
    )


def test_a_bad_frame_is_an_error_or_replaced():
    numbers = values(Pictures(), DEFAULT)
    bad = Pictures(bad=(numbers[2],))
    with pytest.raises(FrameError, match="'v': frame"):
        values(bad, DEFAULT)
    nearest = values(bad, recipe_of("default", {"bad_frame": "nearest"}))
    assert nearest == [*numbers[:2], numbers[2] - 1, numbers[3]]
    assert values(bad, recipe_of("default", {"bad_frame": "first"}))[2] == 1
    with pytest.raises(FrameError):
        values(Pictures(bad=range(1, 41)), recipe_of("default", {"bad_frame": "nearest"}))


def test_crops_of_the_default_stay_within_the_picture():
    small = Pictures(size=(31, 31))
    borders = {
        recipe: min(
            training_clip(small, Video("v", 40, row), ClipSettings(1, 32, recipe, {}), clip_draws(1, (0, row), 1)).min()
            for row in range(60)
        )
        for recipe in (DEFAULT, RELEASED)
    }
    assert borders[DEFAULT] >= 1
    assert borders[RELEASED] == 0  # black


# Mirrors.


def test_shapes_are_mirrored_as_their_trainer_does():
    pairs = mirrored_classes(CLASSES)
    assert {label: pairs.get(label, label) for label in range(len(CLASSES))} == {
        label: mirrored_class(label) for label in range(len(CLASSES))
    }


def test_names_of_other_data_sets():
    names = [
        "Swiping Left",
        "Swiping Right",
        "Turning Hand Clockwise",
        "Turning Hand Counterclockwise",
        "Thumb Up",
        "Looking left",
    ]
    assert mirrored_classes(names) == {0: 1, 1: 0, 2: 3, 3: 2}
    names = [
        "Pulling something from left to right",
        "Pulling something from right to left",
        "turning_left",
        "turning_right",
    ]
    assert mirrored_classes(names) == {0: 1, 1: 0, 2: 3, 3: 2}
    assert mirrored_classes(["leftover", "bright", "upright"]) == {}


def test_numbers_are_swapped_by_the_release_where_a_name_has_something():
    assert swaps_of(RELEASED, "something-v1", {"action": 174}, {}) == {"action": SOMETHING_SWAPS}
    assert swaps_of(RELEASED, "jester", {"action": 27}, {"action": ["Swiping Left", "Swiping Right"]}) == {"action": {}}
    assert swaps_of(DEFAULT, "jester", {"action": 2}, {"action": ["Swiping Left", "Swiping Right"]}) == {
        "action": {0: 1, 1: 0}
    }
    assert (
        swaps_of(recipe_of("default", {"mirror": False}), "jester", {"action": 2}, {"action": ["Left", "Right"]}) == {}
    )


def test_actions_of_verbs_and_nouns_change_with_their_verbs():
    names = {
        "verb": ["move left", "move right", "stay"],
        "noun": ["dot", "bar"],
        "action": ["0,0", "0,1", "1,0", "2,1"],
    }
    assert swaps_of(DEFAULT, "shapes", {"verb": 3, "noun": 2, "action": 4}, names) == {
        "verb": {0: 1, 1: 0},
        "action": {0: 2, 2: 0},
    }


# Recipes.


def test_the_release_deviates_in_nothing_and_each_change_is_said():
    assert deviations(RELEASED) == []
    assert deviations(recipe_of("released", {"seed": 9})) == []
    assert len(deviations(DEFAULT)) == 7
    changed = recipe_of("released", {"epochs": 20, "dropout": 0.7})
    assert deviations(changed) == ["epochs is 20 (released: 60)", "dropout is 0.7 (released: 0.5)"]


@pytest.mark.parametrize(("epochs", "warmup"), [(60, 10), (20, 10), (19, 3), (6, 1), (1, 0)])
def test_short_trainings_have_a_short_warmup(epochs, warmup):
    assert recipe_of("default", {"epochs": epochs}).warmup == warmup


def test_settings_that_do_not_go_together():
    with pytest.raises(GsmBenchError, match="leaves none of 5"):
        recipe_of("default", {"epochs": 5, "warmup": 5})
    with pytest.raises(GsmBenchError, match="float16"):
        recipe_of("released", {"precision": "float16"})
