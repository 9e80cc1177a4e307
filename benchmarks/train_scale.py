"""Measure what trainings cost beside their steps: memory with a long list, and how fast random clips are read.

    python benchmarks/train_scale.py WORK

Prints, for lists of 1,000 and 100,000 videos, the memory of the training and of its reading processes after a few steps; then,
in turns in one run, training clips per second beside what `gsmbench bench` says that reading can do on the same frames.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

LISTS = (1_000, 100_000)
STEPS, TURNS, SECONDS = 6, 5, 4.0
VIDEOS, FRAMES, SIZE = 60, 40, (427, 240)
"""Videos with frames of the size that Something-Something has."""


def main() -> int:
    work = Path(sys.argv[1])
    if len(sys.argv) > 2:
        print(memory(work, int(sys.argv[2])))
        return 0
    make_frames(work / "frames")
    for videos in LISTS:
        make_list(work, videos)
        out = subprocess.run([sys.executable, __file__, work, str(videos)], check=True, capture_output=True, text=True)
        print(f"{videos:,} videos: {out.stdout.strip()}", flush=True)
    print(reading(work))
    return 0


def make_frames(folder: Path) -> None:
    """Pictures with the detail of a photograph: noise of all scales."""
    rng = np.random.default_rng(1)
    for video in range(VIDEOS):
        place = folder / f"v{video}"
        if place.exists():
            continue
        place.mkdir(parents=True)
        noise = [rng.integers(0, 256, (SIZE[1] // scale, SIZE[0] // scale, 3), np.uint8) for scale in (2, 8, 32)]
        layers = [np.asarray(Image.fromarray(one).resize(SIZE, Image.Resampling.BICUBIC), float) for one in noise]
        picture = Image.fromarray((layers[0] * 0.15 + layers[1] * 0.35 + layers[2] * 0.5).astype(np.uint8))
        for frame in range(FRAMES):
            moved = Image.fromarray(np.roll(np.asarray(picture), 3 * frame, axis=1)).filter(
                ImageFilter.GaussianBlur(0.7)
            )
            moved.save(place / f"{frame + 1:05d}.jpg", quality=90)


def make_list(work: Path, videos: int) -> None:
    """A list of links to the videos, as long as one likes."""
    data = work / str(videos)
    if (data / "frames").exists():
        return
    (data / "frames").mkdir(parents=True)
    for number in range(videos):
        (data / f"frames/{number}").symlink_to(work.resolve() / f"frames/v{number % VIDEOS}")
    for split, rows in (("train", videos), ("val", 20)):
        lines = "".join(f"{number} {FRAMES} {number % 14}\n" for number in range(rows))
        (data / f"{split}_videofolder.txt").write_text(lines)


def training_of(data: Path, like: str):
    from gsm_bench.manifest import load_manifest
    from gsm_bench.train.resolve import TrainRequest, resolve
    from gsm_bench.train.rules import recipe_of
    from gsm_bench.workspace import Workspace

    workspace = Workspace(data)
    recipe = recipe_of("default", {"batch": 16, "mirror": False})
    request = TrainRequest(like, data / "out.safetensors", recipe, dataset="shapes", data=data)
    return resolve(request, load_manifest(workspace), workspace)


def memory(work: Path, videos: int) -> str:
    """Memory of this process and of its reading processes after a few steps of a small network."""
    from gsm_bench.train.fit import Trainer
    from gsm_bench.train.parallel import Group

    torch.set_num_threads(1)
    training = replace(training_of(work / str(videos), "shapes_8f"), workers=2)
    trainer = Trainer(training, Group(0, 1, torch.device("cpu")), None)
    for step, batch in enumerate(trainer.batches()):
        trainer.micro_batch(batch)
        if step + 1 == STEPS:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            return f"training {rss('self')} MB, reading processes {', '.join(rss(child) for child in children)} MB"
    raise AssertionError("the list is too short")


def rss(process: str) -> str:
    """Memory of a process in MB, with its share of what several have."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return f"{sum(int(line.split()[1]) for line in lines if line.startswith('Pss:')) / 1024:.0f}"


def reading(work: Path) -> str:
    """Clips per second of both ways, medians of some turns."""
    from gsm_bench.bench.reading import measure_decode, measure_preprocess, sound_videos
    from gsm_bench.bench.scoring import videos_read_per_second

    training = replace(training_of(work / str(LISTS[0]), "bninc_8f"), workers=os.cpu_count() or 1)
    job = training.validation
    videos, found = sound_videos(job), {"bench": [], "training": []}
    with ThreadPoolExecutor(job.settings.workers) as pool:
        for _ in range(TURNS):
            stages = measure_decode(job, videos, pool, SECONDS), measure_preprocess(job, videos, pool, SECONDS)
            found["bench"].append(videos_read_per_second(job, videos, *stages))
            found["training"].append(clips_per_second(training))
    ratios = [ours / bench for bench, ours in zip(found["bench"], found["training"], strict=True)]
    rates = ", ".join(f"{name} {statistics.median(values):.1f}" for name, values in found.items())
    return f"clips/s: {rates}; ratios {' '.join(f'{ratio:.2f}' for ratio in ratios)}, median {statistics.median(ratios):.2f}"


def clips_per_second(training) -> float:
    """Rate at which the reading processes hand over micro-batches that nobody computes on."""
    from gsm_bench.train.fit import Trainer
    from gsm_bench.train.parallel import Group

    trainer, clips, started = Trainer(training, Group(0, 1, torch.device("cpu")), None), 0, 0.0
    for number, batch in enumerate(trainer.batches()):
        if number == 2 * training.workers:  # those read ahead while the processes started
            clips, started = 0, time.perf_counter()
        clips += len(batch.pixels)
        if started and time.perf_counter() - started > SECONDS:
            return clips / (time.perf_counter() - started)
    raise AssertionError("the list is too short")


if __name__ == "__main__":
    sys.exit(main())
