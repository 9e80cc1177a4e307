"""All figures of the GPU side in one go: run it on a machine with one H100 or H200; 400 s at most.

    python benchmarks/gpu.py --json gpu.json

Every figure is shown with what limits it, measured in the same run, and with its bar where it has one. Needs this
checkout, torch, torchvision, numpy, h5py and Pillow; `bare_machine` replaces other packages that are missing. Clips are
drawn; weights are random but for the shapes networks, which ship. ``--device cpu`` runs the same at toy sizes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "tests" / "reference"
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(REFERENCE)]

import bare_machine  # noqa: E402

REPLACED = bare_machine.install()

import numpy as np  # noqa: E402
import plain  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.functional import conv2d  # noqa: E402
from weights import tensor_for  # noqa: E402

from gsm_bench.bench.measure import measure  # noqa: E402
from gsm_bench.bench.reading import wait_for  # noqa: E402
from gsm_bench.cpu_count import usable_cpus  # noqa: E402
from gsm_bench.entries import ModelEntry  # noqa: E402
from gsm_bench.frames import transform  # noqa: E402
from gsm_bench.frames.transform import normalise, resize_exactly, resize_image  # noqa: E402
from gsm_bench.geometry import crop_corner, resized_size  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.nets.cost import count_cost  # noqa: E402
from gsm_bench.nets.gate_shift import GateShift  # noqa: E402
from gsm_bench.nets.inference import FlatGateShift  # noqa: E402
from gsm_bench.nets.registry import network_for  # noqa: E402
from gsm_bench.scorefile import read  # noqa: E402
from gsm_bench.scoring.arithmetic import arithmetic_of  # noqa: E402
from gsm_bench.scoring.job import DEFAULT_BATCH, Job, Settings  # noqa: E402
from gsm_bench.scoring.network import (  # noqa: E402
    ForwardPool,
    InferenceModule,
    Scorer,
    collect,
)
from gsm_bench.scoring.prepare import Request, job_of, prepare  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from gsm_bench.scoring.transfer import HeldPixels  # noqa: E402
from gsm_bench.settings import Precision  # noqa: E402
from gsm_bench.shapes.make import make  # noqa: E402
from gsm_bench.workspace import Workspace  # noqa: E402

NETWORKS = ("bninc_8f", "inv3_8f")
SIZES = ((320, 240), (427, 240), (240, 320), (176, 100))
"""Widths and heights of the frames that are resized and decoded, mixed in every batch."""
HALF: tuple[Precision, ...] = ("bfloat16", "float16")


@dataclass(frozen=True)
class Scale:
    """How much is measured: much on a GPU, hardly anything to see that it runs.

    Attributes:
        all_networks: whether the pipeline and the profile take all networks, or the first.
        shrunk: divisor of the frames' sides.
    """

    batches: tuple[int, ...]
    product: int
    copied_mb: int
    seconds: float
    pipeline_s: float
    clips: int
    drawn: int
    shape_clips: int
    processes: int
    compiled: tuple[str, ...]
    all_networks: bool = True
    shrunk: int = 1
    width: float = 1.0
    size: int = 0


FULL = Scale((16, 32, 64, 128), 8192, 1024, 0.5, 15.0, 16384, 128, 5040, min(16, usable_cpus()), ("graphs", "kernels"))
TOY = Scale((1, 2), 128, 1, 0.01, 0.2, 6, 4, 28, 1, (), False, 4, 0.125, 101)
LONGEST_S = 400.0
COMPILING_S = 90.0
"""Seconds that a compilation may take; without as many left, it is skipped."""


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        beside: what it is to be seen beside.
        bar: what it has to be, in words, and whether it is (None: no bar, or none for this device).
    """

    what: str
    figure: float | None
    unit: str
    beside: str = ""
    bar: str = ""
    met: bool | None = None


