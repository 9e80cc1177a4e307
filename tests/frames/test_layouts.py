"""Frames as people really have them: other names, other folders, other numbers, and what a Mac leaves in an archive."""

import shutil
import tarfile
import zipfile
from collections import namedtuple

import h5py
import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from gsm_bench import files  # noqa: E402
from gsm_bench.errors import DiskError, FrameError, RunConflictError, SplitError  # noqa: E402
from gsm_bench.frames import pack as packing_room  # noqa: E402
from gsm_bench.frames.pack import Packing, pack  # noqa: E402
from gsm_bench.frames.sources import archive  # noqa: E402
from gsm_bench.frames.sources.discover import discover  # noqa: E402
from gsm_bench.frames.sources.names import Naming  # noqa: E402
from gsm_bench.frames.sources.placed import reader_at  # noqa: E402
from gsm_bench.scorefile import content_hash, read  # noqa: E402
from tests.frames.forms import VLEN, as_hdf5, as_tar, as_zip, frames_of, make_video  # noqa: E402
from tests.frames.test_sources import VIDEOS, folders, score  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402


@pytest.fixture
def toys(workspace):
    make_clips(workspace, VIDEOS, lengths=(11, 20))
    make_checkpoint(workspace)
    return workspace


def renamed(folder, name):
    """Copies of the frame folders whose frames are called `name(number)`."""
    for video in folders(folder / "data/toy"):
        (folder / "other" / video.name).mkdir(parents=True)
        for at, frame in enumerate(frames_of(video), start=1):
            shutil.copy(frame, folder / "other" / video.name / name(at))
    return folder / "other"


def in_form(place, form):
    """The frame folders below `place`, or a file made of them."""
    if form is None:
        return place
    path = place.with_suffix(f".{form.__name__[3:]}")
    form(sorted(place.iterdir()), path)
    return path


def tar_of(data, path, place):
    with tarfile.open(path, "w") as path:
        for video in folders(data):
            for frame in frames_of(video):
                path.add(frame, place(video.name, frame.name))


PLACES = {
    "a top folder": lambda video, name: f"./sets/one/{video}/{name}",
    "a folder below": lambda video, name: f"{video}/frames/{name}",
    "Windows separators": lambda video, name: f"top\\{video}\\{name}",
    "other zeros": lambda video, name: f"{video}/{int(name[:-4])}.jpg",
}


@pytest.mark.parametrize("place", PLACES)
def test_archives_of_other_layouts_are_read_and_packed(toys, place):
    expected = content_hash(score(toys, out=toys.root / "expected.h5").path)
    tar_of(toys.data / "toy", toys.root / "other.tar", PLACES[place])
    assert content_hash(score(toys, frames=toys.root / "other.tar").path) == expected
    packed = pack(Packing(toys.root / "other.tar", toys.root / "p.h5"), discover(toys.root / "other.tar"))
    assert (packed.videos, packed.bad) == (VIDEOS, {})
    again = score(toys, frames=toys.root / "p.h5", out=toys.root / "again.h5")
    assert content_hash(again.path) == expected


def test_what_a_mac_adds_is_no_frame(toys):
    expected = content_hash(score(toys, split="bare", out=toys.root / "expected.h5").path)
    with zipfile.ZipFile(toys.root / "mac.zip", "w") as path:
        for video in folders(toys.data / "toy"):
            for frame in frames_of(video):
                path.write(frame, f"{video.name}/{frame.name}")
                path.writestr(f"__MACOSX/{video.name}/._{frame.name}", b"\0\5\x16\7")
    assert content_hash(score(toys, split="bare", frames=toys.root / "mac.zip").path) == expected
    assert set(discover(toys.root / "mac.zip")) == {f"v{video}" for video in range(VIDEOS)}
    for video in folders(toys.data / "toy"):
        for frame in frames_of(video):
            frame.with_name(f"._{frame.name}").write_bytes(b"\0")
    outcome = score(toys, split="bare", out=toys.root / "folders.h5")
    assert content_hash(outcome.path) == expected, "a list without lengths counts frames, not files"


