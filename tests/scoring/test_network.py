"""Half precision and compiled networks: what is rounded and what is not, one shape for all passes, and plain if it fails."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.errors import GsmBenchError  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.nets.gate_shift import GateShift  # noqa: E402
from gsm_bench.nets.inference import FlatGateShift  # noqa: E402
from gsm_bench.nets.segment import build_network  # noqa: E402
from gsm_bench.scorefile import content_hash, read  # noqa: E402
from gsm_bench.scoring.job import HALF_DTYPES, Settings  # noqa: E402
from gsm_bench.scoring.network import InferenceModule  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from tests.frames.test_transform import spec_of  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

CLIPS = 7


@pytest.fixture
def toys(workspace):
    make_clips(workspace, CLIPS, lengths=(5, 20))
    make_checkpoint(workspace)
    return workspace


def score(workspace, **choices):
    job, loaded = prepare(Request("toy_4f", **{"threads": 2, **choices}), load_manifest(workspace), workspace)
    return run(job, loaded.network)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("bninception", frames=4, classes=10, width=0.25).eval()
    for module in network.modules():
        if isinstance(module, GateShift):
            torch.nn.init.normal_(module.conv3D.weight, std=0.2)
    return network


PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 4, 64, 64, 3), np.uint8))


def answer(network, precision, **choices):
    with torch.inference_mode():
        return InferenceModule(network, spec_of(64), Settings(precision=precision, **choices))(PIXELS)


@pytest.mark.parametrize(("precision", "bar"), [("bfloat16", 2e-2), ("float16", 2e-3)])
def test_half_precision_of_our_networks(network, precision, bar):
    exact = answer(network, "float32")
    found = answer(network, precision)
    assert found.dtype == torch.float32
    assert 0 < (found - exact).abs().max() < bar * exact.std()
    with torch.inference_mode(), torch.autocast("cpu", HALF_DTYPES[precision]):
        cast = InferenceModule(network, spec_of(64), Settings())(PIXELS)
    assert (found - exact).abs().max() < (cast - exact).abs().max(), "closer than autocast"


def test_only_convolutions_are_held_in_half_precision(network):
    made = InferenceModule(network, spec_of(64), Settings(precision="bfloat16"))
    for module in made.modules():
        if isinstance(module, torch.nn.Conv2d):
            assert module.weight.dtype == module.bias.dtype == torch.bfloat16
        elif isinstance(module, FlatGateShift):
            assert module.slices.dtype == torch.bfloat16
            assert module.plane_bias.dtype == module.bn.weight.dtype == torch.float32
        elif isinstance(module, torch.nn.Linear | torch.nn.BatchNorm2d):
            assert module.weight.dtype == torch.float32
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}, "the original stays as it is"


def test_frames_are_averaged_in_float32(network):
    """The answer is the mean of float32 logits: a frame's logits rounded to 8 bits would be seen."""
    found = answer(network, "bfloat16")
    assert not torch.equal(found, found.to(torch.bfloat16).float())


def test_somebody_elses_network_runs_under_autocast(toys):
    exact = read(score(toys).path).scores["action"]
    found = read(score(toys, precision="bfloat16", out=toys.root / "half.h5").path).scores["action"]
    assert 0 < np.abs(found - exact).max() < 0.1 * exact.std()


def test_signatures_name_what_changes_numbers_and_nothing_else(toys):
    def signature(model, **choices):
        return prepare(Request(model, **choices), load_manifest(toys), toys)[0].signature

    make_checkpoint(toys, "toy_bninc")
    plain = signature("toy_bninc")
    assert "half" not in plain
    assert "compile" not in plain
    assert "resize=" not in plain
    assert signature("toy_bninc", resize="device") == plain
    assert "precision=bfloat16; " in signature("toy_bninc", precision="bfloat16")
    assert "half=convolutions" in signature("toy_bninc", precision="bfloat16")
    assert "half" not in signature("toy_4f", precision="bfloat16"), "runs under autocast"
    assert "compile=kernels" in signature("toy_4f", compile="kernels")


