"""Pictures are decoded to Pillow's bytes, and damage that Pillow hides is an error."""

import io

import numpy as np
import pytest

simplejpeg = pytest.importorskip("simplejpeg", reason="simplejpeg is not installed: pip install 'gsm-bench[score]'")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from PIL import Image, ImageCms  # noqa: E402

from gsm_bench.errors import FrameError  # noqa: E402
from gsm_bench.frames.sources import pictures  # noqa: E402
from gsm_bench.frames.sources.pictures import decoded  # noqa: E402
from tests.conftest import REFERENCE  # noqa: E402


def pillow(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def noise(height, width, seed, smooth=False):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return np.sort(picture, axis=1) if smooth else picture


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 70), st.integers(1, 100), st.sampled_from(["444", "422", "420", "440", "411", "Gray"]),
    st.integers(0, 2**32 - 1), st.booleans(),
)  # fmt: skip
def test_jpegs_of_any_size_and_subsampling_have_pillows_bytes(height, width, quality, subsampling, seed, smooth):
    content = simplejpeg.encode_jpeg(noise(height, width, seed, smooth), quality, "RGB", subsampling)
    assert np.array_equal(np.asarray(decoded(content, 1, "here")), pillow(content))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 2}])
def test_jpegs_of_any_kind_have_pillows_bytes(mode, options):
    out = io.BytesIO()
    Image.fromarray(noise(33, 47, 0)).convert(mode).save(out, "JPEG", **options)
    assert np.array_equal(np.asarray(decoded(out.getvalue(), 1, "here")), pillow(out.getvalue()))


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (
            {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"},
            b"",
        ),  # turned by 90 degrees
        ({"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}, b""),
        ({"comment": b"\xff\xd8\xff\xd9"}, b""),
        ({"keep_rgb": True}, b""),  # Adobe's marker: no YCbCr
        ({"progressive": True, "subsampling": 2}, b"\0" * 100),
        ({}, b"trailing bytes, with a marker of their own: \xff\xd8\xff\xc0"),
        ({"quality": 100, "subsampling": 0}, b"\xff\xd9"),
    ],
)
def test_what_else_a_jpeg_holds_changes_no_byte(options, ending):
    out = io.BytesIO()
    Image.fromarray(noise(33, 47, 0)).save(out, "JPEG", **options)
    content = out.getvalue() + ending
    pixels = pictures.decoded_pixels(content, 1, "here")
    assert isinstance(pixels, np.ndarray), "the fast decoder takes it"
    assert np.array_equal(pixels, pillow(content))


def test_jpegs_of_twelve_bits_are_an_error():
    out = io.BytesIO()
    Image.fromarray(noise(33, 47, 0)).save(out, "JPEG")
    content = bytearray(out.getvalue())
    at = content.index(b"\xff\xc0")
    content[at + 1], content[at + 4] = 0xC1, 12  # extended sequential frame, 12 bits a sample
    assert "cannot be decoded" in decoded(bytes(content), 1, "here").what


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP", "JPEG"])
def test_pictures_without_a_copy_have_the_bytes_of_a_conversion(form):
    out = io.BytesIO()
    Image.fromarray(noise(33, 47, 0)).save(out, form)
    found = decoded(out.getvalue(), 1, "here")
    assert (found.mode, found.size) == ("RGB", (47, 33))
    assert np.array_equal(np.asarray(found), pillow(out.getvalue()))
    assert np.array_equal(
        np.asarray(found.resize((20, 30))), np.asarray(Image.fromarray(pillow(out.getvalue())).resize((20, 30)))
    )


def test_the_frames_of_the_released_layout_have_pillows_bytes():
    frames = sorted((REFERENCE / "e2e").rglob("*.jpg"))
    assert len(frames) > 20
    for frame in frames[::5]:
        assert np.array_equal(np.asarray(decoded(frame.read_bytes(), 1, "here")), pillow(frame.read_bytes()))


def test_a_decoder_with_other_bytes_only_judges(monkeypatch):
    """With a Pillow whose JPEG decoder differs, its bytes are used and damage is still an error."""
    monkeypatch.setattr(pictures, "_decoders_agree", lambda: False)
    content = simplejpeg.encode_jpeg(noise(40, 40, 1), 90, "RGB")
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_, **__: np.zeros((40, 40, 3), np.uint8))
    assert np.array_equal(np.asarray(decoded(content, 1, "here")), pillow(content))
    monkeypatch.undo()
    monkeypatch.setattr(pictures, "_decoders_agree", lambda: False)
    cut = content[: len(content) // 2] + b"\xff\xd9"
    assert isinstance(decoded(cut, 1, "here"), FrameError)


def test_damage_is_named():
    content = simplejpeg.encode_jpeg(noise(40, 40, 1), 90, "RGB")
    error = decoded(content[: len(content) // 2] + b"\xff\xd9", 3, "here")
    assert error.what.startswith(
        "frame 3 cannot be decoded: the JPEG data is damaged: Corrupt JPEG data: premature end"
    )


def test_a_jpeg_larger_than_pillow_allows_is_an_error(monkeypatch):
    content = simplejpeg.encode_jpeg(noise(40, 40, 1), 90, "RGB")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "exceeds limit" in decoded(content, 1, "here").what


def test_sixteen_bits_are_rounded():
    values = np.arange(0, 65536, 7, dtype=np.uint16).reshape(-1, 1)
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    grey = np.asarray(decoded(out.getvalue(), 1, "here"))[:, 0, 0]
    assert np.array_equal(grey, np.rint(values[:, 0] / 257).astype(np.uint8))
