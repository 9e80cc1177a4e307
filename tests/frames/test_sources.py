import pickle
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.errors import FrameError, SplitError  # noqa: E402
from gsm_bench.frames.read_views import ReadPlan, read_views, read_views_for  # noqa: E402
from gsm_bench.frames.sources import open_source  # noqa: E402
from gsm_bench.frames.sources.names import FrameNames  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import content_hash, read, views_array  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from gsm_bench.splits import Video, read_split  # noqa: E402
from tests.frames.forms import as_gulp, as_hdf5, as_lmdb, as_tar, as_zip, frames_of  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

VIDEOS = 10


def folders(data):
    return sorted((data / "frames").iterdir())


def one_file(maker, name):
    def change(data):
        if maker is as_lmdb:
            pytest.importorskip("lmdb")
        before = folders(data)
        if not name:
            (data / "frames").rename(data / "before")
            before = [data / "before" / folder.name for folder in before]
        maker(before, data / f"frames{name}")

    return change


def file_per_video(maker, name, **options):
    def change(data):
        for folder in folders(data):
            maker([folder], folder.with_name(folder.name + name), **options)

    return change


FORMS = {
    "folders": lambda data: None,
    "hdf5": one_file(as_hdf5, ".h5"),
    "tar": one_file(as_tar, ".tar"),
    "zip": one_file(as_zip, ".zip"),
    "gulp": one_file(as_gulp, ""),
    "lmdb": one_file(as_lmdb, ".lmdb"),
    "hdf5 per video": file_per_video(as_hdf5, ".hdf5"),
    "tar per video": file_per_video(as_tar, ".tar"),
    "flat tar per video": file_per_video(as_tar, ".tar", inside=False),
    "flat zip per video": file_per_video(as_zip, ".zip", inside=False, compression=zipfile.ZIP_DEFLATED),
}
ONE_FILE = ("hdf5", "tar", "zip")


def change_form(data, form):
    """Put the frames into another form; the folders go."""
    before = folders(data)
    FORMS[form](data)
    if form != "folders":
        for folder in before:
            shutil.rmtree(folder, ignore_errors=form == "gulp")
        if form in (*ONE_FILE, "lmdb"):
            (data / "frames").rmdir()


@pytest.fixture
def toys(workspace):
    make_clips(workspace, VIDEOS)
    make_checkpoint(workspace)
    return workspace


def score(workspace, **choices):
    job, loaded = prepare(Request("toy_4f", threads=1, **choices), load_manifest(workspace), workspace)
    return run(job, loaded.network)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_scores(toys, form):
    expected = content_hash(score(toys, out=toys.root / "folders.h5").path)
    change_form(toys.data / "toy", form)
    outcome = score(toys, on_bad_frame="error")
    assert content_hash(outcome.path) == expected
    again = score(toys, on_bad_frame="error", split="bare", out=toys.root / "bare.h5")
    assert read(again.path).num_frames.tolist() == read(outcome.path).num_frames.tolist(), "counted, not listed"


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_video_is_named_and_the_rest_goes_on(toys, form):
    complete = read(score(toys, out=toys.root / "complete.h5").path).scores["action"]
    data = toys.data / "toy"
    frames_of(data / "frames" / "v3")[0].write_bytes(b"no picture")
    frames_of(data / "frames" / "v5")[-1].unlink()
    shutil.rmtree(data / "frames" / "v7")
    change_form(data, form)
    outcome = score(toys)
    assert list(outcome.bad) == ["v3", "v5", "v7"]
    assert outcome.scored == VIDEOS - 3
    assert "frame 1 of video 'v3' cannot be decoded: not a picture" in outcome.bad["v3"]
    assert "are expected" in outcome.bad["v5"]
    scores = read(outcome.path)
    assert np.flatnonzero(scores.status).tolist() == [3, 5, 7]
    assert np.array_equal(scores.scores["action"][scores.status == 0], complete[scores.status == 0])


