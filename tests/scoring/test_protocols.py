"""Scores under the protocols of other projects: dense clips, three crops, other numbers of frames than in training."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.api.bench import Bench  # noqa: E402
from gsm_bench.ensembles.frames_text import frames_text  # noqa: E402
from gsm_bench.ensembles.members import MemberSpec, open_members, select_views  # noqa: E402
from gsm_bench.ensembles.shown_frames import shown_clips  # noqa: E402
from gsm_bench.errors import AlignmentError, CheckpointError, GsmBenchError, RunConflictError  # noqa: E402
from gsm_bench.frames.read_views import read_views, view_indices  # noqa: E402
from gsm_bench.frames.transform import normalise, resize  # noqa: E402
from gsm_bench.geometry import crop_corner, resized_size  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.report.frames import sampled_clips  # noqa: E402
from gsm_bench.sampling_rules import clip_indices, parse_sampling  # noqa: E402
from gsm_bench.scorefile import open_scores, read  # noqa: E402
from gsm_bench.scoring.plan import plan_run  # noqa: E402
from gsm_bench.scoring.prepare import Request, job_of, prepare  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

DENSE = {"sampling": "slowfast:2", "clips": 3, "crops": 3}


@pytest.fixture
def toys(workspace):
    make_clips(workspace, 6)
    make_checkpoint(workspace)
    return workspace


def unloaded(workspace, **choices):
    return job_of(Request("toy_4f", **choices), load_manifest(workspace), workspace)


def prepared(workspace, **choices):
    return prepare(Request("toy_4f", threads=1, **choices), load_manifest(workspace), workspace)


def test_dense_clips_and_three_crops_are_the_views_of_a_plain_loop(toys):
    job, loaded = prepared(toys, **DENSE)
    path = run(job, loaded.network).path
    assert path.name == "toy_4f.slowfast-2.h5"
    found, spec, video = read(path), job.entry.input, job.split.video(3)
    pictures = {
        number: np.asarray(picture) for number, picture in job.source.pictures(video, range(1, video.num_frames + 1))
    }
    clips = clip_indices(parse_sampling("slowfast:2"), video.num_frames, 4, 3)
    views = []
    for numbers in clips:
        frames = torch.from_numpy(np.stack([pictures[number] for number in numbers.tolist()]))
        resized = resize(frames, spec)
        for crop in (5, 6, 7):
            left, top = crop_corner(*resized_size(32, 24, spec.resize), spec.size, crop)
            views.append(resized[:, top : top + spec.size, left : left + spec.size])
    assert np.array_equal(read_views(job.source, video, job.read_plan).pixels, torch.stack(views).numpy())
    with torch.inference_mode():
        expected = loaded.network.eval()(normalise(torch.stack(views), spec)).numpy()
    assert found.scores["action"].shape == (6, 9, 5)
    assert np.abs(found.scores["action"][3] - expected).max() < 1e-4 * expected.std()


def test_a_dense_file_says_its_sampling_and_is_averaged_whole(toys):
    job, loaded = prepared(toys, **DENSE)
    path = run(job, loaded.network).path
    with open_scores(path) as file:
        head = file.head
    assert head.provenance.sampling == {"rule": "slowfast", "stride": 2, "frames": 4, "order": "forward"}
    assert "sampling=slowfast:2" in head.provenance.signature
    assert frames_text(head, np.arange(9)) == "4x3x3"
    for clips in (None, 1, 3):
        assert select_views(head, MemberSpec("toy", path, clips, 1.0)).tolist() == list(range(9))
    with pytest.raises(AlignmentError, match="3 clips, sampled by slowfast"):
        select_views(head, MemberSpec("toy", path, 2, 1.0))


@pytest.mark.parametrize(
    ("sampling", "clips"),
    [(None, 2), ("slowfast:2", 3), ("slowfast-segments", 1), ("tsm-dense", 3), ("mmaction2:3", 2), ("videomae:2", 2),
     ("vjepa2:2", 2)],
)  # fmt: skip
@pytest.mark.parametrize("order", ["forward", "reversed"])
def test_explanations_and_reports_show_the_frames_that_were_read(toys, monkeypatch, sampling, clips, order):
    job, loaded = prepared(toys, sampling=sampling, clips=clips, frame_order=order)
    decoded, pixels = {}, job.source.pixels

    def recorded(video, numbers):
        decoded[video.id] = list(numbers)
        return pixels(video, numbers)

    monkeypatch.setattr(job.source, "pixels", recorded)
    path = run(job, loaded.network).path
    bench, spec = Bench(toys.root), MemberSpec("toy", path, clips, 1.0)
    with open_members([spec], {}) as members:
        head, reported = members[0].head, sampled_clips([("toy", members[0])])
    for row in range(6):
        video = job.split.video(row)
        shown = [one.numbers.tolist() for one in shown_clips(spec, head, video.num_frames, video.id)]
        assert shown == [view_indices(video.num_frames, job.read_plan, view).tolist() for view in job.read_plan.views]
        assert decoded[video.id] == sorted({number for numbers in shown for number in numbers})
        forwards = [numbers[::-1] if order == "reversed" else numbers for numbers in shown]
        assert [one.numbers(video.num_frames).tolist() for one in reported] == forwards
        if row == 0:
            text = bench.explain(f"{path}@{clips}")
            assert [f"frames {' '.join(map(str, numbers))}\n" in text for numbers in shown] == [True] * clips
            assert f"{clips} clip" in text and ("tick*x" in text) == (sampling is None)


def test_members_of_unlike_views_are_fused(toys):
    dense, plain = (run(*reversed_pair(prepared(toys, **choices))).path for choices in (DENSE, {}))
    Bench(toys.root).ensemble(f"{dense},{plain}@2", out=toys.root / "both.h5")
    mean = (read(dense).scores["action"].mean(1) + read(plain).scores["action"].mean(1)) / 2
    fused = read(toys.root / "both.h5")
    assert fused.provenance.frames_text == "4x3x3+4x2"
    assert np.allclose(fused.scores["action"][:, 0], mean, rtol=1e-4, atol=1e-5 * mean.std())


def reversed_pair(pair):
    job, loaded = pair
    return job, loaded.network


def test_test_frames_change_the_clip_and_the_name(toys):
    job = unloaded(toys, test_frames=6)
    assert (job.entry.frames, job.target.name) == (6, "toy_4f.6f.h5")
    assert read_views(job.source, job.split.video(0), job.read_plan).pixels.shape[1] == 6
    assert "/6f;" in job.signature
    with pytest.raises(CheckpointError):  # its weights are for 4 frames, and that is said
        prepared(toys, test_frames=6)


def test_a_published_accuracy_belongs_to_its_own_protocol(toys):
    path = toys.root / "manifests" / "toy.toml"
    path.write_text(
        path.read_text().replace("[models.toy_4f]", '[models.toy_4f]\npublished = [{ source = "x", top1_percent = 9 }]')
    )
    assert unloaded(toys).entry.published
    assert not unloaded(toys, test_frames=6).entry.published
    assert not unloaded(toys, **DENSE).entry.published


def test_another_sampling_at_the_same_place_is_refused(toys):
    job, loaded = prepared(toys, out=toys.root / "x.h5")
    run(job, loaded.network)
    other, loaded = prepared(toys, out=toys.root / "x.h5", sampling="mmaction2:2", clips=2)
    with pytest.raises(RunConflictError, match="mmaction2:2"):
        run(other, loaded.network)


def test_bad_samplings_are_one_error(toys):
    for sampling in ("slowfast", "fast:2", "videomae:2"):
        with pytest.raises(GsmBenchError) as error:
            prepared(toys, sampling=sampling, clips=1)
        assert error.value.fix


def test_the_plan_counts_the_frames_of_dense_clips(toys):
    job, loaded = prepared(toys, **DENSE)
    lengths = job.split.num_frames.tolist()
    used = [len(np.unique(clip_indices(job.entry.sampling, length, 4, 3))) for length in lengths]
    assert plan_run(job, loaded.network).frames_per_video == pytest.approx(np.mean(used))


def test_an_entry_names_its_sampling(toys):
    path = toys.root / "manifests" / "toy.toml"
    text = path.read_text()
    path.write_text(text.replace("[models.toy_4f]", '[models.toy_4f]\nsampling = { rule = "vjepa2", stride = 2 }', 1))
    job = unloaded(toys)
    assert (job.entry.sampling, job.target.name) == (parse_sampling("vjepa2:2"), "toy_4f.h5")
    path.write_text(text.replace("[models.toy_4f]", '[models.toy_4f]\nsampling = { rule = "slowfast" }', 1))
    with pytest.raises(GsmBenchError, match="needs a stride"):
        load_manifest(toys).model("toy_4f")
