"""Frames resized by the device of the networks: the same files, whatever is asked of a run."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from gsm_bench.errors import FrameError  # noqa: E402
from gsm_bench.frames.read_views import RawViews, read_views_for  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import content_hash, read  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare, prepare_together  # noqa: E402
from gsm_bench.scoring.run import run, run_together  # noqa: E402
from gsm_bench.scoring.transfer import Loader, PlainCopies  # noqa: E402
from tests.conftest import REFERENCE  # noqa: E402
from tests.scoring.test_end_to_end import EXPECTED, checkpoint  # noqa: E402, F401
from tests.scoring.test_run import damage  # noqa: E402
from tests.scoring.test_together import add_model  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

CLIPS = 12


@pytest.fixture
def toys(workspace):
    """Clips of several sizes, one of them with a frame that is larger than the others."""
    make_clips(workspace, CLIPS, lengths=(5, 20))
    make_checkpoint(workspace)
    add_model(workspace, "toy_6f", 6, 32, 36, 1)
    add_model(workspace, "toy_wide", 4, 24, 30, 2)
    for clip in range(0, CLIPS, 3):
        frames = sorted((workspace.data / "toy" / "frames" / f"v{clip}").iterdir())
        for frame in frames if clip else frames[:1]:
            picture = Image.open(frame).resize((31 + clip, 57))
            picture.save(frame, quality=80)
    return workspace


def score(workspace, resize, name="toy_4f", **choices):
    request = Request(name, resize=resize, out=workspace.root / f"{name}-{resize}.h5", **{"threads": 2, **choices})
    job, loaded = prepare(request, load_manifest(workspace), workspace)
    return run(job, loaded.network)


def same(workspace, **choices):
    """Score both ways; returns the files, which are equal."""
    reader, device = (score(workspace, resize, **choices) for resize in ("reader", "device"))
    assert content_hash(reader.path) == content_hash(device.path)
    assert (reader.bad, reader.substituted, reader.decoded) == (device.bad, device.substituted, device.decoded)
    one, other = read(reader.path), read(device.path)
    assert one.provenance.signature == other.provenance.signature
    assert (one.provenance.resized_by, other.provenance.resized_by) == ("reader", "device")
    assert not np.array_equal(one.scores["action"][0], one.scores["action"][1])
    return one


@pytest.mark.parametrize(
    "choices",
    [
        {}, {"clips": 1}, {"crops": 5, "clips": 1}, {"crops": 10}, {"frame_order": "reversed"}, {"batch": 5},
        {"batch": 16}, {"threads": 1}, {"limit": 7},
    ],
)  # fmt: skip
def test_scores_are_those_of_frames_resized_by_the_reader(toys, choices):
    same(toys, **choices)


def test_bad_and_substituted_frames(toys):
    damage(toys, "v3", 1)
    for frame in (toys.data / "toy" / "frames" / "v7").iterdir():
        frame.unlink()
    assert np.flatnonzero(same(toys).status).tolist() == [3, 7]
    for resize in ("reader", "device"):
        (toys.root / f"toy_4f-{resize}.h5").unlink()
    found = same(toys, on_bad_frame="nearest")
    assert np.flatnonzero(found.status == 1).tolist() == [3]
    with pytest.raises(FrameError, match="'v3'"):
        score(toys, "device", on_bad_frame="error", fresh=True)


def test_a_batch_of_bad_clips_only(toys):
    for clip in ("v0", "v1", "v5"):
        damage(toys, clip, 1)
    assert list(score(toys, "device", batch=2).bad) == ["v0", "v1", "v5"]
    for clip in range(CLIPS):
        damage(toys, f"v{clip}", 1)
    assert len(score(toys, "device", batch=4, fresh=True).bad) == CLIPS


def test_several_models_share_frames_and_copies(toys, monkeypatch):
    names = ("toy_4f", "toy_6f", "toy_wide")
    alone = {name: content_hash(score(toys, "reader", name).path) for name in names}
    sent = []
    whole = PlainCopies.send

    def counting(self, staged):
        sent.append(staged.shape[0])
        return whole(self, staged)

    monkeypatch.setattr(PlainCopies, "send", counting)
    requests = [Request(name, resize="device") for name in names]
    jobs = prepare_together(requests, load_manifest(toys), toys)
    outcomes = run_together([(job, loaded.network) for job, loaded in jobs])
    assert {name: content_hash(outcome.path) for name, outcome in zip(names, outcomes, strict=True)} == alone
    assert sum(sent) == sum(outcome.decoded for outcome in outcomes), "each frame travels once for all models"


def test_raw_frames_of_a_clip_are_shared_by_its_plans(toys):
    jobs = [prepare(Request(name, resize="device"), load_manifest(toys), toys)[0] for name in ("toy_4f", "toy_wide")]
    first, second = read_views_for(jobs[0].source, jobs[0].split.video(2), [job.read_plan for job in jobs])
    assert isinstance(first.pixels, RawViews)
    assert first.pixels.frames is second.pixels.frames
    assert first.pixels.numbers.shape == (2, 4)


def test_memory_that_does_not_hold_the_frames_takes_those_of_a_pass(toys, monkeypatch):
    expected = content_hash(score(toys, "reader", batch=8, clips=1).path)
    whole, sent = PlainCopies.send, []

    def send(self, staged):
        sent.append(staged.shape[0])
        if len(sent) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, staged)

    monkeypatch.setattr(PlainCopies, "send", send)
    assert content_hash(score(toys, "device", batch=8, clips=1).path) == expected


def test_nothing_to_load():
    loader = Loader(torch.device("cpu"))
    assert loader.load([[None, None]], [None]) == [None]
    loader.close()


def test_a_cascade(toys, gsmbench):
    (toys.manifests / "cascade.toml").write_text(
        '[cascades.quick]\ntitle = "Quick"\nmembers = [{ model = "toy_4f", clips = 1 }, { model = "toy_wide", clips = 1 }]\n'
        'rule = "margin"\nthresholds = [0.3]\nspace = "logits"\n'
    )
    paths = []
    for resize in ("reader", "device"):
        out = toys.root / f"{resize}.h5"
        ran = gsmbench("score", "--cascade", "quick", "--resize", resize, "--out", out, "--quiet")
        assert ran.status == 0, ran.err
        paths.append(out)
    assert content_hash(paths[0]) == content_hash(paths[1])


def test_on_ray(toys, gsmbench):
    pytest.importorskip("ray")
    expected = content_hash(score(toys, "reader").path)
    ran = gsmbench(
        "score", "--model", "toy_4f", "--resize", "device", "--engine", "ray", "--workers", 1, "--out", "r.h5"
    )
    assert ran.status == 0, ran.err
    assert content_hash("r.h5") == expected


@pytest.mark.parametrize(("name", "family"), [("bninc_8f", "GSM-BNInception")])
def test_the_released_codes_logits(gsmbench, workspace, checkpoint, name, family):  # noqa: F811
    checkpoint(name, family)
    ran = gsmbench("score", "--model", name, "--data", REFERENCE / "e2e", "--resize", "device", "--plan")
    assert ran.status == 0, ran.err
    ran = gsmbench("score", "--model", name, "--data", REFERENCE / "e2e", "--resize", "device")
    assert ran.status == 0, ran.err
    expected = EXPECTED[f"{family}-8f-2clips"]
    found = read(workspace.score_path("something-v1", "validation", name))
    assert np.abs(found.scores["action"] - expected).max() <= 1e-4 * expected.std()


@pytest.mark.parametrize(("device", "resize"), [("cpu", "reader"), ("cuda:0", "device")])
def test_who_resizes_unless_told(toys, monkeypatch, device, resize):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    job, _ = prepare(Request("toy_4f", device=device), load_manifest(toys), toys)
    assert job.settings.resize == job.read_plan.resize == resize
