"""Frames of a report: which videos have them, where they come from, what is said without them."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from gsm_bench import Bench
from gsm_bench.api import report_frames
from gsm_bench.api.report import gather_report
from gsm_bench.api.report_frames import FrameSettings
from gsm_bench.errors import ExportError
from gsm_bench.report.frames import SampledClip, add_frames, needed_numbers
from gsm_bench.report.payload import Payload
from gsm_bench.sampling import sample_indices
from gsm_bench.sampling_rules import Sampling, clip_indices


@pytest.fixture
def stored(workspace, toy_labels, save_scores):
    """Score files of 60 videos, and frames of all but the last."""
    rng = np.random.default_rng(2)
    for name, noise in (("a", 1), ("b", 3)):
        save_scores(name, 3 * np.eye(5)[toy_labels][:, None] + rng.normal(0, noise, (60, 2, 5)))
    for line in (workspace.data / "toy" / "val.txt").read_text().splitlines()[:-1]:
        name, frames, _ = line.split()
        folder = workspace.data / "toy" / "frames" / name
        folder.mkdir(parents=True)
        for number in range(1, int(frames) + 1):
            Image.new("RGB", (40, 30), (8 * number, 0, 90)).save(folder / f"{number:05d}.jpg")
    return workspace


def frames_of(workspace, **settings):
    content = gather_report(Bench(workspace.root), frames=FrameSettings(**settings))
    return content.splits[0], content.splits[0].frames


def test_the_most_telling_videos_have_the_frames_that_models_saw(stored):
    split, frames = frames_of(stored, videos=5)
    assert [(clip.frames, clip.offset, clip.names) for clip in frames.clips] == [
        (4, 0.0, ("a@2", "b@2")), (4, 0.5, ("a@2", "b@2")),
    ]  # fmt: skip
    assert len(frames.inside) == 5
    assert frames.note == ""
    for row, content in frames.inside.items():
        numbers = needed_numbers(frames.clips, int(frames.num_frames[row]))
        assert numbers.tolist() == sorted(set(sample_indices(int(frames.num_frames[row]), 4, 2).ravel().tolist()))
        image = Image.open(io.BytesIO(content))
        assert image.n_frames == len(numbers)
        reds = []
        for at in range(image.n_frames):
            image.seek(at)
            reds.append(image.convert("RGB").getpixel((20, 15))[0])
        assert np.abs(np.array(reds) - 8 * numbers).max() < 12
    assert len(split.ids) == 60


def test_all_other_videos_go_into_a_folder(stored):
    _, frames = frames_of(stored, videos=5, folder=stored.root / "x_frames", name="x_frames")
    assert sorted([*frames.inside, *frames.outside, *frames.problems]) == list(range(60))
    assert frames.problems == {59: "video 'v59' has no frames: no folder, video file or archive of that name"}
    suffix = frames.media.removeprefix("image/")
    names = {path.name for path in (stored.root / "x_frames" / "0").iterdir()}
    assert names == {f"{row}.{suffix}" for row in frames.outside}


def test_a_folder_with_files_needs_force(stored):
    folder = stored.root / "x_frames"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(ExportError, match="this folder of frames exists already"):
        frames_of(stored, videos=1, folder=folder)
    frames_of(stored, videos=1, folder=folder, force=True)
    assert (folder / "mine.txt").read_text() == "keep"


def test_damaged_frames_and_videos_are_named(stored):
    _, whole = frames_of(stored, videos=3)
    first, second, _ = whole.inside
    frames = stored.data / "toy" / "frames"
    numbers = needed_numbers(whole.clips, int(whole.num_frames[first]))
    (frames / f"v{first}" / f"{numbers[0]:05d}.jpg").write_bytes(b"\xff\xd8 no picture")
    shutil.rmtree(frames / f"v{second}")
    _, damaged = frames_of(stored, videos=3)
    assert list(damaged.bad) == [first]
    assert list(damaged.bad[first]) == [numbers[0]]
    assert second in damaged.problems
    assert second not in damaged.inside


def test_without_frames_the_report_says_so(workspace, toy_labels, save_scores):
    save_scores("a", np.random.default_rng(0).normal(size=(60, 2, 5)))
    _, frames = frames_of(workspace)
    assert frames.note.startswith("Frames are not shown: no frames of toy here")
    assert frames.inside == {}


def test_without_pillow_the_report_says_what_to_install(stored, monkeypatch):
    monkeypatch.setattr(report_frames, "find_spec", lambda name: None)
    _, frames = frames_of(stored)
    assert frames.note == "Frames are not shown: reading them needs pip install 'gsm-bench[score]'."


def test_no_thumbnails_on_request(stored):
    _, frames = frames_of(stored, videos=0)
    assert frames is None


def test_progress_counts_every_video(stored):
    seen = []
    frames_of(stored, videos=2, folder=stored.root / "f", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 60) for done in range(1, 61)]


def test_places_of_animations():
    from gsm_bench.report.frames import ReportedFrames

    contents = {row: bytes([row]) * (row + 1) for row in range(0, 80, 2)}
    payload = Payload()
    part = payload.split("toy/val")
    clip = SampledClip(8, 0.5, False, ("a",))
    add_frames(part, ReportedFrames((clip,), np.full(90, 20), inside=contents))
    place = part.places["frames/places"]
    blob = payload.blobs[place["blob"]]
    places = np.frombuffer(blob, "<u4", 270, place["at"]).reshape(90, 3)
    for row in range(90):
        number, start, size = places[row].tolist()
        own = part.places[f"frames/{number}"]
        held = payload.blobs[own["blob"]][own["at"] + start :][:size]
        assert bytes(held) == contents.get(row, b"")


def test_frames_of_other_samplings_are_listed_for_each_length():
    from gsm_bench.report.frames import ReportedFrames

    dense = Sampling("slowfast", 8)
    clips = (
        SampledClip(4, 0.5, False, ("a",)),
        *(SampledClip(4, None, False, ("b",), dense, clip, 3) for clip in (1, 2, 3)),
    )
    payload = Payload()
    part = payload.split("toy/val")
    add_frames(part, ReportedFrames(clips, np.array([90, 0, 300, 90])))
    assert [clip.get("column") for clip in part.facts["frames"]["clips"]] == [None, 0, 4, 8]
    place = part.places["frames/listed"]
    listed = np.frombuffer(payload.blobs[place["blob"]], np.uint8, 48, place["at"]).reshape(
        2, 2, 12
    )  # low and high bytes
    expected = np.stack([clip_indices(dense, length, 4, 3).ravel() for length in (90, 300)])
    assert (listed[0] + 256 * listed[1].astype(int)).tolist() == expected.tolist()
