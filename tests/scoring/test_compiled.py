"""Compiled and recorded networks: every way to fail is made to happen, and the scores stay those of the plain network."""

from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch")

from gsm_bench.scoring.arithmetic import arithmetic_of  # noqa: E402
from gsm_bench.scoring.compiled import MAX_SHAPES, Compiled  # noqa: E402
from gsm_bench.scoring.job import DEFAULT_BATCH, Settings  # noqa: E402
from gsm_bench.scoring.network import ForwardPool  # noqa: E402


class Doubled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.passes = 0

    def forward(self, pixels):
        self.passes += 1
        return 2 * pixels


@pytest.fixture
def compile_as_it_is(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)


class Recording:
    """A stand-in for CUDA graphs: repeats a pass into the memory of its first output, as they do."""

    def __init__(self, fails=None, repeat_fails=None):
        self.recorded, self.repeated, self.fails, self.repeat_fails = [], [], fails, repeat_fails

    def __call__(self, network, pixels):
        if self.fails:
            raise self.fails
        self.recorded.append(tuple(pixels.shape))
        output = network(pixels.clone())

        def repeat(pixels):
            self.repeated.append(tuple(pixels.shape))
            return output.copy_(network(pixels))

        return repeat


def test_a_shape_is_recorded_in_its_first_pass_and_repeated_after(compile_as_it_is):
    recording = Recording()
    forward = Compiled(Doubled(), "graphs", recording)
    for at in range(4):
        pixels = torch.full((2, 3), float(at))
        assert torch.equal(forward(pixels), 2 * pixels)
    assert torch.equal(forward(torch.ones(1, 3)), torch.full((1, 3), 2.0))
    assert (recording.recorded, recording.repeated) == ([(2, 3), (1, 3)], [(2, 3)] * 3)
    assert forward.failure == ""


def test_nothing_is_recorded_unless_asked_for(compile_as_it_is):
    recording = Recording()
    forward = Compiled(Doubled(), "kernels", recording)
    forward(torch.ones(2)), forward(torch.ones(2))
    assert recording.recorded == []


def test_a_recording_that_fails_leaves_the_compiled_network(compile_as_it_is):
    network = Doubled()
    forward = Compiled(
        network, "graphs", Recording(RuntimeError("operation not permitted when stream is capturing\nsee"))
    )
    for _ in range(3):
        assert torch.equal(forward(torch.ones(2)), torch.full((2,), 2.0))
    assert forward.failure == "no CUDA graph: RuntimeError: operation not permitted when stream is capturing"
    assert network.passes == 3, "recording is tried once"


def test_lacking_memory_while_recording_halves_the_batch(compile_as_it_is):
    """The end of a recording raises an error of its own, in place of the one that ended it."""
    error = RuntimeError("operation failed due to a previous error during capture")
    error.__context__ = torch.OutOfMemoryError("CUDA out of memory")
    recording = Recording()
    forward = Compiled(Doubled(), "graphs", recording)
    forward(torch.ones(1))
    recording.fails = error
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        forward(torch.ones(4))
    recording.fails = None
    assert torch.equal(forward(torch.ones(2)), torch.full((2,), 2.0))
    assert forward.failure == ""
    assert recording.recorded == [(1,), (2,)]
    forward(torch.ones(1))
    assert recording.repeated == [], "the recordings of before were given up for their memory"


def test_a_compiled_network_that_fails_later_than_its_first_pass(monkeypatch):
    passes = []

    def compiled(pixels):
        passes.append(pixels)
        if len(passes) > 1:
            raise AssertionError("torch._C._is_key_in_tls(attr_name)\nno tree manager in this thread")
        return 2 * pixels

    monkeypatch.setattr(torch, "compile", lambda *_, **__: compiled)
    forward = Compiled(Doubled(), "kernels")
    for _ in range(4):
        assert torch.equal(forward(torch.ones(2)), torch.full((2,), 2.0))
    assert forward.failure == "AssertionError: torch._C._is_key_in_tls(attr_name)"
    assert len(passes) == 2, "it is not tried again"


def test_a_network_that_cannot_be_compiled_is_recorded_all_the_same(monkeypatch):
    def no_compiler(*_, **__):
        raise RuntimeError("no compiler found")

    monkeypatch.setattr(torch, "compile", no_compiler)
    recording = Recording()
    forward = Compiled(Doubled(), "graphs", recording)
    forward(torch.ones(2)), forward(torch.ones(2))
    assert forward.failure == "RuntimeError: no compiler found"
    assert recording.repeated == [(2,)]


def test_the_limit_of_recompilations_holds_in_the_thread_that_compiles(monkeypatch):
    limits = []

    def compiled(pixels):
        limits.append(torch._dynamo.config.recompile_limit)
        return pixels

    monkeypatch.setattr(torch, "compile", lambda *_, **__: compiled)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(Compiled(Doubled(), "kernels"), torch.ones(2)).result()
    assert limits == [MAX_SHAPES]


def test_torchs_own_graphs_are_not_used(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda module, **choices: asked.append(choices) or module)
    Compiled(Doubled(), "graphs", Recording())
    assert [choices["mode"] for choices in asked] == ["default"]


def arithmetic():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32


def test_the_arithmetic_of_a_precision_lasts_as_long_as_its_pool():
    before = arithmetic()
    for precision, expected in (("float32", (False, True, False, False)), ("bfloat16", (True, False, False, False))):
        with ForwardPool(Settings(precision=precision, threads=1)):
            assert arithmetic() == expected
        assert arithmetic() == before, "a float32 run would slow down the half-precision run after it"
    with pytest.raises(KeyError), arithmetic_of("float32"):
        raise KeyError
    assert arithmetic() == before


def test_default_batches():
    assert DEFAULT_BATCH == {"cpu": 2, "cuda": 64}
