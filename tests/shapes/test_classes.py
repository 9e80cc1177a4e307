import numpy as np
import pytest

from gsm_bench.shapes import CLASSES, PAIRS, mirrored_class, reversed_class
from gsm_bench.shapes.events import plan_event, progress_curve
from gsm_bench.shapes.scenes import draw_event


def ids(*names):
    return [CLASSES.index(name) for name in names]


def test_ids_follow_the_sorted_names():
    assert list(CLASSES) == sorted(CLASSES)
    assert len(set(CLASSES)) == 14 == 2 * len(PAIRS)


def test_reversal_pairs_every_class_with_another():
    for index in range(14):
        assert reversed_class(index) != index
        assert reversed_class(reversed_class(index)) == index
    assert reversed_class(*ids("putting in")) == ids("taking out")[0]


def test_mirror_swaps_left_right_and_turns_and_nothing_else():
    swapped = {CLASSES[k]: CLASSES[mirrored_class(k)] for k in range(14) if mirrored_class(k) != k}
    assert swapped == {
        "moving left": "moving right",
        "moving right": "moving left",
        "turning anticlockwise": "turning clockwise",
        "turning clockwise": "turning anticlockwise",
    }


def first_event(motion, **values):
    for index in range(400):
        event = plan_event("train", 3, index)
        if event.pair.motion == motion and all(getattr(event, key) == value for key, value in values.items()):
            return event
    raise AssertionError(f"no {motion} event with {values}")


def colourful(frames):
    """Where a frame is saturated: the shape on its greyish background; bool [n, H, W]."""
    spread = frames.max(-1).astype(int) - frames.min(-1)
    return spread > 110


@pytest.mark.parametrize(("motion", "axis"), [("across", 2), ("along", 1)])
def test_forward_motion_goes_right_or_down(motion, axis):
    where = colourful(draw_event(first_event(motion, shape="disc")))
    centres = [np.argwhere(frame)[:, axis - 1].mean() for frame in where]
    assert centres[-1] - centres[0] > 30
    assert np.all(np.diff(centres) > -1)


def test_approaching_grows():
    areas = colourful(draw_event(first_event("depth", shape="disc"))).sum((1, 2))
    assert areas[-1] > 10 * max(areas[0], 1)


def test_the_mark_turns_clockwise_on_the_screen_and_the_other_way_in_a_mirror():
    frames = draw_event(first_event("turn", shape="disc", pace="steady"))

    def turned(pictures):
        white = [np.argwhere(frame) for frame in (pictures > 200).all(-1)]
        centre = np.array([(spots.min(0) + spots.max(0)) / 2 for spots in white]).mean(0)  # of the dial around it
        down, right = np.array([spots.mean(0) - centre for spots in white]).T
        return np.unwrap(np.arctan2(down, right))

    angle = turned(frames)
    assert angle[-1] - angle[0] > np.pi
    mirrored = turned(frames[:, :, ::-1])
    assert mirrored[-1] - mirrored[0] < -np.pi


def test_appearing_ends_with_the_shape_and_begins_without():
    frames = colourful(draw_event(first_event("fade", shape="disc", pace="steady")))
    assert frames[-1].sum() > 300
    assert frames[0].sum() == 0


def test_progress_rises_from_near_zero_to_near_one():
    for index in range(200):
        event = plan_event("val", 1, index)
        curve = progress_curve(event)
        assert len(curve) == event.frames
        assert np.all(np.diff(curve) >= 0)
        assert curve[0] < 0.5 < curve[-1]
        assert curve[-1] - curve[0] > 0.5


GOLDEN = [
    ("across", "cross", "bricks", 67, 71.129),
    ("along", "triangle", "bricks", 66, 49.653),
    ("depth", "triangle", "grain", 60, 86.991),
    ("fade", "ring", "waves", 53, 80.577),
    ("cloth", "triangle", "waves", 44, 84.195),
    ("turn", "ring", "waves", 15, 88.807),
    ("box", "disc", "clouds", 38, 75.587),
]


@pytest.mark.parametrize("index", range(7))
def test_the_drawing_of_version_1_is_what_the_networks_were_trained_on(index):
    """Means of the first validation events as drawn for the shipped weights: a change raises VERSION."""
    event = plan_event("val", 2020, index)
    mean = float(draw_event(event).mean())
    assert (event.pair.motion, event.shape, event.group, event.frames) == GOLDEN[index][:4]
    assert mean == pytest.approx(GOLDEN[index][4], abs=0.002)