NAMES = {
    "a prefix": (lambda number: f"img_{number:05d}.jpg", 'frame_pattern = "{id}/img_{frame:05d}.jpg"'),
    "no zeros": (lambda number: f"f{number}.jpg", 'frame_pattern = "{id}/f{frame}.jpg"'),
    "another suffix": (lambda number: f"{number:06d}.JPEG", 'frame_pattern = "{id}/{frame:06d}.JPEG"'),
    "from 0": (lambda number: f"{number - 1:05d}.jpg", "first_frame = 0"),
}
"""How frames are called by their number from 1, and what an entry has to say of it."""


@pytest.mark.parametrize("form", [None, as_tar])
@pytest.mark.parametrize("called", NAMES)
def test_frames_called_otherwise_stop_the_run_with_the_lines_that_fix_it(toys, called, form):
    expected = content_hash(score(toys, out=toys.root / "expected.h5").path)
    name, right = NAMES[called]
    place = in_form(renamed(toys.root, name), form)
    with pytest.raises(SplitError) as refused:
        score(toys, frames=place)
    assert ("numbered from 0" if called == "from 0" else f"called {name(1)!r} here") in str(refused.value)
    lines = [line.strip() for line in str(refused.value).splitlines()[-3:]]
    assert lines == ["[datasets.toy]", 'like = "toy"', right]
    (toys.manifests / "local.toml").write_text("\n".join(lines))
    assert content_hash(score(toys, frames=place).path) == expected


@pytest.mark.parametrize("form", [None, as_zip])
@pytest.mark.parametrize("called", NAMES)
def test_whatever_frames_are_called_all_are_packed(toys, called, form):
    expected = content_hash(score(toys, out=toys.root / "expected.h5").path)
    place, naming = in_form(renamed(toys.root, NAMES[called][0]), form), Naming()
    if called == "from 0":
        refused = pack(Packing(place, toys.root / "refused.h5"), discover(place))
        assert len(refused.bad) == VIDEOS
        assert "--first-frame 0" in refused.bad["v0"]
        assert not list(toys.root.glob("refused.h5*")), "no empty file, no parts"
        naming = Naming(first=0)
    assert pack(Packing(place, toys.root / "p.h5", naming=naming), discover(place, naming)).bad == {}
    assert content_hash(score(toys, frames=toys.root / "p.h5").path) == expected


def test_a_packing_goes_on_with_its_own_naming_only(toys):
    place = renamed(toys.root, NAMES["from 0"][0])
    (place / "v0/00000.jpg").unlink()
    assert len(pack(Packing(place, toys.root / "p.h5"), discover(place)).bad) == VIDEOS - 1
    naming = Naming(first=0)
    with pytest.raises(RunConflictError, match="--force"):
        pack(Packing(place, toys.root / "p.h5", naming=naming), discover(place, naming))


def test_a_picture_0_that_is_no_frame(toys, gsmbench):
    expected = content_hash(score(toys, out=toys.root / "expected.h5").path)
    for video in folders(toys.data / "toy"):
        shutil.copy(frames_of(video)[0], video / "00000.jpg")
    with pytest.raises(SplitError, match="first_frame = 1, if 0 is no frame"):
        score(toys)
    (toys.manifests / "local.toml").write_text('[datasets.toy]\nlike = "toy"\nfirst_frame = 1\n')
    assert content_hash(score(toys).path) == expected
    ran = gsmbench("pack", toys.data / "toy/frames", "packed.h5", "--quiet", "--first-frame", 1)
    assert ran.status == 0, ran.err
    assert content_hash(score(toys, frames=toys.root / "packed.h5", out=toys.root / "p.h5").path) == expected


