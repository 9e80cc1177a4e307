"""The network alone, and the full pipeline from frames to a score file."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gsm_bench.bench.interleaved_timing import StageRate, Work, rates_in_turns
from gsm_bench.bench.reading import needed_frames
from gsm_bench.frames import preprocess
from gsm_bench.frames.read_views import view_indices
from gsm_bench.frames.transform import normalise
from gsm_bench.nets.cost import count_cost
from gsm_bench.scoring.job import HALF_DTYPES, Job
from gsm_bench.scoring.network import BATCHES_IN_FLIGHT, ForwardPool, Scorer, collect
from gsm_bench.scoring.pipeline import BATCHES_AHEAD
from gsm_bench.scoring.run import run
from gsm_bench.scoring.transfer import HeldPixels
from gsm_bench.splits import Video

LONG_RUN = 8 * (BATCHES_AHEAD + 1)
"""Batches after which those that were read ahead weigh little."""
PRODUCT_SIDES = {"cpu": 1536, "cuda": 8192}


def measure_network(job: Job, network: nn.Module, seconds: float) -> StageRate:
    """Videos per second on ready pixels, compared with the multiply-adds of a large matrix product, and with one video at a time."""
    spec, views = job.entry.input, len(job.views)
    shape = (views, job.entry.frames, spec.size, spec.size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)  # [V, T, S, S, 3]
    device = torch.device(job.settings.device)
    plain = network.eval().to(device)
    clips = [normalise(torch.from_numpy(view), spec)[None].to(device) for view in pixels]
    macs = views * count_cost(network, job.entry.frames, spec.size).macs_bare
    held = torch.from_numpy(pixels).to(device)[:, None].expand(-1, job.settings.batch, -1, -1, -1, -1)
    batch = HeldPixels(held.contiguous())
    with ForwardPool(job.settings) as forward_pool:
        scorer = Scorer(network, job.entry, job.settings, forward_pool)

        batches = forward_pool.count if forward_pool.on_cpu else 1 + BATCHES_IN_FLIGHT

        def ours() -> float:
            passes = [scorer.submit(batch) for _ in range(batches)]
            for futures in passes:
                collect(futures, batch.present)
            return batches * len(batch.present)

        ways: dict[str, Work] = {"ours": ours, "ceiling": _product(job), "plain": lambda: _one_video(plain, clips)}
        rates = rates_in_turns(ways, seconds)
    gmacs = rates["ceiling"] / 1e9
    ceiling_is = (
        f"{2 * gmacs:,.0f} GFLOP/s of a matrix product in {job.settings.precision}, {macs / 1e9:.2f} GMACs per video"
    )
    return StageRate(
        "network",
        "videos",
        rates["ours"],
        rates["ceiling"] / macs,
        ceiling_is,
        rates["plain"],
        "one video at a time, float32",
    )


def measure_pipeline(
    job: Job,
    network: nn.Module,
    videos: Sequence[Video],
    ready: tuple[StageRate, StageRate, StageRate],
    folder: Path,
    seconds: float,
) -> StageRate:
    """Videos per second from frames to a score file, compared with the slower of reading and network alone.

    Args:
        ready: decode, preprocess and network, measured.
        folder: an empty place for score files.
    """
    turn = itertools.cycle(videos)

    rate = _steady_rate(replace(job, target=folder / "pipeline.h5"), network)
    rates = rates_in_turns({"plain": lambda: _one_from_frames(job, network, next(turn))}, seconds / 3)
    reading, alone = videos_read_per_second(job, videos, *ready[:2]), ready[2].rate
    if torch.device(job.settings.device).type == "cpu":
        ceiling, name = 1 / (1 / reading + 1 / alone), "reading and network sharing the cores"
    else:
        ceiling, name = min((reading, "reading alone"), (alone, "the network alone"))
    return StageRate("pipeline", "videos", rate, ceiling, name, rates["plain"], "one video after the other, float32")


def _steady_rate(job: Job, network: nn.Module) -> float:
    """Videos per second of one run: from its first finished videos to its end, where it is long enough.

    When the first are finished, others are read already: in a short run that would count as speed.
    """
    seen: list[tuple[float, int]] = []
    outcome = run(job, network, lambda progress: seen.append((time.perf_counter(), progress.done)))
    ended = time.perf_counter()
    began, before = next(mark for mark in seen if mark[1])
    if outcome.scored < LONG_RUN * job.settings.batch:
        return outcome.scored / outcome.seconds
    return (outcome.scored - before) / (ended - began)


def videos_read_per_second(job: Job, videos: Sequence[Video], decode: StageRate, preprocess: StageRate) -> float:
    """Videos decoded and preprocessed per second, where both share the same threads; on a device the latter is its own."""
    frames = float(np.mean([len(needed_frames(job, video)) for video in videos]))
    if job.settings.resize == "device" and job.settings.device_type != "cpu":
        return decode.rate / frames
    return 1 / (frames / decode.rate + frames / preprocess.rate)


def _product(job: Job) -> _Product:
    return _Product(job.settings.device, HALF_DTYPES.get(job.settings.precision, torch.float32))


class _Product:
    """Multiply-adds of a square matrix product."""

    def __init__(self, device: str, precision: torch.dtype) -> None:
        side = PRODUCT_SIDES[torch.device(device).type]
        self.side = side
        self.one = torch.randn(side, side).to(device, precision)
        self.other = torch.randn(side, side).to(device, precision)

    def __call__(self) -> float:
        product = self.one @ self.other
        if product.is_cuda:
            torch.cuda.synchronize(product.device)
        return float(self.side**3)


def _one_video(network: nn.Module, clips: Sequence[Tensor]) -> float:
    """One video, view by view, in plain float32."""
    with torch.no_grad():
        for clip in clips:
            output = network(clip)
            for values in output.values() if isinstance(output, dict) else [output]:
                values.cpu()
    return 1.0


def _one_from_frames(job: Job, network: nn.Module, video: Video) -> float:
    """The released loop: decode, preprocess, network, one after the other."""
    total, device = job.source.count(video), torch.device(job.settings.device)
    views = []
    for view in job.views:
        numbers = view_indices(total, job.read_plan, view)
        pictures = dict(job.source.pictures(video, np.unique(numbers).tolist()))
        frames = np.stack([np.asarray(pictures[int(number)]) for number in numbers])
        views.append(preprocess(frames, job.entry.input)[None].to(device))
    return _one_video(network, views)


def waits(pipeline: StageRate, network: StageRate) -> float:
    """The share of the time in which the network has nothing to do."""
    return max(0.0, 1 - pipeline.rate / network.rate)
