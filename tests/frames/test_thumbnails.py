"""Thumbnails: the frames that models saw, the same bytes each time, within a budget; damage is shown."""

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gsm_bench.errors import FrameError
from gsm_bench.frames.thumbnails import QUALITIES, animation, animations, media_type, sheet, sheets, thumbnail_size
from gsm_bench.splits import Video


def frame(number: int, size=(240, 100)) -> Image.Image:
    """A rough picture whose brightness tells its number."""
    rough = np.random.default_rng(number).integers(-40, 41, (size[1] // 4, size[0] // 4, 1)).repeat(4, 0).repeat(4, 1)
    pixels = 60 + 5 * number + rough - rough.mean()
    return Image.fromarray(pixels.round().astype(np.uint8).repeat(3, 2))


class Source:
    """Frames in memory: `bad` numbers cannot be decoded, `gone` videos cannot be read at all."""

    def __init__(self, total=20, bad=(), gone=()) -> None:
        self.total, self.bad, self.gone, self.asked = total, bad, gone, []

    def count(self, video):
        if video.id in self.gone:
            raise FrameError(f"video {video.id!r} has no frames", where="here")
        return self.total

    def pictures(self, video, numbers):
        self.asked.append(tuple(numbers))
        for number in numbers:
            yield number, FrameError(f"frame {number} is damaged") if number in self.bad else frame(number)


def videos(count):
    return [Video(f"v{row}", 20, row) for row in range(count)]


def some(total):
    return np.array([1, total // 2, total])


def brightness(content):
    return [np.asarray(one.convert("L")).mean() for one in ImageSequence.Iterator(Image.open(io.BytesIO(content)))]


def test_an_animation_has_a_frame_for_each_number():
    (one,) = list(animations(Source(), videos(1), some, 10**6))
    assert (one.row, one.num_frames, one.problem, one.bad) == (0, 20, "", {})
    assert np.allclose(brightness(one.content), [65, 110, 160], atol=8)
    assert Image.open(io.BytesIO(one.content)).size == thumbnail_size(240, 100) == (96, 40)


def test_frames_of_a_video_are_decoded_once():
    source = Source()
    list(sheets(source, videos(3), some))
    assert source.asked == [(1, 10, 20)] * 3


def test_a_sheet_has_eight_columns():
    (one,) = sheets(Source(), videos(1), lambda total: np.arange(1, 11))
    assert Image.open(io.BytesIO(one.content)).size == (8 * 96, 2 * 40)


def test_the_same_bytes_twice():
    pictures = [frame(number) for number in range(1, 13)]
    assert sheet(pictures) == sheet(pictures)


def test_the_same_animation_twice():
    """Its bytes hold the second in which it was made."""
    pictures = [frame(number) for number in range(1, 13)]
    first, second = ([np.asarray(one) for one in shown(animation(pictures, 32))] for _ in range(2))
    assert len(first) == 12
    assert np.array_equal(first, second)


def shown(content):
    picture = Image.open(io.BytesIO(content))
    return [one.convert("RGB") for one in ImageSequence.Iterator(picture)]


def test_the_quality_and_then_the_number_of_videos_follow_the_budget():
    rich = list(animations(Source(), videos(4), some, 10**6))
    size = sum(len(one.content) for one in rich)
    poor = list(animations(Source(), videos(4), some, size * 3 // 4))
    assert len(poor) == len(rich) == 4
    assert sum(len(one.content) for one in poor) <= size * 3 // 4
    lowest = len(animation([frame(number).resize((96, 40)) for number in (1, 10, 20)], QUALITIES[-1]))
    few = list(animations(Source(), videos(4), some, 2 * lowest + lowest // 2))
    assert [one.row for one in few] == [0, 1]


def test_a_damaged_frame_is_grey_and_named():
    (one,) = list(animations(Source(bad=(10,)), videos(1), some, 10**6))
    assert one.bad == {10: "frame 10 is damaged"}
    assert np.allclose(brightness(one.content), [65, 128, 160], atol=8)


def test_a_video_without_frames_says_why():
    first, second = list(animations(Source(gone=("v0",)), videos(2), some, 10**6))
    assert (first.content, first.problem) == (b"", "video 'v0' has no frames")
    assert second.content


def test_a_video_of_damaged_frames_says_why():
    (one,) = list(animations(Source(bad=(1, 10, 20)), videos(1), some, 10**6))
    assert (one.content, one.problem) == (b"", "frame 1 is damaged")


def test_no_video_needs_no_budget():
    assert list(animations(Source(), [], some, 0)) == []


@pytest.mark.parametrize(("size", "small"), [((320, 240), (96, 72)), ((100, 240), (30, 72)), ((8, 3000), (1, 72))])
def test_thumbnails_fit_into_their_box(size, small):
    assert thumbnail_size(*size) == small


def test_without_avif_they_are_webp(monkeypatch):
    from gsm_bench.frames import thumbnails

    monkeypatch.setattr(thumbnails.features, "check", lambda name: name != "avif")
    assert media_type() == "image/webp"
    (one,) = list(animations(Source(), videos(1), some, 10**6))
    assert Image.open(io.BytesIO(one.content)).format == "WEBP"