def test_names_are_judged_by_videos_that_have_pictures(toys):
    gone, empty, other, zero = folders(toys.data / "toy")[:4]
    shutil.rmtree(gone)
    for frame in frames_of(empty):
        frame.unlink()
    for frame in frames_of(other):
        frame.rename(frame.with_name(f"img_{frame.name}"))
    for frame in frames_of(zero):
        frame.rename(frame.with_name(f"{int(frame.stem) - 1:05d}.jpg"))
    bad = score(toys).bad
    assert list(bad) == [video.name for video in (gone, empty, other, zero)]
    assert "is named like 00001.jpg; the first is img_00001.jpg (see frame_pattern" in bad[other.name]
    assert "numbered from 0, not from 1 (first_frame = 0" in bad[zero.name]


def test_folders_with_other_zeros(toys):
    expected = content_hash(score(toys, out=toys.root / "expected.h5").path)
    place = renamed(toys.root, lambda number: f"{number}.jpg")
    assert content_hash(score(toys, frames=place).path) == expected
    pack(Packing(place, toys.root / "p.h5"), discover(place))  # 1.jpg .. 9.jpg beside 10.jpg
    assert content_hash(score(toys, frames=toys.root / "p.h5", out=toys.root / "p.scores.h5").path) == expected


def test_pictures_of_two_kinds_are_not_mixed(toys, gsmbench):
    """As TSN's tools write them: colour and optical flow in one folder."""
    place = renamed(toys.root, lambda number: f"flow_x_{number:05d}.jpg")
    for video in folders(toys.data / "toy"):
        for frame in frames_of(video):
            shutil.copy(frame, place / video.name / f"img_{frame.name}")
    ran = gsmbench("pack", place, "p.h5", "--quiet")
    assert ran.status == 3
    assert "pictures of 2 kinds: flow_x_*.jpg, img_*.jpg; choose with --names" in ran.err
    ran = gsmbench("pack", place, "p.h5", "--quiet", "--names", "img_{frame:05d}.jpg")
    assert ran.status == 0, ran.err
    expected = content_hash(score(toys, out=toys.root / "expected.h5").path)
    assert content_hash(score(toys, frames=toys.root / "p.h5").path) == expected
    ran = gsmbench("pack", place, "q.h5", "--quiet", "--names", "img_.jpg")
    assert ran.status == 1
    assert "is not a pattern of file names" in ran.err


def test_a_picture_beside_the_videos_is_not_the_video(toys):
    frames = toys.data / "toy/frames"
    shutil.copy(frames / "v0/00001.jpg", frames / "figure1.jpg")
    assert {f"v{video}" for video in range(VIDEOS)} < set(discover(frames))


def flat(data, path):
    tar_of(data, path, lambda video, name: f"{video}_{name}")


def nested(data, path):
    with h5py.File(path, "w") as file:
        file.create_dataset("videos/v0", (1,), VLEN)


def empty(data, path):
    tarfile.open(path, "w").close()


@pytest.mark.parametrize(
    ("make", "name", "holds"),
    [(flat, "flat.tar", "(no folder)"), (nested, "nested.h5", "videos/.."), (empty, "empty.tar", "nothing")],
)
def test_a_file_that_holds_no_video_is_refused_before_the_run(toys, make, name, holds):
    make(toys.data / "toy", toys.root / name)
    with pytest.raises(SplitError) as refused:
        score(toys, frames=toys.root / name)
    assert f"none of {VIDEOS} videos is in this file, such as 'v0'; it holds {holds}" in str(refused.value)
    assert "under the video's name" in str(refused.value)


def test_a_folder_that_holds_no_video_is_refused_before_the_run(toys):
    with pytest.raises(SplitError, match="no 'v0', with or without a suffix"):
        score(toys, frames=toys.data / "toy")


def written(file, name, dtype, value):
    """A dataset of three rows with the same value."""
    dataset = file.create_dataset(name, (3,), dtype)
    for row in range(3):
        dataset[row] = value


