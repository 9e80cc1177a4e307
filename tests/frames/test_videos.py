import numpy as np
import pytest

torch = pytest.importorskip("torch")
av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'gsm-bench[score]'")

from PIL import Image  # noqa: E402

from gsm_bench.errors import FrameError  # noqa: E402
from gsm_bench.frames.sources.video import VideoReader, _upright  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import read  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from tests.frames.forms import all_frames, make_video  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

KINDS = {
    "b-frames.mp4": "libx264", "vp9.webm": "libvpx-vp9", "vp8.webm": "libvpx", "b-frames.mkv": "libx264", "mpeg4.avi": "mpeg4",
    "program.mpg": "mpeg2video",
}  # fmt: skip


def check_every_access(path, picks):
    """Frames taken by number, in any set, are those that decoding from the start shows."""
    expected = all_frames(path)
    reader = VideoReader(path)
    assert reader.count() == len(expected)
    for numbers in picks(len(expected)):
        pictures = dict(reader.pictures(numbers))
        assert list(pictures) == numbers
        for number in numbers:
            assert np.array_equal(np.asarray(pictures[number]), expected[number - 1]), (path.name, number)


def single_frames_and_sets(total):
    rng = np.random.default_rng(0)
    yield from ([number] for number in range(1, total + 1))
    yield list(range(1, total + 1))
    for _ in range(10):
        yield sorted(rng.choice(total, size=min(total, 8), replace=False) + 1)


def few_frames_and_sets(total):
    rng = np.random.default_rng(0)
    yield from ([int(number)] for number in rng.choice(total, 6) + 1)
    yield [1, total // 2, total]
    for _ in range(3):
        yield sorted((rng.choice(total, size=8, replace=False) + 1).tolist())


@pytest.mark.parametrize(
    ("name", "varying"),
    [(name, varying) for name in KINDS for varying in (True, False) if not (name == "program.mpg" and varying)],
)
def test_frames_by_number_are_those_of_a_decoder(tmp_path, name, varying):
    """MPEG-2 alone has no varying frame rate."""
    make_video(tmp_path / name, KINDS[name], varying=varying)
    check_every_access(tmp_path / name, single_frames_and_sets)


@pytest.mark.parametrize("name", ["demo.mp4", "part_0.mp4", "test.avi"])
def test_real_videos(real, name):
    check_every_access(real / "mmaction2" / name, few_frames_and_sets)


def test_numbers_beyond_the_end(tmp_path):
    make_video(tmp_path / "a.mp4", "libx264", count=10)
    pictures = dict(VideoReader(tmp_path / "a.mp4").pictures([9, 11]))
    assert isinstance(pictures[9], Image.Image)
    assert "frame 11 is missing" in pictures[11].what


def test_a_damaged_stretch_does_not_spoil_what_is_sound(tmp_path):
    path = tmp_path / "a.mp4"
    make_video(path, "libx264", count=40, options={"g": "8", "crf": "10"}, size=(128, 96))
    expected = all_frames(path)
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + (content.index(b"moov") - content.index(b"mdat")) // 2
    content[middle : middle + 40] = bytes(255 - byte for byte in content[middle : middle + 40])
    path.write_bytes(content)
    pictures = dict(VideoReader(path).pictures(list(range(1, 41))))
    bad = [number for number, picture in pictures.items() if isinstance(picture, FrameError)]
    assert 1 <= len(bad) <= 16, "at most to the next key frame, and what the damaged packet held"
    assert "cannot be decoded" in pictures[bad[0]].what
    for number in set(pictures) - set(bad):
        assert np.array_equal(np.asarray(pictures[number]), expected[number - 1]), number


@pytest.mark.parametrize("name", ["b-frames.mp4", "vp9.webm", "b-frames.mkv"])
def test_a_video_that_is_cut_short_is_noticed_without_a_list(tmp_path, name):
    path = tmp_path / name
    make_video(path, KINDS[name], count=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(FrameError, match=r"cut short|cannot be opened"):
        VideoReader(path).count()


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), [[0, 1, 2], [3, 4, 5]]),
        ((0, -1, 1, 0), [[2, 5], [1, 4], [0, 3]]),
        ((0, 1, -1, 0), [[3, 0], [4, 1], [5, 2]]),
        ((-1, 0, 0, 1), [[2, 1, 0], [5, 4, 3]]),
        ((0, 1, 1, 0), [[0, 3], [1, 4], [2, 5]]),
    ],
)
def test_upright(matrix, shown):
    """(0, -1, 1, 0) is a quarter turn counterclockwise: the right column of the stored picture comes on top."""
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert _upright(stored, matrix)[:, :, 0].tolist() == shown


@pytest.fixture
def videos(workspace):
    """Toy videos as videos of several kinds, in data/toy/frames; the list has their lengths."""
    make_clips(workspace, 6)
    make_checkpoint(workspace)
    import shutil

    frames = workspace.data / "toy/frames"
    shutil.rmtree(frames)
    frames.mkdir()
    for video, (name, codec) in enumerate(list(KINDS.items())[:5]):
        make_video(frames / f"v{video}{name[name.index('.') :]}", codec, count=20, seed=video)
    make_video(frames / "v5.mp4", "libx264", count=20)
    (workspace.data / "toy/val.txt").write_text("".join(f"v{video} 20 {video % 5}\n" for video in range(6)))
    return workspace


def score(workspace, **choices):
    job, loaded = prepare(Request("toy_4f", threads=1, **choices), load_manifest(workspace), workspace)
    return run(job, loaded.network)


def test_videos_are_scored_and_say_so(videos):
    outcome = score(videos)
    assert outcome.bad == {}
    provenance = read(outcome.path).provenance
    assert "video decoded by PyAV" in provenance.frames
    assert "frames=video decoded by PyAV" in provenance.signature
    assert outcome.decoded == 6 * 8


def test_a_damaged_video_is_named_and_the_rest_goes_on(videos):
    complete = read(score(videos, out=videos.root / "complete.h5").path).scores["action"]
    frames = videos.data / "toy/frames"
    first = frames / "v0.mp4"
    first.write_bytes(first.read_bytes()[:500])
    second = frames / "v1.webm"
    second.write_bytes(second.read_bytes()[:-2000])
    (frames / "v5.mp4").write_bytes(b"")
    outcome = score(videos)
    assert list(outcome.bad) == ["v0", "v1", "v5"]
    assert "video cannot be opened" in outcome.bad["v0"]
    scores = read(outcome.path)
    assert np.flatnonzero(scores.status).tolist() == [0, 1, 5]
    assert np.array_equal(scores.scores["action"][2:5], complete[2:5])
