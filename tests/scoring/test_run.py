import os
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.errors import CheckpointError, FrameError, GsmBenchError, NetworkError, RunConflictError  # noqa: E402
from gsm_bench.frames.read_views import read_views  # noqa: E402
from gsm_bench.frames.transform import normalise  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import content_hash, open_scores, read  # noqa: E402
from gsm_bench.scoring.plan import plan_run  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from tests.conftest import trust  # noqa: E402
from tests.scoring.toys import decoded_frames, make_checkpoint, make_clips  # noqa: E402

CLIPS = 40


@pytest.fixture
def toys(workspace):
    make_clips(workspace, CLIPS)
    make_checkpoint(workspace)
    return workspace


def score(workspace, progress=lambda _: None, **choices):
    job, loaded = prepare(Request("toy_4f", **{"threads": 1, **choices}), load_manifest(workspace), workspace)
    return run(job, loaded.network, progress)


def lengths(workspace):
    return [int(line.split()[1]) for line in (workspace.data / "toy" / "val.txt").read_text().splitlines()]


def damage(workspace, clip, number, content=b"no picture"):
    (workspace.data / "toy" / "frames" / clip / f"{number:05d}.jpg").write_bytes(content)


def test_scores_are_those_of_the_network_clip_by_clip(toys):
    outcome = score(toys)
    assert (outcome.scored, outcome.reused, outcome.bad) == (CLIPS, 0, {})
    found = read(outcome.path)
    job, loaded = prepare(Request("toy_4f", out=toys.root / "x.h5"), load_manifest(toys), toys)
    loaded.network.eval()
    for row in (0, 7, CLIPS - 1):
        pixels = read_views(job.source, job.split.video(row), job.read_plan).pixels
        with torch.inference_mode():
            expected = loaded.network(normalise(torch.from_numpy(pixels), job.entry.input)).numpy()
        assert np.abs(found.scores["action"][row] - expected).max() < 1e-4 * expected.std()
    assert found.views["offset"].tolist() == [0.0, 0.5]
    assert found.class_names["action"] == ("ape", "bee", "cat", "dog", "elk")
    assert found.num_frames.tolist() == lengths(toys)
    assert not job.chunks_path.exists()


def test_provenance_says_it_all(toys):
    provenance = read(score(toys).path).provenance
    assert all(value is not None for key, value in provenance.to_dict().items() if key != "limit")
    assert provenance.split_sha256 == load_and_split(toys).sha256
    assert provenance.params > 0
    assert provenance.macs_paper_per_view > provenance.macs_bare_per_view > 0
    assert "tanh" in provenance.uncounted
    assert provenance.checkpoint_sha256 in provenance.signature


def test_our_networks_score_as_they_answer(toys):
    make_checkpoint(toys, "toy_bninc")
    job, loaded = prepare(Request("toy_bninc", limit=3, threads=1), load_manifest(toys), toys)
    found = read(run(job, loaded.network).path).scores["action"]
    pixels = np.stack([read_views(job.source, job.split.video(row), job.read_plan).pixels for row in range(3)])
    with torch.inference_mode():
        expected = (
            loaded.network.eval()(normalise(torch.from_numpy(pixels), job.entry.input).flatten(0, 1))
            .view(3, 2, 5)
            .numpy()
        )
    assert np.abs(found - expected).max() < 1e-4 * expected.std()


def load_and_split(workspace):
    from gsm_bench.splits import read_split

    return read_split(load_manifest(workspace).dataset("toy"), "val", workspace.data / "toy")


def test_each_frame_is_decoded_once(toys):
    assert score(toys).decoded == sum(decoded_frames(length) for length in lengths(toys))


def test_the_one_clip_row_of_two_clips_is_bit_equal(toys):
    two = read(score(toys).path).scores["action"]
    one = read(score(toys, clips=1, out=toys.root / "one.h5").path).scores["action"]
    assert np.array_equal(two[:, 1], one[:, 0])
    assert not np.array_equal(two[:, 0], one[:, 0])


def test_content_does_not_depend_on_workers(toys):
    hashes = {content_hash(score(toys, workers=n, out=toys.root / f"{n}.h5").path) for n in (1, 2, 5)}
    assert len(hashes) == 1


def test_content_does_not_depend_on_threads(toys):
    make_checkpoint(toys, "toy_bninc")
    hashes = set()
    for threads in (1, 2, 3):
        job, loaded = prepare(
            Request("toy_bninc", threads=threads, limit=20, out=toys.root / f"{threads}.h5"), load_manifest(toys), toys
        )
        hashes.add(content_hash(run(job, loaded.network).path))
    assert len(hashes) == 1