def test_the_signature_names_the_model_of_a_gpu_and_not_its_number(toys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    job = prepare(Request("toy_4f"), load_manifest(toys), toys)[0]
    assert "device=cpu; " in job.signature
    on_gpu = [replace(job, settings=replace(job.settings, device=f"cuda:{number}")).signature for number in (0, 1)]
    assert "device=cuda NVIDIA H100; " in on_gpu[0]
    assert on_gpu[0] == on_gpu[1]


class Recorder:
    """A stand-in for torch.compile: keeps what it was asked for and the shapes that went through."""

    def __init__(self, monkeypatch, fails=None):
        self.shapes, self.asked, self.fails = [], [], fails
        monkeypatch.setattr(torch, "compile", self)

    def __call__(self, module, **choices):
        self.asked.append(choices)

        def compiled(pixels):
            self.shapes.append(tuple(pixels.shape))
            if self.fails:
                raise self.fails
            return module(pixels)

        return compiled


def test_all_passes_of_a_compiled_network_have_one_shape(toys, monkeypatch):
    plain = score(toys, out=toys.root / "plain.h5", batch=4, clips=1)
    recorder = Recorder(monkeypatch)
    outcome = score(toys, batch=4, clips=1, compile="kernels")
    assert recorder.shapes == [(4, 4, 32, 32, 3)] * 2, "7 clips: the second pass is filled up"
    assert recorder.asked == [{"dynamic": False, "fullgraph": True, "mode": "default"}]
    one, other = read(plain.path), read(outcome.path)
    assert np.allclose(one.scores["action"], other.scores["action"], rtol=1e-5, atol=1e-6)
    assert (one.provenance.compile, other.provenance.compile) == ("none", "kernels")
    assert "compile" not in one.provenance.signature
    assert "compile=kernels" in other.provenance.signature


@pytest.mark.parametrize("when", ["at once", "at the first pass"])
def test_a_network_that_cannot_be_compiled_runs_as_it_is(toys, monkeypatch, gsmbench, when):
    plain = content_hash(score(toys, out=toys.root / "plain.h5").path)
    error = RuntimeError("\nno compiler found\nset CXX")
    if when == "at once":

        def broken(*_, **__):
            raise error

        monkeypatch.setattr(torch, "compile", broken)
    else:
        recorder = Recorder(monkeypatch, fails=error)
    ran = gsmbench("score", "--model", "toy_4f", "--compile", "kernels", "--threads", 1, "--quiet")
    assert ran.status == 0, ran.err
    assert "note: the network could not be compiled and ran uncompiled, for 1 chunk: " in ran.err
    assert "RuntimeError: no compiler found" in ran.err
    if when != "at once":
        assert len(recorder.shapes) == 1, "tried once"
    found = read("scores/toy/val/toy_4f.h5")
    assert found.provenance.compile_fallbacks == {"RuntimeError: no compiler found": 1}
    assert np.allclose(found.scores["action"], read(toys.root / "plain.h5").scores["action"], rtol=1e-5, atol=1e-6)
    assert plain


def test_memory_that_does_not_hold_a_compiled_pass_halves_it(toys, monkeypatch):
    recorder = Recorder(monkeypatch)
    whole = recorder.__call__

    def compile_for_small(module, **choices):
        inner = whole(module, **choices)

        def compiled(pixels):
            if len(pixels) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return inner(pixels)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_for_small)
    outcome = score(toys, batch=4, clips=1, threads=1, compile="kernels")
    assert outcome.batch_halvings == {"2": 1}
    assert set(recorder.shapes) == {(2, 4, 32, 32, 3)}
    assert outcome.compile_fallbacks == {}


def test_graphs_need_a_gpu(toys):
    with pytest.raises(GsmBenchError, match="works on cuda only") as refused:
        score(toys, compile="graphs")
    assert "--compile kernels" in str(refused.value)


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ here")


@needs_compiler
def test_compiled_for_real(toys):
    plain = read(score(toys, out=toys.root / "plain.h5", clips=1).path).scores["action"]
    outcome = score(toys, compile="kernels", clips=1)
    assert outcome.compile_fallbacks == {}
    assert np.abs(read(outcome.path).scores["action"] - plain).max() < 1e-5 * plain.std()


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_compiled_gate_is_the_gate(dtype):
    torch.manual_seed(0)
    module = GateShift(16, 4).eval()
    torch.nn.init.normal_(module.conv3D.weight, std=0.2)
    gate = FlatGateShift(module)
    gate.slices = gate.slices.to(dtype)
    x = torch.randn(8, 16, 9, 9, dtype=dtype).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = torch.compile(gate, dynamic=False, fullgraph=True)(x.clone())
        expected = gate(x.clone())
    assert found.dtype == dtype
    assert (found - expected).abs().max() <= (1e-5 if dtype == torch.float32 else 4e-2)