class Bench:
    """The device, the scale, and what sections hand on to later ones."""

    def __init__(self, device: str, scale: Scale, folder: Path, seconds: float = LONGEST_S) -> None:
        self.device, self.scale, self.folder = torch.device(device), scale, folder
        self._end = time.monotonic() + seconds
        self.on_gpu = self.device.type == "cuda"
        self.products: dict[str, float] = {}
        self.workspace = Workspace.locate(folder)
        self.manifest = load_manifest(self.workspace)

    @property
    def networks(self) -> tuple[str, ...]:
        return NETWORKS if self.scale.all_networks else NETWORKS[:1]

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Widths and heights of frames."""
        return tuple((width // self.scale.shrunk, height // self.scale.shrunk) for width, height in SIZES)

    @property
    def left(self) -> float:
        """Seconds that remain."""
        return self._end - time.monotonic()

    @property
    def batch(self) -> int:
        """The batch of a run that does not choose one; at toy size, the largest of the sweep."""
        return DEFAULT_BATCH["cuda"] if self.on_gpu else self.scale.batches[-1]

    def settings(self, precision: str = "float32", compiled: str = "none", batch: int = 0) -> Settings:
        return Settings(
            device=str(self.device), precision=precision, batch=batch or self.batch, compile=compiled,
            threads=1, resize="device",
        )  # fmt: skip

    @contextmanager
    def scorer(self, network: nn.Module, entry: ModelEntry, settings: Settings) -> Iterator[Scorer]:
        """A network as runs use it: one thread per device, the arithmetic of the precision, batches in flight."""
        with ForwardPool(settings) as forward_pool:
            yield Scorer(network, entry, settings, forward_pool)

    def network(self, name: str) -> tuple[ModelEntry, nn.Module]:
        """A network of the paper with random weights and open gates."""
        entry, scale = self.manifest.model(name), self.scale
        if scale.size:
            size = replace(entry.input, size=scale.size, resize=scale.size * 8 // 7)
            entry = replace(entry, input=size, options={**entry.options, "width": scale.width})
        torch.manual_seed(0)
        network = network_for(entry).eval()
        for module in network.modules():
            if isinstance(module, GateShift):
                nn.init.normal_(module.conv3D.weight, std=0.05)
        return entry, network

    def pixels(self, entry: ModelEntry, batch: int) -> torch.Tensor:
        shape = (1, batch, entry.frames, entry.input.size, entry.input.size, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).to(
            self.device
        )

    def rate(self, work: Callable[[], float], seconds: float = 0.0) -> float:
        """Units of `work` per second, the median of three turns after one that is not counted."""
        work()
        wait_for(self.device)
        rates = []
        for _ in range(3):
            began, units = time.perf_counter(), 0.0
            while time.perf_counter() - began < (seconds or self.scale.seconds):
                units += work()
                wait_for(self.device)
            rates.append(units / (time.perf_counter() - began))
        return sorted(rates)[1]


def ceilings(bench: Bench) -> Iterator[Row]:
    """What the device can do at best: copying, and products of matrices."""
    side, megabytes = bench.scale.product, bench.scale.copied_mb
    block = torch.empty(megabytes << 20, dtype=torch.uint8, device=bench.device)
    other = torch.empty_like(block)
    rate = bench.rate(lambda: (other.copy_(block), 2 * block.numel())[1])
    yield Row("copy on the device, read and written", rate / 1e9, "GB/s")
    host = torch.empty(megabytes << 20, dtype=torch.uint8, pin_memory=bench.on_gpu)
    rate = bench.rate(lambda: (block.copy_(host, non_blocking=True), host.numel())[1])
    yield Row("copy to the device, page-locked", rate / 1e9, "GB/s")
    for name, kind in (("bfloat16", torch.bfloat16), ("float16", torch.float16), ("float32", torch.float32)):
        one, two = (torch.randn(side, side).to(bench.device, kind) for _ in range(2))
        bench.products[name] = bench.rate(lambda one=one, two=two: (one @ two, 2.0 * side**3)[1])
        yield Row(f"matrix product {side}, {name}", bench.products[name] / 1e12, "TFLOP/s")


class _OnDevice(nn.Module):
    """A network that takes and gives tensors on the CPU, for the plain loop."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.inner, self.device = network.to(device), device

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.inner(clip.to(self.device)).cpu()


