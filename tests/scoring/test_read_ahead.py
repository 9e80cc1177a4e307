"""Pixels that a run holds are bounded by bytes: how far it reads ahead, and what it has in its passes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from gsm_bench import usable_memory  # noqa: E402
from gsm_bench.frames.read_views import RawViews, VideoPixels, pixel_bytes, read_views_for  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import content_hash  # noqa: E402
from gsm_bench.scoring import job, pipeline  # noqa: E402
from gsm_bench.scoring.pipeline import BATCHES_AHEAD, Batch  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare, prepare_together  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from gsm_bench.scoring.transfer import Loader  # noqa: E402
from tests.scoring.test_together import add_model  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

VIDEO = 1000
"""Bytes of the pixels of each video here."""


def batches_begun(most_bytes, monkeypatch, sizes=(VIDEO,) * 16):
    """How many batches of two videos were begun when each of them came."""
    begun = []
    monkeypatch.setattr(pipeline, "read_requests", lambda batch: begun.append(batch) or list(batch.rows))
    monkeypatch.setattr(pipeline, "read_row", lambda row: {0: VideoPixels(np.zeros(sizes[row], np.uint8))})
    batches = iter([Batch(0, np.arange(at, at + 2), [(None, np.ones(2, bool))]) for at in range(0, len(sizes), 2)])
    with ThreadPoolExecutor(2) as pool:
        return [len(begun) for _ in pipeline.prefetch(batches, pool, most_bytes)]


def test_batches_are_read_ahead_as_far_as_their_bytes_allow(monkeypatch):
    most = BATCHES_AHEAD + 1
    assert batches_begun(1 << 40, monkeypatch) == [most, 4, 5, 6, 7, 8, 8, 8]
    assert batches_begun(2 * most * VIDEO, monkeypatch) == [most, 4, 5, 6, 7, 8, 8, 8]
    assert batches_begun(4 * VIDEO, monkeypatch) == [2, 3, 4, 5, 6, 7, 8, 8]
    assert batches_begun(2 * VIDEO, monkeypatch) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert batches_begun(1, monkeypatch) == [1, 2, 3, 4, 5, 6, 7, 8], "one batch is read, whatever it takes"


def test_larger_videos_later_are_read_less_far_ahead(monkeypatch):
    begun = batches_begun(6 * VIDEO, monkeypatch, (VIDEO,) * 8 + (3 * VIDEO,) * 8)
    assert begun[:2] == [3, 4]
    assert begun[5:] == [6, 7, 8]


def test_a_video_that_cannot_be_read_takes_no_memory(monkeypatch):
    assert batches_begun(1, monkeypatch, (0,) * 16) == [3, 4, 5, 6, 7, 8, 8, 8]


@pytest.mark.parametrize("resize", ["reader", "device"])
def test_a_run_holds_two_batches_where_memory_is_short(workspace, monkeypatch, resize):
    make_clips(workspace, 12)
    make_checkpoint(workspace)
    held, largest = 0, []
    ask, answer = pipeline.read_requests, pipeline.batch_result

    def begin(batch):
        nonlocal held
        held += 1
        largest.append(held)
        return ask(batch)

    def finish(*arguments):
        nonlocal held
        held -= 1
        return answer(*arguments)

    monkeypatch.setattr(pipeline, "fetch_ahead", lambda batches, pool: batches)
    monkeypatch.setattr(pipeline, "read_requests", begin)
    monkeypatch.setattr(pipeline, "batch_result", finish)
    contents = set()
    for memory in (1 << 40, 1):
        request = Request("toy_4f", threads=4, batch=2, resize=resize, fresh=True)
        toy, loaded = prepare(request, load_manifest(workspace), workspace)
        toy = replace(toy, settings=replace(toy.settings, pixel_bytes=memory))
        largest.clear()
        contents.add(content_hash(run(toy, loaded.network).path))
        assert (max(largest) > 2) == (memory > 1)
    assert len(contents) == 1


def test_large_frames_are_resized_before_they_wait_for_the_device(workspace):
    """The same views; models of one geometry share their frames, and small frames stay as they are."""
    make_clips(workspace, 1, lengths=(12, 13))
    for name, frames, resize in (("toy_6f", 6, 36), ("toy_wide", 4, 30)):
        add_model(workspace, name, frames, 32 if resize == 36 else 24, resize, 2)
    for name in ("toy_4f", "toy_6f", "toy_wide"):
        make_checkpoint(workspace, name)
    folder = workspace.data / "toy" / "frames" / "v0"
    for place in folder.iterdir():
        Image.open(place).resize((160, 90)).save(place, quality=80)
    requests = [Request(name, resize="device") for name in ("toy_4f", "toy_6f", "toy_wide")]
    jobs = [each for each, _ in prepare_together(requests, load_manifest(workspace), workspace)]

    def read(most):
        plans = [replace(each.read_plan, most_raw_bytes=most) for each in jobs]
        return read_views_for(jobs[0].source, jobs[0].split.video(0), plans)

    raw, small = read(0), read(1000)
    assert all(isinstance(video.pixels, RawViews) for video in raw + small)
    assert raw[0].pixels.frames is raw[2].pixels.frames
    assert small[0].pixels.frames is small[1].pixels.frames
    assert {frame.shape for frame in small[0].pixels.frames.values()} == {(36, 64, 3)}
    assert {frame.shape for frame in small[2].pixels.frames.values()} == {(30, 53, 3)}
    assert pixel_bytes(small) < pixel_bytes(raw)
    for one, other, each in zip(raw, small, jobs, strict=True):
        for view in range(2):
            assert torch.equal(cut(one, view, each), cut(other, view, each))


def test_frames_smaller_than_the_input_stay_as_they_are(workspace):
    make_clips(workspace, 1, lengths=(12, 13))
    make_checkpoint(workspace)
    toy, _ = prepare(Request("toy_4f", resize="device"), load_manifest(workspace), workspace)
    read = read_views_for(toy.source, toy.split.video(0), [replace(toy.read_plan, most_raw_bytes=1)])[0]
    assert {frame.shape for frame in read.pixels.frames.values()} == {(24, 32, 3)}, "not 36 x 48"


def test_a_sixteenth_of_the_memory_but_512_mb_at_least(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(usable_memory, "CGROUP_LIMIT", limit)
    limit.write_text(f"{1 << 30}\n")
    assert job.default_pixel_bytes() == 512 << 20
    monkeypatch.setattr(job, "usable_memory", lambda: (1 << 40, 0))
    assert job.default_pixel_bytes() == 1 << 36


def cut(video, view, toy):
    """A view as the device makes it."""
    loader = Loader(torch.device("cpu"))
    pixels = loader.load([[video.pixels]], [toy.entry.input])[0].pixels(view, slice(0, 1))
    loader.close()
    return pixels
