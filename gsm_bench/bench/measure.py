"""All stages in one run, and what limits this machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from gsm_bench.bench.fusion import measure_fusion
from gsm_bench.bench.interleaved_timing import StageName, StageRate
from gsm_bench.bench.reading import measure_decode, measure_on_device, measure_preprocess, sound_videos
from gsm_bench.bench.scoring import measure_network, measure_pipeline, videos_read_per_second, waits
from gsm_bench.cpu_count import usable_cpus
from gsm_bench.errors import FrameError
from gsm_bench.scoring.job import Job
from gsm_bench.tables.table import Column, Table

SHARES: dict[StageName, float] = {"decode": 0.15, "preprocess": 0.15, "network": 0.25, "pipeline": 0.3, "fusion": 0.15}
"""Of the time that may be spent."""
FUSED_PER_SECOND = 1024
MOST_FUSED = 16_384
NOTE_COLUMNS = 98
LEAST_WAIT = 0.1
"""A network that waits less than this is busy."""


@dataclass(frozen=True)
class Measurement:
    """The stages of a model on this machine.

    Attributes:
        reading: videos per second that are decoded and preprocessed.
        waits: share of the time in which the network has no video to work on.
        verdict: what that means, in one sentence.
    """

    job: Job
    stages: tuple[StageRate, ...]
    reading: float
    waits: float
    verdict: str


def measure(
    job: Job, network: nn.Module, folder: Path, seconds: float, progress: Callable[[str], None] = lambda _: None
) -> Measurement:
    """Measure the stages of a job one after the other in about so many seconds; score files go to `folder`."""
    videos = sound_videos(job)
    budget = {name: seconds * share for name, share in SHARES.items()}
    with ThreadPoolExecutor(job.settings.workers) as pool:
        progress("decode")
        decode = measure_decode(job, videos, pool, budget["decode"])
        progress("preprocess")
        measure_frames = measure_on_device if job.settings.resize == "device" else measure_preprocess
        preprocess = measure_frames(job, videos, pool, budget["preprocess"])
    progress("network")
    alone = measure_network(job, network, budget["network"])
    progress("pipeline")
    reading = videos_read_per_second(job, videos, decode, preprocess)
    few = replace(job, split=job.split.head(_pipeline_videos(job, min(reading, alone.rate), budget["pipeline"])))
    pipeline = measure_pipeline(few, network, videos, (decode, preprocess, alone), folder, budget["pipeline"])
    progress("fusion")
    fusion = measure_fusion(folder, int(min(MOST_FUSED, FUSED_PER_SECOND * max(1, seconds))), budget["fusion"])
    idle = waits(pipeline, alone)
    return Measurement(
        job, (decode, preprocess, alone, pipeline, fusion), reading, idle, _verdict(job, reading, alone.rate, idle)
    )


def _pipeline_videos(job: Job, rate: float, seconds: float) -> int:
    """Videos of one timed run: enough to fill the pipeline, few enough for the time."""
    batch = job.settings.batch
    target = int(rate * seconds / 2)
    return max(2 * batch, target - target % batch)


def _verdict(job: Job, reading: float, network: float, idle: float) -> str:
    workers, cores = job.settings.workers, usable_cpus()
    share = f"{100 * idle:.0f}% of the time"
    if idle < LEAST_WAIT:
        return "the network is busy: a faster device, a smaller network or --precision bfloat16 is what would help"
    if torch.device(job.settings.device).type == "cpu" and reading > network:
        taken = f"{100 * network / (network + reading):.0f}%"
        ways = " or ".join(["gsmbench pack"] * (not _is_packed(job)) + ["a GPU"])
        return f"the network waits {share}: frames take {taken} of its cores: {ways}"
    if reading > network:
        return f"the network waits {share}, though frames come fast enough: larger batches, --batch {2 * job.settings.batch}"
    remedies = ([f"--workers {cores}"] if workers < cores else []) + ["gsmbench pack"] * (not _is_packed(job))
    return f"the network waits {share} for frames: {' or '.join(remedies) or 'more cores for its frames'}"


def _is_packed(job: Job) -> bool:
    """Whether the first video lies in an HDF5 file; one without frames does not."""
    try:
        reader = getattr(job.source, "reader", lambda _: None)(job.split.video(0))
    except FrameError:
        return False
    return type(reader).__name__ == "Hdf5Reader"


def bench_table(measurement: Measurement) -> Table:
    """The rates, each beside its ceiling and beside the plain loop."""
    rows = tuple(
        {
            "stage": stage.name, "unit": f"{stage.unit}/s", "rate": stage.rate, "shown": _text(stage.rate),
            "ceiling": stage.ceiling, "shown_ceiling": _text(stage.ceiling), "of_ceiling": stage.of_ceiling,
            "share": f"{100 * stage.of_ceiling:.0f}%", "plain": stage.plain, "shown_plain": _text(stage.plain),
            "times_plain": stage.times_plain, "times": f"{stage.times_plain:.1f}x", "ceiling_is": stage.ceiling_is,
            "plain_is": stage.plain_is,
        }
        for stage in measurement.stages
    )  # fmt: skip
    columns = (
        Column("stage", "Stage"), Column("shown", "Rate", "whole"), Column("unit", ""),
        Column("shown_ceiling", "Ceiling", "whole"), Column("share", "Of it", "whole"),
        Column("shown_plain", "Plain loop", "whole"), Column("times", "Times", "whole"),
    )  # fmt: skip
    settings = measurement.job.settings
    views = len(measurement.job.views)
    title = (
        f"{measurement.job.entry.name} on {settings.device}: {settings.workers} workers, batch {settings.batch}, "
        f"{settings.precision}{_ways(measurement.job)}, {views} {'view' if views == 1 else 'views'} per video"
    )
    notes = (
        *(note for stage in measurement.stages for note in _notes(stage)),
        f"{measurement.verdict[0].upper()}{measurement.verdict[1:]}.",
    )
    return Table(title, columns, (rows,), notes, name="bench")


def _ways(job: Job) -> str:
    """What else is not as usual."""
    compiled = "" if job.settings.compile == "none" else f", compiled ({job.settings.compile})"
    return f"{compiled}, frames resized on the device" if job.settings.resize == "device" else compiled


def _notes(stage: StageRate) -> list[str]:
    """What stands beside a rate, on one line if it is short enough."""
    line = f"{stage.name}: ceiling {stage.ceiling_is}; plain {stage.plain_is}."
    if len(line) <= NOTE_COLUMNS:
        return [line]
    return [f"{stage.name}: ceiling {stage.ceiling_is}.", f"{stage.name}: plain {stage.plain_is}."]


def _text(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
