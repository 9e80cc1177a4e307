"""Resized on a device: Pillow's bytes, for every size, every window and every view."""

import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from PIL import Image  # noqa: E402

from gsm_bench.frames import on_device, transform  # noqa: E402
from gsm_bench.frames.on_device import DeviceFrames  # noqa: E402
from gsm_bench.frames.read_views import RawViews  # noqa: E402
from gsm_bench.frames.transform import filter_taps, resize_exactly, resize_image  # noqa: E402
from gsm_bench.geometry import crop_corner  # noqa: E402
from gsm_bench.scorefile import views_array  # noqa: E402
from tests.conftest import REFERENCE, reference_module  # noqa: E402
from tests.frames.test_transform import spec_of  # noqa: E402

ROOT = REFERENCE.parent.parent
EXPECTED = np.load(REFERENCE / "preprocess.npz")


def pillow(picture, spec):
    return np.asarray(resize_image(Image.fromarray(picture), spec))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 420), st.integers(2, 420), st.integers(4, 300), st.integers(0, 2**32 - 1), st.booleans(), st.data()
)
def test_any_size_and_window_is_pillows(width, height, shorter, seed, harsh, data):
    if max(width, height) > 8 * min(width, height):
        width, height = sorted((width, height))[1], sorted((width, height))[1]
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    if harsh:
        picture = (picture > 127).astype(np.uint8) * 255
    spec = spec_of(shorter, resize=shorter)
    expected = pillow(picture, spec)
    images = torch.from_numpy(picture)[None]
    assert np.array_equal(resize_exactly(images, spec)[0].numpy(), expected)
    right, bottom = (data.draw(st.integers(1, side)) for side in (expected.shape[1], expected.shape[0]))
    left, top = data.draw(st.integers(0, right - 1)), data.draw(st.integers(0, bottom - 1))
    part = resize_exactly(images, spec, (left, top, right, bottom))[0].numpy()
    assert np.array_equal(part, expected[top:bottom, left:right])


@pytest.mark.parametrize("shape", [(100, 300), (300, 100), (100, 200), (101, 203), (64, 512), (640, 1400)])
def test_tall_pictures_too(shape):
    # Pillow 13 resizes these up and down first; older ones do not.
    picture = reference_module("images").frame(*shape)
    for size in (32, 60, 224):
        spec = spec_of(size)
        assert np.array_equal(resize_exactly(torch.from_numpy(picture)[None], spec)[0].numpy(), pillow(picture, spec))


@pytest.mark.parametrize("turns", [False, True])
def test_the_order_of_the_passes_is_that_of_the_pillow_that_is_here(monkeypatch, turns):
    monkeypatch.setattr(transform, "_pillow_turns_tall_pictures", lambda: turns)
    pixels = [transform._columns_come_first(*sizes) for sizes in ((100, 300, 50, 150), (300, 100, 150, 50))]
    assert pixels == [turns, False]


def test_taps_by_hand():
    first, weights = filter_taps(4, 2)  # each pixel from a triangle of half-width 2 around 1 and 3
    assert first.tolist() == [0, 1]
    parts = np.array([[0.75, 0.75, 0.25, 0], [0.25, 0.75, 0.75, 0]])[:, : weights.shape[1]]
    assert np.abs(weights / 2**22 - parts / parts.sum(1, keepdims=True)).max() < 2**-22
    assert filter_taps(5, 5)[1].max(1).tolist() == [2**22] * 5


@pytest.mark.parametrize("name", EXPECTED.files)
def test_reference_bytes(name):
    network, shape = name.split("-")
    width, height = map(int, shape.split("x"))
    spec = spec_of(224 if network == "BNInception" else 229)
    picture = reference_module("images").frame(width, height)
    raw = RawViews({1: picture}, np.array([[1]]), views_array((0.5,), 1))
    cut = DeviceFrames({(height, width): torch.from_numpy(picture)[None]}, {(7, 1): ((height, width), 0)})
    pixels = cut.cut([(7, raw)], 0, spec)[0, 0].numpy()
    assert np.array_equal(pixels[..., ::-1].transpose(2, 0, 1), EXPECTED[name])