def test_a_second_run_has_nothing_to_do(toys):
    first = content_hash(score(toys).path)
    again = score(toys)
    assert (again.scored, again.reused, again.decoded) == (0, CLIPS, 0)
    assert content_hash(again.path) == first


class StopError(Exception):
    pass


def stop_after(clips):
    def progress(now):
        if now.done >= clips:
            raise StopError

    return progress


def test_an_interrupted_run_goes_on_and_ends_bit_equal(toys):
    whole = content_hash(score(toys, out=toys.root / "whole.h5").path)
    with pytest.raises(StopError):
        score(toys, stop_after(20))
    parts = toys.score_path("toy", "val", "toy_4f").with_name("toy_4f.h5.parts")
    assert 1 <= len(list(parts.glob("*.npz"))) < 4  # a thread of its own writes them
    assert not list(parts.glob("*.claim"))
    outcome = score(toys)
    assert (outcome.scored, outcome.reused) == (CLIPS - 16, 16)
    assert content_hash(outcome.path) == whole


def test_bad_clips_are_named_and_the_rest_goes_on(toys):
    whole = read(score(toys, out=toys.root / "whole.h5").path).scores["action"]
    damage(toys, "v3", 1)
    (toys.data / "toy" / "frames" / "v9" / "00002.jpg").unlink()
    for path in (toys.data / "toy" / "frames" / "v20").iterdir():
        path.unlink()
    outcome = score(toys)
    assert list(outcome.bad) == ["v3", "v9", "v20"]
    assert "frame 1 of video 'v3' cannot be decoded: not a picture" in outcome.bad["v3"]
    assert "are expected" in outcome.bad["v9"]
    found = read(outcome.path)
    assert np.flatnonzero(found.status).tolist() == [3, 9, 20]
    assert np.isnan(found.scores["action"][[3, 9, 20]]).all()
    rest = found.status == 0
    assert np.array_equal(found.scores["action"][rest], whole[rest]), "the others are as if nothing had happened"


def test_mended_clips_alone_are_scored_again(toys):
    whole = content_hash(score(toys, out=toys.root / "whole.h5").path)
    frame = toys.data / "toy" / "frames" / "v21" / "00001.jpg"
    good = frame.read_bytes()
    damage(toys, "v21", 1, good[:200])
    assert list(score(toys).bad) == ["v21"]
    frame.write_bytes(good)
    outcome = score(toys)
    assert (outcome.scored, outcome.reused, outcome.bad) == (1, CLIPS - 1, {})
    assert content_hash(outcome.path) == whole
    assert read(outcome.path).problems == {}


def test_nearest_substitutes_counts_and_records(toys):
    damage(toys, "v3", 1)
    outcome = score(toys, on_bad_frame="nearest")
    assert outcome.bad == {}
    assert outcome.substituted == {"v3": "frame 1 by 2"}
    assert read(outcome.path).status[3] == 1


def test_error_policy_stops_and_keeps_finished_parts(toys):
    damage(toys, "v21", 1)
    with pytest.raises(FrameError, match="'v21'"):
        score(toys, on_bad_frame="error")
    assert score(toys).reused == 16


def test_a_batch_of_bad_clips_only(toys):
    for clip in ("v0", "v1"):
        damage(toys, clip, 1)
    assert list(score(toys, batch=2).bad) == ["v0", "v1"]


def test_short_videos_are_scored(workspace):
    make_clips(workspace, 3, lengths=(1, 3))
    make_checkpoint(workspace)
    assert score(workspace).bad == {}


def test_counts_of_a_list_without_lengths_are_kept(toys):
    outcome = score(toys, split="bare")
    assert read(outcome.path).num_frames.tolist() == lengths(toys)
    assert np.array_equal(read(outcome.path).scores["action"], read(score(toys).path).scores["action"])
    damage(toys, "v4", 1)
    frames = toys.data / "toy" / "frames" / "v4"
    outcome = score(toys, split="bare", fresh=True, on_bad_frame="nearest")
    assert list(outcome.substituted) == ["v4"]
    kept = read(outcome.path).num_frames[4]
    sorted(frames.iterdir())[-1].unlink()
    assert f"{kept} are expected" in score(toys, split="bare").bad["v4"]