@pytest.mark.parametrize(
    ("put", "described"),
    [
        (lambda file, name: file.create_dataset(f"{name}/00001", data=np.zeros(3, np.uint8)), "a group of 00001"),
        (lambda file, name: file.create_dataset(name, data=np.zeros((3, 8, 8, 3), np.uint8)), "uint8 [3, 8, 8, 3]"),
        (lambda file, name: written(file, name, h5py.vlen_dtype(np.int8), np.ones(4, np.int8)), "rows of int8 [3]"),
        (lambda file, name: written(file, name, h5py.string_dtype(), "x"), "text [3]"),
    ],
)
def test_hdf5_of_other_layouts(toys, put, described):
    with h5py.File(toys.root / "other.h5", "w") as file:
        for video in range(VIDEOS):
            put(file, f"v{video}")
    outcome = score(toys, frames=toys.root / "other.h5")
    assert f"dataset 'v0' is {described}, not one row of JPEG bytes per frame" in outcome.bad["v0"]


def test_an_archive_is_listed_once_per_process(toys, monkeypatch):
    as_tar(folders(toys.data / "toy"), toys.root / "frames.tar")
    listed = []
    members = archive._tar_members
    monkeypatch.setattr(archive, "_tar_members", lambda *given: listed.append(given) or members(*given))
    readers = [
        archive.ArchiveReader(archive.Archive(toys.root / "frames.tar"), f"v{video}", None) for video in range(VIDEOS)
    ]
    assert all(reader.count() > 10 for reader in readers)
    assert len(listed) == 1
    as_tar(folders(toys.data / "toy")[:1], toys.root / "frames.tar")  # another file takes its place
    with pytest.raises(FrameError, match="no folder 'v1'"):
        archive.ArchiveReader(archive.Archive(toys.root / "frames.tar"), "v1", None).count()


def test_one_process_packs_at_a_time(toys):
    packing = Packing(toys.data / "toy/frames", toys.root / "p.h5")
    with packing_room._locked(packing), pytest.raises(RunConflictError, match="another process is packing"):
        pack(packing, discover(packing.source))
    assert pack(packing, discover(packing.source)).videos == VIDEOS


def test_a_full_disk_stops_packing_with_one_sentence_and_keeps_what_is_whole(toys, monkeypatch, gsmbench):
    free = iter([10**12] * 4)
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as full:
        full.setattr(files.shutil, "disk_usage", lambda _: usage(0, 0, next(free, 1000)))
        ran = gsmbench("pack", toys.data / "toy/frames", "p.h5", "--quiet")
    assert ran.status == 1
    assert "not enough disk space: 1.0 MB needed, 0.001 MB free" in ran.err
    assert "finished work is kept" in ran.err
    packed = pack(Packing(toys.data / "toy/frames", toys.root / "p.h5"), discover(toys.data / "toy/frames"))
    assert packed.reused == 4
    with h5py.File("p.h5") as file:
        assert len(file) == VIDEOS


def test_a_kill_between_the_file_and_its_parts_is_repaired(toys, monkeypatch):
    frames = toys.data / "toy/frames"
    (frames / "v0/00001.jpg").rename(frames / "v0/00000.jpg")  # one is left out, so that the packing goes on
    with monkeypatch.context() as killed:
        killed.setattr(packing_room.shutil, "rmtree", lambda *_: None)
        assert pack(Packing(frames, toys.root / "p.h5"), discover(frames)).videos == VIDEOS - 1
    (frames / "v0/00000.jpg").rename(frames / "v0/00001.jpg")
    assert pack(Packing(frames, toys.root / "p.h5"), discover(frames)).videos == VIDEOS


def test_the_report_leaves_the_new_file_out_and_takes_commas(toys, gsmbench):
    place = toys.root / "a, b"
    shutil.copytree(toys.data / "toy/frames", place)
    for force in ([], ["--force"]):
        ran = gsmbench("pack", place, place / "p.h5", "--quiet", "--format", "csv", *force)
        assert ran.status == 0, ran.err
        files_before = next(line for line in ran.out.splitlines() if line.startswith("files,")).split(",")[1]
        assert int(files_before) == sum(len(frames_of(video)) for video in place.iterdir() if video.is_dir())