def frames_of(sizes):
    """Frames by video and number, and their positions: several sizes, also within a video."""
    videos, by_size, places = [], {}, {}
    for video, (width, height) in enumerate(sizes):
        frames = {
            number: reference_module("images").frame(width + (number == 2), height, seed=video * 10 + number)
            for number in (1, 2, 5)
        }
        videos.append(frames)
        for number, frame in frames.items():
            alike = by_size.setdefault(frame.shape[:2], [])
            places[video, number] = (frame.shape[:2], len(alike))
            alike.append(torch.from_numpy(frame))
    return videos, DeviceFrames({size: torch.stack(alike) for size, alike in by_size.items()}, places)


@pytest.mark.parametrize("crops", [1, 5, 10])
def test_views_of_clips_of_many_sizes(crops, monkeypatch):
    monkeypatch.setattr(on_device, "SCRATCH_BYTES", 1)  # one frame at a time
    spec = spec_of(24, resize=30)
    videos, device = frames_of([(40, 30), (33, 57), (40, 30)])
    views = views_array((0.0, 0.5), crops)
    numbers = np.array([[1, 2, 2] if view["offset"] == 0 else [2, 5, 1] for view in views])
    named = [(at, RawViews(frames, numbers, views)) for at, frames in enumerate(videos)]
    named.insert(1, None)
    for view, place in enumerate(views):
        pixels = device.cut(named, view, spec).numpy()
        assert not pixels[1].any(), "a video that is not there is black"
        for row, frames in zip((0, 2, 3), videos, strict=True):
            for at, number in enumerate(numbers[view]):
                resized = pillow(frames[number], spec)
                left, top = crop_corner(resized.shape[1], resized.shape[0], 24, int(place["crop"]))
                expected = resized[top : top + 24, left : left + 24]
                assert np.array_equal(pixels[row, at], expected[:, ::-1] if place["flip"] else expected)


def test_each_size_is_resized_once_for_all_views(monkeypatch):
    calls = []

    def counting(images, spec, window=None):
        calls.append((tuple(images.shape), spec.resize))
        return resize_exactly(images, spec, window)

    monkeypatch.setattr(on_device, "resize_exactly", counting)
    videos, device = frames_of([(40, 30), (40, 30)])
    views = views_array((0.0, 0.5), 10)
    named = [(at, RawViews(frames, np.array([[1, 2, 5]] * 20), views)) for at, frames in enumerate(videos)]
    for view in range(20):
        device.cut(named, view, spec_of(24, resize=30))
    assert sorted(calls) == [((2, 30, 41, 3), 30), ((4, 30, 40, 3), 30)]
    device.cut(named, 0, spec_of(24, resize=36))
    assert len(calls) == 4, "another geometry"


KERNEL = """
import numpy as np, torch
from PIL import Image
from gsm_bench.frames import transform
from gsm_bench.frames.fused import resample
from tests.frames.test_transform import spec_of

mixed = []

def fused(values, taps, axis):
    mixed.append(axis)
    return resample(values, taps.places, taps.weights, axis, transform.WEIGHT_BITS)

transform._resample = fused
for (width, height), shorter, window in [
    ((37, 23), 16, None), ((20, 31), 40, None), ((21, 70), 15, None), ((40, 30), 30, None), ((90, 61), 33, (5, 3, 21, 30)),
]:
    pictures = np.random.default_rng(width).integers(0, 256, (2, height, width, 3), np.uint8)
    spec = spec_of(8, resize=shorter)
    pixels = transform.resize_exactly(torch.from_numpy(pictures), spec, window).numpy()
    expected = np.stack([np.asarray(transform.resize_image(Image.fromarray(picture), spec)) for picture in pictures])
    left, top, right, bottom = window or (0, 0, expected.shape[2], expected.shape[1])
    assert np.array_equal(pixels, expected[:, top:bottom, left:right]), (width, height)
assert len(mixed) >= 10
print("equal")
"""


def test_the_fused_kernel_interpreted_is_pillows():
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", KERNEL], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "equal", ran.stderr


def test_without_the_kernel_plain_torch_does_it(monkeypatch):
    transform.fused_resample.cache_clear()
    monkeypatch.setitem(sys.modules, "gsm_bench.frames.fused", None)
    assert transform.fused_resample() is None
    transform.fused_resample.cache_clear()
