import numpy as np
import pytest

from tests.conftest import REFERENCE, reference_module

torch = pytest.importorskip("torch")

from gsm_bench.frames import preprocess  # noqa: E402
from gsm_bench.frames.transform import normalise, resize, resize_exactly  # noqa: E402
from gsm_bench.geometry import InputSpec, crop_corner, resized_size  # noqa: E402

EXPECTED = np.load(REFERENCE / "preprocess.npz")
MEAN = np.array([104, 117, 128], np.float32)[:, None, None]


def spec_of(size, **more):
    return InputSpec(
        **{
            "size": size,
            "resize": size * 256 // 224,
            "channel_order": "BGR",
            "value_range": 255,
            "mean": (104, 117, 128),
            "std": (1, 1, 1),
            **more,
        }
    )


@pytest.mark.parametrize("name", EXPECTED.files)
def test_bytes_are_the_released_ones(name):
    network, shape = name.split("-")
    width, height = map(int, shape.split("x"))
    picture = reference_module("images").frame(width, height)
    out = preprocess(picture[None], spec_of(224 if network == "BNInception" else 229))
    assert out.dtype == torch.float32
    assert np.array_equal(out[0].numpy() + MEAN, EXPECTED[name])


@pytest.mark.parametrize(
    "shape", [(176, 100), (100, 176), (340, 256), (456, 256), (256, 256), (640, 480), (57, 33), (1920, 1080)]
)
def test_the_resize_for_other_devices_is_pillows(shape):
    pictures = torch.from_numpy(np.stack([reference_module("images").frame(*shape, seed=seed) for seed in (0, 1)]))
    for size in (224, 229):
        assert torch.equal(resize_exactly(pictures, spec_of(size)), resize(pictures, spec_of(size)))


def test_channel_order_range_mean_and_std():
    pixels = torch.tensor([[[[255, 102, 51]]]], dtype=torch.uint8)  # one red-ish pixel, RGB
    bgr = normalise(pixels, spec_of(1, resize=1))
    assert bgr.flatten().tolist() == [51 - 104, 102 - 117, 255 - 128]
    rgb = normalise(
        pixels, spec_of(1, resize=1, channel_order="RGB", value_range=1, mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 1))
    )
    assert rgb.flatten().tolist() == pytest.approx([1.0, -0.4, -0.3])


def test_resized_size_cuts_the_longer_side():
    assert resized_size(176, 100, 256) == (450, 256)
    assert resized_size(100, 176, 261) == (261, 459)
    assert resized_size(256, 256, 256) == (256, 256)


def test_centre_rounds_halves_to_even():
    assert [crop_corner(224 + 2 * k + 1, 224, 224, -1)[0] for k in range(4)] == [0, 2, 2, 4]


def test_five_crops_go_in_quarters_of_the_free_space():
    corners = [crop_corner(455, 256, 224, crop) for crop in range(5)]
    assert corners == [(0, 0), (228, 0), (0, 32), (228, 32), (114, 16)]
    assert crop_corner(455, 256, 224, -1) == (116, 16)  # not crop 4


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 4, 4, 3), np.float32), np.zeros((4, 4, 3), np.uint8), np.zeros((2, 3, 4, 4), np.uint8)]
)
def test_refuses(wrong):
    with pytest.raises(ValueError, match="uint8"):
        preprocess(wrong, spec_of(224))
