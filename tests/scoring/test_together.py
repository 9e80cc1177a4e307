"""Several models in one run: one reading of the frames, the results of runs of their own."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.errors import GsmBenchError, NetworkError  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.sampling import sample_indices  # noqa: E402
from gsm_bench.scorefile import content_hash, read  # noqa: E402
from gsm_bench.scoring.network import Scorer  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare, prepare_together  # noqa: E402
from gsm_bench.scoring.run import run, run_together  # noqa: E402
from tests.scoring.test_run import StopError, damage, lengths, stop_after  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

CLIPS = 40
NAMES = ("toy_4f", "toy_6f", "toy_wide")


def add_model(workspace, name, frames, size, resize, clips):
    text = (workspace.manifests / "toy.toml").read_text()
    entry = text.partition("[models.toy_4f]")[2].partition("[models")[0]
    for before, after in [
        ("frames = 4", f"frames = {frames}"), ("size = 32, resize = 36", f"size = {size}, resize = {resize}"),
        ("clips = 2", f"clips = {clips}"), ("toy.safetensors", f"{name}.safetensors"),
    ]:  # fmt: skip
        assert before in entry
        entry = entry.replace(before, after)
    (workspace.manifests / f"{name}.toml").write_text(f"[models.{name}]{entry}")
    make_checkpoint(workspace, name, seed=len(name))


@pytest.fixture
def toys(workspace):
    make_clips(workspace, CLIPS)
    make_checkpoint(workspace)
    add_model(workspace, "toy_6f", 6, 32, 36, 1)
    add_model(workspace, "toy_wide", 4, 24, 30, 2)
    return workspace


def together(workspace, progress=lambda _: None, names=NAMES, **choices):
    requests = [Request(name, **{"threads": 2, **choices}) for name in names]
    jobs = prepare_together(requests, load_manifest(workspace), workspace)
    return run_together([(job, loaded.network) for job, loaded in jobs], progress)


def alone(workspace, name, **choices):
    job, loaded = prepare(Request(name, **{"threads": 1, **choices}), load_manifest(workspace), workspace)
    return run(job, loaded.network)


@pytest.fixture
def separate(toys):
    """Content and signature of each model, scored alone."""
    paths = {name: alone(toys, name, out=toys.root / f"{name}.alone.h5").path for name in NAMES}
    return {name: (content_hash(path), read(path).provenance.signature) for name, path in paths.items()}


def found(outcomes):
    names = dict(zip(NAMES, outcomes, strict=True))
    return {name: (content_hash(o.path), read(o.path).provenance.signature) for name, o in names.items()}


def test_results_are_those_of_runs_of_their_own(toys, separate):
    outcomes = together(toys)
    assert found(outcomes) == separate
    assert [outcome.scored for outcome in outcomes] == [CLIPS] * 3
    assert [outcome.path.name for outcome in outcomes] == [f"{name}.h5" for name in NAMES]
    assert not list(toys.score_path("toy", "val", "x").parent.glob("*.parts"))


def test_each_frame_is_decoded_once_for_all(toys):
    def needed(length):
        return set(sample_indices(length, 4, 2).flat) | set(sample_indices(length, 6, 1).flat)

    assert sum(outcome.decoded for outcome in together(toys)) == sum(len(needed(length)) for length in lengths(toys))


def test_an_interrupted_run_goes_on_alone_or_together(toys, separate):
    with pytest.raises(StopError):
        together(toys, stop_after(60))
    assert alone(toys, "toy_6f").reused == 16
    outcomes = together(toys)
    assert found(outcomes) == separate
    assert [outcome.scored for outcome in outcomes] == [CLIPS - 16, 0, CLIPS - 16]


def test_what_is_scored_already_is_left_alone(toys, separate):
    alone(toys, "toy_wide")
    outcomes = together(toys)
    assert [outcome.scored for outcome in outcomes] == [CLIPS, CLIPS, 0]
    assert found(outcomes) == separate


def test_a_bad_frame_concerns_only_the_models_that_need_it(toys):
    row = next(row for row, length in enumerate(lengths(toys)) if length >= 18)
    four, six = ({*sample_indices(lengths(toys)[row], *rule).flat} for rule in ((4, 2), (6, 1)))
    damage(toys, f"v{row}", min(six - four))
    outcomes = together(toys)
    assert [list(outcome.bad) for outcome in outcomes] == [[], [f"v{row}"], []]


def test_bad_clips_are_bad_for_all_and_scored_when_mended(toys, separate):
    frame = toys.data / "toy/frames/v3/00001.jpg"
    good = frame.read_bytes()
    frame.unlink()
    assert [list(outcome.bad) for outcome in together(toys)] == [["v3"]] * 3
    frame.write_bytes(good)
    outcomes = together(toys)
    assert [outcome.scored for outcome in outcomes] == [1, 1, 1]
    assert found(outcomes) == separate


def test_shards_of_several_models(toys, separate):
    first = together(toys, shard=(1, 2))
    assert [outcome.path for outcome in first] == [None] * 3
    assert found(together(toys, shard=(2, 2))) == separate


def test_models_of_other_splits_are_refused(toys):
    requests = [Request("toy_4f"), Request("toy_6f", split="bare")]
    (toys.data / "toy/bare.txt").write_text("v1\n")
    with pytest.raises(GsmBenchError, match=r"toy_4f is scored on toy/val, toy_6f on toy/bare"):
        prepare_together(requests, load_manifest(toys), toys)


def test_command_line(toys, separate, gsmbench):
    ran = gsmbench("score", "--models", ",".join(NAMES), "--quiet")
    assert ran.status == 0, ran.err
    assert ran.out.split() == [f"scores/toy/val/{name}.h5" for name in NAMES]
    assert {name: content_hash(f"scores/toy/val/{name}.h5") for name in NAMES} == {
        n: h for n, (h, _) in separate.items()
    }
    assert gsmbench("score", "--models", "toy_4f,toy_6f", "--plan").status == 0
    for wrong, said in [
        (("--models", "toy_4f,toy_4f"), "twice"), ((), "one of --model NAME"), (("--models", "toy_4f,toy_6f", "--out", "x.h5"), "leave out --out"),
        (("--model", "toy_4f", "--models", "toy_6f"), "one of --model NAME"),
    ]:  # fmt: skip
        ran = gsmbench("score", *wrong)
        assert ran.status == 2
        assert said in ran.err


def small_memory(monkeypatch, clips, error=torch.OutOfMemoryError, said="CUDA out of memory"):
    """Let passes of more than `clips` clips fail as they do where memory is short."""
    sizes = []
    whole = Scorer._forward

    def forward(self, pixels):
        sizes.append(len(pixels))
        if len(pixels) > clips:
            raise error(said)
        return whole(self, pixels)

    monkeypatch.setattr(Scorer, "_forward", forward)
    return sizes


def test_out_of_memory_halves_the_batch_goes_on_and_is_recorded(toys, monkeypatch, gsmbench):
    expected = read(alone(toys, "toy_4f", batch=2, out=toys.root / "two.h5").path).scores["action"]
    with monkeypatch.context() as patch:
        sizes = small_memory(patch, 2)
        ran = gsmbench("score", "--model", "toy_4f", "--batch", 8, "--threads", 1, "--quiet")
    assert ran.status == 0, ran.err
    assert sizes[:3] == [8, 4, 2]
    assert set(sizes[3:]) == {2}, "once is enough"
    assert "3 chunks ran with 2 clips per forward pass" in ran.err
    made = read("scores/toy/val/toy_4f.h5")
    assert made.provenance.batch_halvings == {"2": 3}
    assert made.provenance.batch == 8
    assert "batch=8" in made.provenance.signature
    assert np.array_equal(made.scores["action"], expected), "a pass of two clips is what --batch 2 does"


def test_the_record_of_halved_batches_outlives_an_interruption(toys, monkeypatch):
    with monkeypatch.context() as patch:
        small_memory(patch, 4)
        with pytest.raises(StopError):
            together(toys, stop_after(20), names=("toy_4f",), batch=8, threads=1)
    # Parts are written by a thread of their own, so more than one may be finished when the run is stopped.
    finished = len(list(toys.score_path("toy", "val", "toy_4f.h5.parts").parent.glob("toy_4f.h5.parts/*.npz")))
    assert 1 <= finished < 4
    outcome = together(toys, names=("toy_4f",), batch=8)[0]
    assert outcome.batch_halvings == {"4": finished}
    assert "batch_halvings" not in read(alone(toys, "toy_6f").path).provenance.to_dict()


def test_memory_too_small_for_one_clip(toys, monkeypatch):
    small_memory(monkeypatch, 0)
    with pytest.raises(NetworkError, match=r"needs more memory for one clip than cpu has") as failed:
        alone(toys, "toy_4f", batch=4)
    assert "--precision bfloat16" in str(failed.value)


@pytest.mark.parametrize(
    "said",
    [
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_memory_that_others_ask_for(toys, monkeypatch, said):
    whole = torch.nn.Module.__call__

    def call(self, *inputs):
        if type(self).__name__ == "ToyNetwork" and len(inputs[0]) > 1:
            raise RuntimeError(said)
        return whole(self, *inputs)

    monkeypatch.setattr(torch.nn.Module, "__call__", call)
    assert alone(toys, "toy_4f", batch=2).batch_halvings == {"1": 3}