def networks(bench: Bench) -> Iterator[Row]:
    """Networks alone, on bytes that lie on the device: against the product, with other batches, compiled."""
    if not bench.products:
        yield from ceilings(bench)
    for name in NETWORKS:
        network = _TimedNetwork(bench, name)
        yield network.plain_loop()
        swept = [(batch, network.timed("bfloat16", "none", batch)) for batch in bench.scale.batches]
        yield from (row for _, rows in swept for row in rows)
        best = max(swept, key=lambda way: way[1][0].figure or 0)[0]
        yield from network.timed("float16", "none", best)
        yield from network.timed("float32", "none", bench.batch)
        for compiled in bench.scale.compiled[: 2 if name == NETWORKS[0] else 1]:
            if bench.left < 2 * COMPILING_S:
                yield Row(f"{name}: {compiled}", None, "", "skipped: it may take longer than is left")
                continue
            yield from network.timed("bfloat16", compiled, bench.batch)


class _TimedNetwork:
    """A network of the paper, timed in several ways."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        self.entry, self.network = bench.network(name)
        self.flops = 2 * count_cost(self.network, self.entry.frames, self.entry.input.size).macs_bare
        self.loop_rate, self.exact = np.nan, np.empty(0)

    def plain_loop(self) -> Row:
        """One clip at a time in float32, as torch comes; its logits are what other ways are compared with."""
        few = self.bench.pixels(self.entry, 2)[0].cpu()
        clips = [normalise(clip[None], self.entry.input) for clip in few]
        loop = _OnDevice(self.bench.network(self.name)[1], self.bench.device)
        self.loop_rate = self.bench.rate(lambda: len(plain.score_clips(loop, clips)))
        with arithmetic_of("float32"):
            self.exact = plain.score_clips(loop, clips)
        return Row(f"{self.name}: plain loop, float32", self.loop_rate, "clips/s")

    def timed(self, precision: str, compiled: str, batch: int) -> list[Row]:
        """One way to run it; where compiling failed, a row with the reason."""
        bench, held = self.bench, HeldPixels(self.bench.pixels(self.entry, batch))
        with bench.scorer(self.network, self.entry, bench.settings(precision, compiled, batch)) as scorer:
            began = time.perf_counter()
            first = collect(scorer.submit(held), held.present)["action"][:2, 0]
            started = time.perf_counter() - began

            def passes() -> float:
                for futures in [scorer.submit(held) for _ in range(4)]:
                    collect(futures, held.present)
                return 4.0 * batch

            rate = bench.rate(passes)
        share = rate * self.flops / bench.products["float32" if precision == "float32" else "bfloat16"]
        apart = float(np.abs(first - self.exact[: len(first)]).max() / self.exact.std())
        beside = (
            f"{rate * self.flops / 1e12:.1f} TFLOP/s, {100 * share:.0f}% of the product; "
            f"{rate / self.loop_rate:.1f}x the plain loop; {apart:.0e} of the spread off; first pass {started:.0f} s"
        )
        way = f"{self.name}: {precision}, {batch} clips" + ("" if compiled == "none" else f", {compiled}")
        judged = precision != "float32" and batch == bench.batch
        bar = ("25% of the product", share >= 0.25 if bench.on_gpu else None) if judged else ("", None)
        rows = [Row(way, rate, "clips/s", beside, *bar)]
        if scorer.halved_to:
            rows.append(Row(f"{way}: halved", scorer.halved_to, "clips", "memory did not hold the batch"))
        if scorer.compile_fallback:
            rows.append(Row(f"{way}: not as asked", None, "", scorer.compile_fallback))
        return rows


class _NoGate(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


KINDS = {
    "convolutions": ("convolution", "conv2d", "cudnn"), "pools": ("pool",), "joins": ("aten::cat",),
    "norms": ("batch_norm",), "copies and casts": ("copy_", "memcpy"),
}  # fmt: skip


def profile(bench: Bench) -> Iterator[Row]:
    """Where the time of a bfloat16 pass goes: the gates by leaving them out, the rest by the profiler."""
    for name in bench.networks:
        entry, network = bench.network(name)
        pixels = bench.pixels(entry, bench.batch)[0]
        answering = InferenceModule(network, entry.input, bench.settings("bfloat16")).to(bench.device)
        with torch.inference_mode():
            whole = 1 / bench.rate(lambda a=answering, p=pixels: (a(p), 1.0)[1])
            shares = _shares(answering, pixels, bench)
            for place, module in list(answering.named_modules()):
                if isinstance(module, FlatGateShift):
                    answering.set_submodule(place, _NoGate())
            bare = 1 / bench.rate(lambda a=answering, p=pixels: (a(p), 1.0)[1])
        yield from _gate_convolutions(bench, name)
        yield Row(
            f"{name}: gates",
            100 * (whole - bare) / whole,
            "% of a pass",
            f"{1e3 * whole:.2f} ms, {1e3 * bare:.2f} ms without",
        )
        for kind, share in shares.items():
            yield Row(f"{name}: {kind}", 100 * share, "% of a pass", "the gates' own among them")


def _gate_convolutions(bench: Bench, name: str) -> Iterator[Row]:
    """All gate convolutions of a pass, as they are in two groups and as a dense one of 8 planes."""
    entry, network = bench.network(name)
    gates = InferenceModule(network, entry.input, bench.settings("bfloat16")).to(bench.device)
    pairs = []

    def keep(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        x = torch.rand_like(inputs[0])
        pairs.append((x, module.get_buffer("slices"), dense_planes(module.get_buffer("slices"))))

    hooks = [m.register_forward_pre_hook(keep) for m in gates.modules() if isinstance(m, FlatGateShift)]
    gates(bench.pixels(entry, bench.batch)[0])
    for hook in hooks:
        hook.remove()
    for way, groups, of in (("2 groups of 3", 2, 1), ("dense, 8 planes", 1, 2)):
        rate = bench.rate(lambda g=groups, w=of: [conv2d(p[0], p[w], padding=1, groups=g) for p in pairs] and 1.0)
        yield Row(f"{name}: gate convolutions, {way}", 1e3 / rate, "ms a pass")


def dense_planes(slices: torch.Tensor) -> torch.Tensor:
    """The two groups of planes [6, C/2, 3, 3] as one dense convolution [8, C, 3, 3]: zeros elsewhere, two planes of zeros."""
    planes, half = slices.shape[:2]
    dense = slices.new_zeros((8, 2 * half, *slices.shape[2:]))
    dense[: planes // 2, :half] = slices[: planes // 2]
    dense[planes // 2 : planes, half:] = slices[planes // 2 :]
    return dense.to(memory_format=torch.channels_last)


def _shares(answering: nn.Module, pixels: torch.Tensor, bench: Bench) -> dict[str, float]:
    """Share of the device's time by kind of operator."""
    kinds = [torch.profiler.ProfilerActivity.CPU] + [torch.profiler.ProfilerActivity.CUDA] * bench.on_gpu
    with torch.profiler.profile(activities=kinds) as profiled:
        for _ in range(3):
            answering(pixels)
        wait_for(bench.device)
    spent = {
        event.key.lower(): event.self_device_time_total if bench.on_gpu else event.self_cpu_time_total
        for event in profiled.key_averages()
        if event.key.startswith("aten::")
    }
    total = sum(spent.values()) or 1
    found = {
        kind: sum(time for key, time in spent.items() if any(word in key for word in words)) / total
        for kind, words in KINDS.items()
    }
    return {**found, "everything else": 1 - sum(found.values())}