def test_another_signature_at_the_same_place_is_refused(toys):
    before = content_hash(score(toys).path)
    with pytest.raises(RunConflictError) as raised:
        score(toys, batch=4)
    assert "batch: there 2, now 4" in str(raised.value)
    assert "--out FILE" in str(raised.value)
    assert "--fresh" in str(raised.value)
    assert content_hash(toys.score_path("toy", "val", "toy_4f")) == before
    score(toys, batch=4, fresh=True)
    assert read(toys.score_path("toy", "val", "toy_4f")).provenance.batch == 4


def test_unfinished_parts_of_another_signature_are_refused_too(toys):
    with pytest.raises(StopError):
        score(toys, stop_after(20))
    with pytest.raises(RunConflictError, match="batch"):
        score(toys, batch=4)
    assert score(toys, batch=4, fresh=True).reused == 0


def test_an_interrupted_fresh_run_goes_on_and_the_old_file_stays_until_then(toys):
    old = content_hash(score(toys).path)
    with pytest.raises(StopError):
        score(toys, stop_after(20), batch=4, fresh=True)
    assert content_hash(toys.score_path("toy", "val", "toy_4f")) == old
    assert score(toys, batch=4).reused == 16


def test_an_interrupted_fresh_run_with_the_same_settings_goes_on(toys):
    score(toys)
    with pytest.raises(StopError):
        score(toys, stop_after(20), fresh=True)
    outcome = score(toys)
    assert (outcome.scored, outcome.reused) == (CLIPS - 16, 16)
    assert not (toys.root / "scores/toy/val/toy_4f.h5.parts").exists()


def test_bad_clips_of_an_interrupted_run_are_tried_again(toys):
    whole = content_hash(score(toys, out=toys.root / "whole.h5").path)
    frame = toys.data / "toy/frames/v3/00001.jpg"
    good = frame.read_bytes()
    damage(toys, "v3", 1)
    with pytest.raises(StopError):
        score(toys, stop_after(36))
    frame.write_bytes(good)
    outcome = score(toys)
    assert (outcome.bad, outcome.reused) == ({}, 16)
    assert content_hash(outcome.path) == whole


def test_a_damaged_part_is_scored_again(toys):
    whole = content_hash(score(toys, out=toys.root / "whole.h5").path)
    with pytest.raises(StopError):
        score(toys, stop_after(36))
    part = toys.root / "scores/toy/val/toy_4f.h5.parts/000001.npz"
    part.write_bytes(part.read_bytes()[:100])
    outcome = score(toys)
    assert outcome.reused == 16
    assert content_hash(outcome.path) == whole


def test_a_run_says_for_whom_it_waits_and_goes_on(toys, monkeypatch):
    """A claim of another machine, whose clock is ahead and whose process is gone."""
    monkeypatch.setattr("gsm_bench.scoring.claims.STALE_AFTER_S", float("inf"))
    monkeypatch.setattr("gsm_bench.scoring.waiting.SAY_AFTER_S", 0.0)
    score(toys, shard=(1, 2))
    parts = toys.root / "scores/toy/val/toy_4f.h5.parts"
    claim = parts / "1.claim"
    claim.write_text('{"host": "elsewhere", "pid": 7}')
    os.utime(claim, (time.time() + 7200,) * 2)
    seen = []

    def gone_once_it_was_named(progress):
        seen.append(progress)
        if progress.waiting:
            monkeypatch.setattr("gsm_bench.scoring.claims.STALE_AFTER_S", 0.0)

    outcome = score(toys, progress=gone_once_it_was_named)
    assert (outcome.chunks_left, outcome.bad) == (0, {})
    words = next(progress.waiting for progress in seen if progress.waiting)
    assert words.startswith("waiting since ") and "process 7 on elsewhere for chunk 1" in words
    assert not parts.exists()


def test_a_count_of_a_bad_clip_is_not_kept(toys):
    frames = toys.data / "toy/frames/v21"
    last = sorted(frames.iterdir())[-1]
    good = last.read_bytes()
    last.unlink()
    damage(toys, "v21", 1)
    assert list(score(toys, split="bare").bad) == ["v21"]
    last.write_bytes(good)
    (frames / "00001.jpg").write_bytes(good)
    outcome = score(toys, split="bare")
    assert read(outcome.path).num_frames.tolist() == lengths(toys)


def test_a_file_made_elsewhere_is_not_overwritten(toys):
    from gsm_bench.scorefile import write
    from tests.conftest import clip_scores

    write(toys.root / "other.h5", clip_scores(np.zeros((3, 2, 5)), model="x"))
    with pytest.raises(RunConflictError, match="the existing file has no signature"):
        score(toys, out=toys.root / "other.h5")