@pytest.mark.parametrize("form", [form for form in FORMS if "per video" in form])
def test_a_file_that_is_cut_short_spoils_its_video_alone(toys, form):
    change_form(toys.data / "toy", form)
    path = next((toys.data / "toy" / "frames").glob("v4.*"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    outcome = score(toys)
    assert list(outcome.bad) == ["v4"]
    assert "cannot be read" in outcome.bad["v4"] or "damaged" in outcome.bad["v4"]


@pytest.mark.parametrize("form", ONE_FILE)
def test_one_file_that_is_cut_short_stops_before_the_run(toys, form):
    change_form(toys.data / "toy", form)
    path = next(path for path in (toys.data / "toy").iterdir() if path.stem == "frames")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FrameError, match=r"damaged|cannot be read") as failed:
        score(toys)
    assert "copy it again" in str(failed.value)


def test_a_byte_that_fell_over_in_a_zip_is_noticed(toys):
    data = toys.data / "toy"
    change_form(data, "zip")
    content = bytearray((data / "frames.zip").read_bytes())
    with zipfile.ZipFile(data / "frames.zip") as archive:
        at = archive.getinfo("top/v2/00001.jpg").header_offset
    content[at + 300] ^= 1
    (data / "frames.zip").write_bytes(content)
    outcome = score(toys)
    assert list(outcome.bad) == ["v2"]
    assert "its checksum or length is wrong" in outcome.bad["v2"]


def test_frames_elsewhere(toys):
    expected = content_hash(score(toys, out=toys.root / "folders.h5").path)
    data = toys.data / "toy"
    as_hdf5(folders(data), toys.root / "packed.h5")
    (data / "frames").rename(toys.root / "moved")
    for place in ("packed.h5", "moved"):
        outcome = score(toys, frames=toys.root / place, out=toys.root / f"{place}.scores.h5")
        assert content_hash(outcome.path) == expected
    with pytest.raises(SplitError, match="no frames of toy here") as failed:
        score(toys)
    assert "--frames PATH" in str(failed.value)
    with pytest.raises(SplitError, match="this path does not exist"):
        score(toys, frames=toys.root / "gone.h5")
    (toys.root / "frames.tar.gz").write_bytes(b"")
    with pytest.raises(SplitError, match=r"gunzip frames\.tar\.gz"):
        score(toys, frames=toys.root / "frames.tar.gz")


def test_frames_option(toys, gsmbench):
    as_hdf5(folders(toys.data / "toy"), toys.root / "packed.h5")
    shutil.rmtree(toys.data / "toy" / "frames")
    ran = gsmbench("score", "--model", "toy_4f", "--frames", "packed.h5", "--quiet")
    assert ran.status == 0, ran.err
    ran = gsmbench("score", "--model", "toy_4f", "--limit", 2, "--quiet")
    assert ran.status == 1
    assert "no frames of toy here" in ran.err


@pytest.mark.parametrize("form", FORMS)
def test_many_threads_read_the_same_pixels(toys, form):
    change_form(toys.data / "toy", form)
    entry = load_manifest(toys).dataset("toy")
    split = read_split(entry, "val", toys.data / "toy")
    source = pickle.loads(pickle.dumps(open_source(entry, toys.data / "toy", split.sample(8))))
    plan = ReadPlan(4, views_array((0.0, 0.5), 1), load_manifest(toys).model("toy_4f").input)

    def pixels(row):
        return read_views(source, split.video(row), plan).pixels

    alone = [pixels(row) for row in range(VIDEOS)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(pixels, list(range(VIDEOS)) * 20))
    assert all(np.array_equal(pixels_of, alone[at % VIDEOS]) for at, pixels_of in enumerate(together))


def test_several_plans_share_the_decoding(toys):
    entry = load_manifest(toys).dataset("toy")
    spec = load_manifest(toys).model("toy_4f").input
    split = read_split(entry, "val", toys.data / "toy")
    source = open_source(entry, toys.data / "toy", split.sample(8))
    other = replace(spec, size=16, resize=20)
    plans = [
        ReadPlan(4, views_array((0.0, 0.5), 1), spec),
        ReadPlan(8, views_array((0.5,), 1), spec),
        ReadPlan(4, views_array((0.5,), 5), other),
    ]
    for row in range(VIDEOS):
        video = split.video(row)
        together, alone = read_views_for(source, video, plans), [read_views(source, video, plan) for plan in plans]
        for one, two in zip(together, alone, strict=True):
            assert np.array_equal(one.pixels, two.pixels)
        assert together[2].decoded == 0, "its frames were read for the first plan"
        assert sum(pixels.decoded for pixels in together) <= video.num_frames


def test_a_bad_frame_concerns_only_the_plan_that_needs_it(toys):
    entry = load_manifest(toys).dataset("toy")
    spec = load_manifest(toys).model("toy_4f").input
    video = Video("v0", 8, 0)
    shutil.rmtree(toys.data / "toy/frames/v0")
    shutil.copytree(toys.data / "toy/frames" / longest(toys), toys.data / "toy/frames/v0")
    (toys.data / "toy/frames/v0/00002.jpg").write_bytes(b"")
    source = open_source(entry, toys.data / "toy", [video])
    plans = [ReadPlan(frames, views_array((0.0,), 1), spec) for frames in (4, 8)]  # frames 1 3 5 7, and all
    few, all_of_them = read_views_for(source, video, plans)
    assert few.pixels is not None
    assert few.problem == ""
    assert all_of_them.pixels is None
    assert "frame 2 of video 'v0'" in all_of_them.problem
    nearest = [replace(plan, on_bad_frame="nearest") for plan in plans]
    few, all_of_them = read_views_for(source, video, nearest)
    assert few.problem == ""
    assert all_of_them.problem == "frame 2 by 1"
    assert np.array_equal(all_of_them.pixels[0, 1], all_of_them.pixels[0, 0])


def longest(workspace):
    return max((workspace.data / "toy/frames").iterdir(), key=lambda folder: len(list(folder.iterdir()))).name


def test_segments_of_longer_videos_in_tars(toys):
    """As EPIC-KITCHENS ships them: one tar per video, new videos in a folder of their own."""
    entry = replace(
        load_manifest(toys).dataset("toy"),
        frame_pattern="{participant}/{video}/frame_{frame:010d}.jpg",
        other_frame_patterns=("{participant}/rgb_frames/{video}/frame_{frame:010d}.jpg",),
    )
    root = toys.root / "epic"
    long = toys.data / "toy/frames" / longest(toys)
    for at, frame in enumerate(frames_of(long), start=1):
        frame.rename(long / f"frame_{at:010d}.jpg")
    total = len(frames_of(long))
    (root / "P01/rgb_frames").mkdir(parents=True)
    as_tar([long], root / "P01/P01_01.tar", inside=False)
    shutil.copytree(long, root / "P01/rgb_frames/P01_101")
    segments = [
        Video(f"{video}_{start}", 4, 0, video, "P01", start) for video in ("P01_01", "P01_101") for start in (1, 3)
    ]
    source = open_source(entry, toys.data, segments, root)
    for video in segments:
        assert source.count(video) == 4
        for number, picture in source.pictures(video, [1, 2, 4]):
            from PIL import Image

            expected = np.asarray(Image.open(frames_of(long)[video.start + number - 2]))
            assert np.array_equal(np.asarray(picture), expected)
    with pytest.raises(FrameError, match=f"has {total} frames in its file, but its segment ends at frame {total + 1}"):
        source.count(Video("late", 4, 0, "P01_01", "P01", total - 2))


def test_names_of_frames():
    video = Video("a", 1, 0)
    names = FrameNames.of_pattern("{id}/{id}_{frame:05d}.jpg", video)
    assert names.name(7) == "a_00007.jpg"
    assert names.number("a_123456.JPG") == 123456
    assert [names.number(other) for other in ("b_00007.jpg", "a_0000x.jpg", "a_00007.png")] == [None] * 3
    assert names.number("a_7.jpg") == 7, "other zeros"
    assert FrameNames.inferred(["frame_0000000012.jpg"], "here") == FrameNames("frame_", 10, ".jpg")
    assert FrameNames.inferred(["10.jpg", "9.jpg", "readme.txt"], "here") == FrameNames("", 1, ".jpg")
    assert FrameNames.inferred(["readme.txt", "._00001.jpg"], "here") is None
    from_0 = FrameNames.of_pattern("{id}/{frame:03d}.jpg", video, first=0)
    assert (from_0.name(1), from_0.number("000.jpg")) == ("000.jpg", 1)