def resizing(bench: Bench) -> Iterator[Row]:
    """The resize on the device: Pillow's bytes, and how fast."""
    spec = bench.network("inv3_8f")[0].input
    rng = np.random.default_rng(0)
    count = 128 if bench.on_gpu else 2
    stacks = {
        size: torch.from_numpy(rng.integers(0, 256, (count, *size[::-1], 3), np.uint8))
        for size in (*bench.sizes, (100 // bench.scale.shrunk, 300 // bench.scale.shrunk))
    }
    equal = all(
        np.array_equal(
            resize_exactly(stack[:2].to(bench.device), spec).cpu().numpy(),
            np.stack([np.asarray(resize_image(Image.fromarray(picture.numpy()), spec)) for picture in stack[:2]]),
        )
        for stack in stacks.values()
    )
    yield Row("resize: bytes are Pillow's", float(equal), "", f"{len(stacks)} sizes", "equal", equal)
    fused = transform.fused_resample() if bench.on_gpu else None
    ways = [("plain torch", None)] + ([("one kernel per pass", fused)] if fused else [])
    for size, stack in list(stacks.items())[:2]:
        frames = stack.to(bench.device)
        width, height = resized_size(*size, spec.resize)
        left, top = crop_corner(width, height, spec.size, -1)
        window = (left, top, left + spec.size, top + spec.size)
        for way, kernel in ways:
            with _resample_by(kernel):
                rate = bench.rate(lambda f=frames, w=window: (resize_exactly(f, spec, w), float(len(f)))[1])
            yield Row(
                f"resize {size[0]}x{size[1]} on the device, {way}", rate, "frames/s", f"{1e6 / rate:.2f} us a frame"
            )
        pictures = [Image.fromarray(picture.numpy()) for picture in stack[:4]]
        rate = bench.rate(lambda p=pictures: float(len([resize_image(picture, spec) for picture in p])))
        yield Row(f"resize {size[0]}x{size[1]}, Pillow, one thread", rate, "frames/s")


class _resample_by:  # noqa: N801 - reads as a with-statement
    """The resize by this kernel, or by none."""

    def __init__(self, kernel: Callable[..., torch.Tensor] | None) -> None:
        self.kernel = kernel

    def __enter__(self) -> None:
        self.before = transform.fused_resample
        transform.fused_resample = lambda: self.kernel  # type: ignore[assignment]

    def __exit__(self, *_: object) -> None:
        transform.fused_resample = self.before


def _draw_clips(bench: Bench, data: Path) -> None:
    """JPEG clips of mixed sizes in the layout of Something-V1; the drawn ones are listed again and again as links."""
    frames, drawn = data / "20bn-something-something-v1", min(bench.scale.clips, bench.scale.drawn)
    ramp = {size: np.add.outer(np.arange(size[1]), np.arange(size[0]))[..., None] % 200 for size in bench.sizes}

    def draw(clip: int) -> None:
        rng, size = np.random.default_rng(clip), bench.sizes[clip % len(SIZES)]
        (frames / str(clip)).mkdir(parents=True)
        picture = (ramp[size] + rng.integers(0, 24, (*size[::-1], 3))).astype(np.uint8)
        for number in range(1, 17):
            Image.fromarray(np.roll(picture, number, axis=1)).save(frames / str(clip) / f"{number:05d}.jpg", quality=85)

    with ThreadPoolExecutor(bench.scale.processes) as pool:
        list(pool.map(draw, range(drawn)))
    for clip in range(drawn, bench.scale.clips):
        (frames / str(clip)).symlink_to(frames / str(clip % drawn), target_is_directory=True)
    (data / "val_videofolder.txt").write_text("".join(f"{clip} 16 0\n" for clip in range(bench.scale.clips)))


def pipeline(bench: Bench) -> Iterator[Row]:
    """From JPEG to a score file, against the slower of decoding and the network."""
    data = bench.folder / "clips"
    _draw_clips(bench, data)
    for name, resize in [(name, "device") for name in bench.networks] + [(NETWORKS[0], "reader")]:
        entry, network = bench.network(name)
        request = Request(
            name, data=data, clips=1, fresh=True, out=bench.folder / f"{name}.{resize}.h5", device=str(bench.device),
            precision="bfloat16", batch=None if bench.on_gpu else bench.batch, resize=resize,  # type: ignore[arg-type]
        )  # fmt: skip
        job = replace(job_of(request, bench.manifest, bench.workspace, "0" * 64), entry=entry)
        own = bench.folder / f"{name}.{resize}"
        own.mkdir()
        measured = measure(job, network, own, bench.scale.pipeline_s)
        stages = {stage.name: stage for stage in measured.stages}
        threads = f"{job.settings.workers} threads"
        for stage in ("decode", "preprocess"):
            found = stages[stage]
            yield Row(
                f"{name}: {stage}, resized by the {resize}", found.rate, "frames/s",
                f"{threads}; {100 * found.of_ceiling:.0f}% of {found.ceiling:,.0f} ({found.ceiling_is})",
            )  # fmt: skip
        alone, found = stages["network"], stages["pipeline"]
        yield Row(f"{name}: network alone, batch {job.settings.batch}", alone.rate, "clips/s")
        judged = resize == "device" and bench.on_gpu
        yield Row(
            f"{name}: JPEG to scores, resized by the {resize}", found.rate, "clips/s",
            f"{100 * found.of_ceiling:.0f}% of {found.ceiling:.1f} ({found.ceiling_is}); {measured.verdict}",
            "80% of the slower", found.of_ceiling >= 0.8 if judged else None,
        )  # fmt: skip
        yield Row(
            f"{name}: against the plain loop, resized by the {resize}", found.times_plain, "times", found.plain_is,
            "25 times", found.times_plain >= 25 if judged else None,
        )  # fmt: skip


def released(bench: Bench) -> Iterator[Row]:
    """From JPEG to scores on the device against the released code's logits."""
    entry = bench.manifest.model("bninc_8f")
    network = network_for(entry)
    state = {
        key: torch.from_numpy(np.asarray(tensor_for(key, tuple(t.shape)))) for key, t in network.state_dict().items()
    }
    network.load_state_dict(state)
    expected = np.load(REFERENCE / "e2e" / "expected_logits.npz")["GSM-BNInception-8f-2clips"]
    for kind in ("float32", *(HALF if bench.on_gpu else ())):
        request = Request(
            entry.name, data=REFERENCE / "e2e", out=bench.folder / f"released.{kind}.h5", device=str(bench.device),
            precision=kind, resize="device",  # type: ignore[arg-type]
        )  # fmt: skip
        found = read(run(job_of(request, bench.manifest, bench.workspace, "0" * 64), network).path).scores["action"]
        off = float(np.abs(found - expected).max() / expected.std())
        bar = ("at most 0.01", off <= 0.01) if kind == "float32" else ("", None)
        yield Row(f"{entry.name}: off the released logits, {kind}", off, "of the spread", "", *bar)


def agreement(bench: Bench) -> Iterator[Row]:
    """Half precision against float32 on thousands of clips: the same top-1, the same accuracy."""
    data = bench.folder / "data" / "shapes"
    make(data, "val", videos=bench.scale.shape_clips, processes=bench.scale.processes)
    answers = {}
    for kind in ("float32", *HALF):
        request = Request(
            "shapes_8f", data=data, clips=1, out=bench.folder / f"{kind}.h5", device=str(bench.device), precision=kind
        )
        job, loaded = prepare(request, bench.manifest, bench.workspace)
        answers[kind] = _answers(job, loaded.network)
    labels = job.split.labels["action"]
    for kind in HALF:
        same = float((answers[kind] == answers["float32"]).mean())
        change = 100 * float((answers[kind] == labels).mean() - (answers["float32"] == labels).mean())
        clips = f"{len(labels):,} clips"
        yield Row(f"{kind}: same top-1 as float32", 100 * same, "%", clips, "at least 99.9", same >= 0.999)
        yield Row(f"{kind}: change of accuracy", change, "points", clips, "within 0.05", abs(change) <= 0.05)


def _answers(job: Job, network: nn.Module) -> np.ndarray:
    return read(run(job, network).path).scores["action"].mean(1).argmax(1)


def memory(bench: Bench) -> Iterator[Row]:
    """Memory that does not hold a batch, for real: it goes on in halves, with the same answers."""
    if not bench.on_gpu:
        yield Row("memory that does not hold a batch", None, "", "needs a GPU; tests simulate it")
        return
    entry, network = bench.network("bninc_8f")
    batch = 64
    held = HeldPixels(bench.pixels(entry, batch))
    found = {}
    for way in ("whole", "short"):
        torch.cuda.empty_cache()
        if way == "short":
            total = torch.cuda.get_device_properties(bench.device).total_memory
            torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (2 << 30)) / total)
        try:
            with bench.scorer(network, entry, bench.settings("float32", batch=batch)) as scorer:
                found[way] = collect(scorer.submit(held), held.present)["action"]
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
    apart = float(np.abs(found["whole"] - found["short"]).max() / found["whole"].std())
    good = 0 < scorer.halved_to < batch and apart < 1e-4
    yield Row(
        "clips per pass where 2 GiB have to do",
        scorer.halved_to,
        "clips",
        f"of {batch}; {apart:.0e} off",
        "halved",
        good,
    )