def test_the_score_file_is_no_directory(toys):
    with pytest.raises(GsmBenchError, match="over a directory"):
        score(toys, out=toys.root)


def test_plan_sees_another_run(toys):
    with pytest.raises(StopError):
        score(toys, stop_after(20))
    job, loaded = prepare(Request("toy_4f", batch=4), load_manifest(toys), toys)
    with pytest.raises(RunConflictError):
        plan_run(job, loaded.network)


def test_limit_writes_its_own_file(toys):
    outcome = score(toys, limit=5)
    assert outcome.path.name == "toy_4f.limit-5.h5"
    found = read(outcome.path)
    assert len(found) == 5
    assert np.array_equal(found.scores["action"][:4], read(score(toys).path).scores["action"][:4])


def test_reversed_frames_are_other_scores_in_another_file(toys):
    outcome = score(toys, frame_order="reversed")
    assert outcome.path.name == "toy_4f.reversed.h5"
    assert not np.allclose(read(outcome.path).scores["action"], read(score(toys).path).scores["action"])


def test_shards_divide_the_parts_and_the_last_writes(toys):
    whole = content_hash(score(toys, out=toys.root / "whole.h5").path)
    first = score(toys, shard=(1, 2))
    assert first.path is None
    assert (first.scored, first.chunks_left) == (24, 1)  # parts 1 and 3 of 16, 16 and 8 clips
    second = score(toys, shard=(2, 2))
    assert (second.scored, content_hash(second.path)) == (16, whole)


@pytest.mark.parametrize("crops", [5, 10])
def test_crops(toys, crops):
    found = read(score(toys, crops=crops, limit=2).path)
    assert found.scores["action"].shape == (2, 2 * crops, 5)
    assert set(found.views["crop"].tolist()) == set(range(5))


def test_plan_writes_nothing_and_foretells(toys):
    job, loaded = prepare(Request("toy_4f"), load_manifest(toys), toys)
    plan = plan_run(job, loaded.network)
    assert (plan.videos, plan.to_score, plan.chunks, plan.views) == (CLIPS, CLIPS, 3, 2)
    assert plan.frames_per_video == sum(map(decoded_frames, lengths(toys))) / CLIPS
    assert plan.identical == sum(length in (1, 2, 4) for length in lengths(toys))
    assert plan.seconds > 0
    assert plan.bytes == CLIPS * 2 * 5 * 4
    assert not toys.scores.exists()
    score(toys)
    assert plan_run(job, loaded.network).to_score == 0


OWN = """
import torch

class Mean(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.classes = classes
    def forward(self, x):  # [B, T, 3, S, S]
        return {answer}

def build(entry):
    return Mean(entry.tasks["action"])
"""


def add_own(workspace, answer):
    (workspace.root / "mynet.py").write_text(OWN.replace("{answer}", answer))
    text = (workspace.manifests / "toy.toml").read_text()
    own = text.partition("[models.toy_4f]")[2].partition("[models")[0].replace("toynet:build", "mynet:build")
    own = own.replace("toy.safetensors", "own.safetensors")
    (workspace.manifests / "own.toml").write_text("[models.own]" + own)
    workspace.checkpoints.mkdir(exist_ok=True)
    from safetensors.torch import save_file

    save_file({"scale": torch.ones(1)}, workspace.checkpoints / "own.safetensors")
    trust(workspace)


def test_own_network(toys):
    add_own(toys, "self.scale * x.mean((1, 2, 3, 4))[:, None].repeat(1, self.classes)")
    job, loaded = prepare(Request("own"), load_manifest(toys), toys)
    found = read(run(job, loaded.network).path)
    assert found.scores["action"].shape == (CLIPS, 2, 5)
    assert found.scores["action"].std() > 0
    assert found.provenance.params == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("x.mean((1, 2, 3, 4))[:, None]", r"action \[2, 5\]"),
        ("{'verb': x.mean((1, 2, 3, 4))[:, None].repeat(1, 5)}", "verb"),
        ("x * float('nan')", "entry says"),
    ],
)
def test_own_network_that_answers_otherwise(toys, answer, message):
    add_own(toys, answer)
    job, loaded = prepare(Request("own"), load_manifest(toys), toys)
    with pytest.raises(NetworkError, match=message):
        run(job, loaded.network)