def test_a_full_disk_stops_a_run_with_one_sentence(toys, monkeypatch):
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as disk, pytest.raises(DiskError, match="not enough disk space") as full:
        disk.setattr(files.shutil, "disk_usage", lambda _: usage(0, 0, 1000))
        score(toys)
    assert "finished work is kept" in str(full.value)
    assert score(toys).reused == VIDEOS


@pytest.fixture
def videos(toys):
    frames = toys.data / "toy/frames"
    shutil.rmtree(frames)
    frames.mkdir()
    for video in range(VIDEOS):
        make_video(frames / f"v{video}.mp4", "libx264", seed=video)
    (toys.data / "toy/val.txt").write_text("".join(f"v{video} 40 0\n" for video in range(VIDEOS)))
    return toys


def test_videos_with_suffixes_in_capitals(videos):
    expected = content_hash(score(videos, out=videos.root / "expected.h5").path)
    for video in (videos.data / "toy/frames").iterdir():
        video.rename(video.with_suffix(".MP4"))
    assert content_hash(score(videos).path) == expected


def test_lists_that_name_videos_with_their_suffix(videos):
    """As those of UCF101 do; a packed file calls them without."""
    expected = read(score(videos, out=videos.root / "expected.h5").path).scores["action"]
    (videos.data / "toy/val.txt").write_text("".join(f"v{video}.mp4 40 0\n" for video in range(VIDEOS)))
    outcome = score(videos)
    assert outcome.bad == {}
    assert np.array_equal(read(outcome.path).scores["action"], expected)
    frames = videos.data / "toy/frames"
    pack(Packing(frames, videos.root / "p.h5", quality=None), discover(frames))
    outcome = score(videos, frames=videos.root / "p.h5", out=videos.root / "p.scores.h5")
    assert np.array_equal(read(outcome.path).scores["action"], expected)


def test_a_video_among_folders_of_pictures_is_in_the_signature(videos):
    frames = videos.data / "toy/frames"
    (frames / "v0.mp4").unlink()
    (frames / "v0").mkdir()
    for number in range(1, 41):
        Image.new("RGB", (64, 48)).save(frames / f"v0/{number:05d}.jpg")
    outcome = score(videos)
    assert outcome.bad == {}
    assert "video decoded" in read(outcome.path).provenance.signature


@pytest.mark.parametrize("make", [as_tar, as_zip, as_hdf5])
def test_a_file_that_vanishes_between_two_looks_is_a_bad_video(toys, make):
    video = folders(toys.data / "toy")[0]
    path = toys.root / f"{video.name}.{make.__name__[3:].replace('hdf5', 'h5')}"
    make([video], path)
    reader = reader_at(path, video.name, None)
    assert reader.count() > 10
    path.unlink()
    with pytest.raises(FrameError, match=r"cannot be read|damaged"):
        list(reader.pictures([1, 2]))


def test_damaged_attributes_affect_their_video_alone(toys):
    as_hdf5(folders(toys.data / "toy"), toys.root / "frames.h5")
    with h5py.File(toys.root / "frames.h5", "a") as file:
        file["v3"].attrs["missing"] = 7  # not a list of numbers
    outcome = score(toys, frames=toys.root / "frames.h5")
    assert list(outcome.bad) == ["v3"]
    assert "its frames cannot be read" in outcome.bad["v3"]


@pytest.mark.parametrize("out", ["frames", "frames.hdf", "folder.h5"])
def test_out_is_an_hdf5_file(toys, gsmbench, out):
    (toys.root / "folder.h5").mkdir()
    ran = gsmbench("pack", toys.data / "toy/frames", out, "--force")
    assert ran.status == 2
    assert "a file that ends with .h5" in ran.err
    assert not (toys.root / f"{out}.parts").exists()