SECTIONS = (pipeline, ceilings, networks, agreement, released, resizing, profile, memory)


def text_of(row: Row) -> str:
    figure = "-" if row.figure is None else f"{row.figure:,.4g}" if abs(row.figure) < 1e4 else f"{row.figure:,.0f}"
    bar = (
        f"  [{row.bar}: {'not judged here' if row.met is None else 'met' if row.met else 'MISSED'}]" if row.bar else ""
    )
    return f"  {row.what:<58} {figure:>10} {row.unit:<12} {row.beside}{bar}"


def main(arguments: list[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(s.__name__ for s in SECTIONS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the raw figures, written after each section")
    parser.add_argument("--seconds", type=float, default=LONGEST_S, help="start nothing after so many seconds")
    choices = parser.parse_args(arguments)
    on_gpu = torch.device(choices.device).type == "cuda"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="gsmbench-") as folder:
        bench = Bench(choices.device, FULL if on_gpu else TOY, Path(folder), choices.seconds)
        named = torch.cuda.get_device_name(bench.device) if on_gpu else "the CPU, at toy sizes: these are no figures"
        print(f"torch {torch.__version__} on {named}")
        if REPLACED:
            print(f"replaced, because they are not installed: {', '.join(REPLACED)}")
        for section in SECTIONS:
            if choices.sections and section.__name__ not in choices.sections:
                continue
            began = time.perf_counter()
            print(f"{section.__name__}: {section.__doc__}", flush=True)
            for row in _rows_in_time(section, bench):
                rows.append(row)
                print(text_of(row), flush=True)
            print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
            if choices.json:
                _write(choices.json, named, rows)
    return rows


def _rows_in_time(section: Callable[[Bench], Iterator[Row]], bench: Bench) -> Iterator[Row]:
    """The rows of a section, while there is time; an error is a row, because other sections are worth their time."""
    try:
        if bench.left > 0:
            for row in section(bench):
                yield row
                if bench.left <= 0:
                    break
        if bench.left <= 0:
            yield Row(f"{section.__name__}: not finished", None, "", "no time is left")
    except Exception as error:
        yield Row(f"{section.__name__} failed", None, "", f"{type(error).__name__}: {error}", "runs", False)
        traceback.print_exc(limit=-3)


def _write(path: Path, device: str, rows: Sequence[Row]) -> None:
    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "numpy": np.__version__}
    found = {"device": device, "cpus": usable_cpus(), "versions": versions, "replaced": REPLACED}
    path.write_text(json.dumps({**found, "rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    sys.exit(any(row.met is False for row in main()))