def test_own_network_that_fails(toys):
    add_own(toys, "x.view(7)")
    job, loaded = prepare(Request("own"), load_manifest(toys), toys)
    with pytest.raises(NetworkError, match=r"own failed on clips \[2, 4, 3, 32, 32\]: RuntimeError"):
        run(job, loaded.network)
    (toys.root / "mynet.py").write_text("def build(entry:")
    trust(toys)
    with pytest.raises(NetworkError, match="SyntaxError"):
        prepare(Request("own"), load_manifest(toys), toys)


def test_answers_that_are_not_finite_are_not_scores(toys):
    add_own(toys, "self.scale * float('inf') * torch.ones(len(x), self.classes)")
    job, loaded = prepare(Request("own", limit=3), load_manifest(toys), toys)
    outcome = run(job, loaded.network)
    assert set(outcome.bad.values()) == {"the network returned NaN or inf"}


@pytest.mark.parametrize(
    ("change", "choices", "error", "message"),
    [
        (None, {"device": "cuda:7"}, GsmBenchError, "no cuda:7 on this machine"),
        (None, {"device": "tpu"}, GsmBenchError, "not a device"),
        (None, {"shard": (3, 2)}, GsmBenchError, "no shard 3/2"),
        (None, {"split": "test"}, GsmBenchError, "its splits are|--split is one of val"),
        (None, {"dataset": "something-v1"}, NetworkError, "orders its classes"),
        ('file = "toy.safetensors"', {}, CheckpointError, "no checkpoint of toy_4f"),
        ("classes = 5\nclass_order", {}, NetworkError, "6 action classes"),
    ],
)
def test_wrong_requests(toys, change, choices, error, message):
    if change:
        path = toys.manifests / "toy.toml"
        head, model, tail = path.read_text().partition("[models.toy_4f]")
        path.write_text(head + model + tail.replace(change, change.replace("toy.s", "gone.s").replace("= 5", "= 6")))
        if "classes" in change:
            make_checkpoint(toys)
    with pytest.raises(error, match=message):
        score(toys, **choices)


def test_pinned_hash_is_checked(toys):
    path = toys.manifests / "toy.toml"
    path.write_text(
        path.read_text().replace('file = "toy.safetensors"', f'file = "toy.safetensors", sha256 = "{"0" * 64}"')
    )
    with pytest.raises(CheckpointError, match="not the pinned checkpoint"):
        score(toys)


def test_file_is_readable_by_head_alone(toys):
    with open_scores(score(toys).path) as file:
        assert file.head.provenance.to_json()


def test_a_run_lists_its_chunks_no_more_often_if_there_are_more(toys, monkeypatch):
    """A million videos lie in thousands of chunks: listing them takes longer than a batch."""
    from gsm_bench.scoring import chunks, job, model_run

    monkeypatch.setattr(model_run, "LOOK_EVERY_S", 1e9)
    listings = []
    finished = chunks.ChunkFolder.finished
    monkeypatch.setattr(chunks.ChunkFolder, "finished", lambda folder: listings.append(1) or finished(folder))
    counts = []
    for videos in (2, 16):
        listings.clear()
        monkeypatch.setattr(job, "CHUNK_VIDEOS", videos)
        score(toys, batch=2, out=toys.root / f"{videos}.h5")
        counts.append(len(listings))
    assert counts[0] == counts[1] < 10, "20 chunks against 3"


def test_each_chunk_is_read_once_for_the_score_file(toys, monkeypatch):
    from gsm_bench.scoring import chunks

    numbers = []
    read_chunk = chunks.ChunkFolder.read
    monkeypatch.setattr(
        chunks.ChunkFolder, "read", lambda folder, number: numbers.append(number) or read_chunk(folder, number)
    )
    score(toys)
    assert numbers == [0, 1, 2]


def test_a_list_of_other_frames_is_said(toys, gsmbench):
    (toys.data / "toy/val.txt").write_text("v0 1 0\n")
    ran = gsmbench("score", "--model", "toy_4f")
    assert "note: video 'v0' has" in ran.err
    assert "its list says 1: only these are used" in ran.err
    (toys.data / "toy/bare.txt").write_text("v0\n")
    assert "note: video" not in gsmbench("score", "--model", "toy_4f", "--split", "bare").err


def test_models_with_a_comma_too_many(toys, gsmbench):
    ran = gsmbench("score", "--models", "toy_4f,")
    assert ran.status == 2
    assert "a comma too many" in ran.err
