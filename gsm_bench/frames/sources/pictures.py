"""Decode stored pictures to 8-bit RGB, and refuse damaged ones that lenient decoders accept."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from gsm_bench.errors import FrameError

Picture = Image.Image | FrameError
Decoded = NDArray[np.uint8] | Picture
"""A picture in the form in which it was decoded: uint8 RGB [H, W, 3], or a picture of Pillow; or its error."""
UNDECODABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
JPEG = b"\xff\xd8"
DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")
"""Warnings of libjpeg after which Pillow returns wrong pixels without an error."""
RGB_OF_YCC = ("Gray", "YCbCr", "RGB")
"""Colour spaces of JPEG files for which both decoders return the same RGB; inks (CMYK, YCCK) are converted by Pillow."""


def decoded(content: bytes, number: int, where: str) -> Picture:
    """An encoded picture as RGB.

    Pixels of 16 bits are scaled to 8 bits. JPEG data with damage is an error.
    """
    return as_picture(decoded_pixels(content, number, where))


def as_picture(pixels: Decoded) -> Picture:
    """A decoded picture as one of Pillow, or its error."""
    return pixels if isinstance(pixels, FrameError) else as_image(pixels)


def as_image(pixels: NDArray[np.uint8] | Image.Image) -> Image.Image:
    """Pixels as a picture of Pillow, which copies them and holds the interpreter's lock meanwhile."""
    return Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels


def decoded_pixels(content: bytes, number: int, where: str) -> Decoded:
    """As `decoded`, in the form in which it was decoded."""
    try:
        if content.startswith(JPEG):
            pixels = _jpeg_pixels(content)
            if pixels is not None:
                return pixels
        with Image.open(io.BytesIO(content)) as image:
            return _as_rgb(image)
    except UNDECODABLE as error:
        return FrameError(f"frame {number} cannot be decoded: {reason(error)}", where=where)


def reason(error: BaseException) -> str:
    """The message of an exception, in one line."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    message = str(getattr(error, "strerror", None) or error)  # errors of PyAV have `strerror`, too
    return message.replace("\n", " ") or type(error).__name__


def _jpeg_pixels(content: bytes) -> NDArray[np.uint8] | None:
    """A JPEG as uint8 RGB [H, W, 3], None where Pillow has to decode it; raises ValueError if it is damaged.

    A strict decoder judges and decodes. Pillow decodes what the strict decoder does not support, and inks.
    """
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if height * width <= 2 * (Image.MAX_IMAGE_PIXELS or height * width):  # Pillow refuses larger ones
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB", strict=True)
            if colours in RGB_OF_YCC and _decoders_agree():
                return pixels
    except ValueError as error:
        if any(words in str(error) for words in DAMAGE):
            raise ValueError(f"the JPEG data is damaged: {reason(error)}") from error
    return None


@lru_cache(maxsize=1)
def _decoders_agree() -> bool:
    """Whether the strict decoder returns the bytes of the installed Pillow, for all subsamplings."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8))
    for subsampling in range(3):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80, subsampling=subsampling)
        with Image.open(buffer) as image:
            expected = np.asarray(image.convert("RGB"))
        if not np.array_equal(simplejpeg.decode_jpeg(buffer.getvalue(), "RGB"), expected):
            return False
    return True


def _as_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode as 8-bit RGB; raises ValueError for a mode without a known range."""
    return CONVERSIONS.get(image.mode, _converted)(image)


def _converted(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:  # converting would copy it
        image.load()
        return image
    return image.convert("RGB")


def _scaled_from_16_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey: white is 65535, as in ffmpeg."""
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")


def _of_32_bits(image: Image.Image) -> Image.Image:
    """Mode I: a PNG holds 16 bits, which older Pillow versions read so; any other file has no known range."""
    if image.format == "PNG":
        return _scaled_from_16_bits(image)
    raise ValueError(f"pixels of 32 bits (mode {image.mode}) have no known white")


CONVERSIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "I;16": _scaled_from_16_bits, "I;16L": _scaled_from_16_bits, "I;16B": _scaled_from_16_bits,
    "I;16N": _scaled_from_16_bits, "I": _of_32_bits, "F": _of_32_bits,
}  # fmt: skip
"""Modes of Pillow that its own conversion to RGB clips."""
