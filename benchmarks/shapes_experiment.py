"""Train the networks of tables 1 and 2, of the gates and of the frame counts on Temporal Shapes, three seeds each.

    python benchmarks/shapes_experiment.py WORK            trains what is not there yet, two networks at a time
    python benchmarks/shapes_experiment.py WORK --results  prints the results as Markdown

Data, recipe and seed 1 are those of docs/shapes-recipe.md. WORK/seedN/NAME.safetensors is a network, NAME.npz beside it holds
its logits on the validation videos, with frames in order and reversed. Stopped, the same command goes on with the network that
was not finished.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from gsm_bench.files import aside, commit
from gsm_bench.shapes.make import clips_path, make

SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Variant:
    """One network of the experiment, and what differs from the defaults of `TrainConfig`."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)


BASELINE = "shapes_8f"
VARIANTS = (
    Variant("shapes_8f"),
    Variant("shapes_tsn_8f", {"temporal": "none"}),
    Variant("shapes_1gsm_8f", {"gsm_blocks": 1}),
    Variant("shapes_5gsm_8f", {"gsm_blocks": 5}),
    Variant("shapes_sigmoid_8f", {"gate": "sigmoid"}),
    Variant("shapes_branch_double_3x3_8f", {"gsm_branch": "double_3x3"}),
    Variant("shapes_branch_3x3_8f", {"gsm_branch": "3x3"}),
    Variant("shapes_branch_pool_proj_8f", {"gsm_branch": "pool_proj"}),
    Variant("shapes_branch_all_8f", {"gsm_branch": "all"}),
    Variant("shapes_12f", {"frames": 12}),
    Variant("shapes_16f", {"frames": 16}),
    Variant("shapes_24f", {"frames": 24}),
)
BY_NAME = {variant.name: variant for variant in VARIANTS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--jobs", type=int, default=2, help="networks at a time, one thread each")
    parser.add_argument("--only", metavar="NAME", nargs="*", choices=list(BY_NAME), help="some of the networks")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SEED"), help=argparse.SUPPRESS)
    parser.add_argument("--results", action="store_true")
    arguments = parser.parse_args()
    if arguments.results:
        print("\n".join(results(arguments.work)))
    elif arguments.one:
        train_one(arguments.work, BY_NAME[arguments.one[0]], int(arguments.one[1]))
    else:
        train_all(arguments.work, arguments.only or list(BY_NAME), arguments.jobs)
    return 0


def train_all(work: Path, names: list[str], jobs: int) -> None:
    """Each network in a process of its own, with one thread: other work on the machine changes no bit."""
    for split in ("train", "val"):
        make(work / "data", split)
    eight = [name for name in names if name.endswith("_8f")]
    order = [(name, seed) for some in (eight, [n for n in names if n not in eight]) for seed in SEEDS for name in some]

    def run(job: tuple[str, int]) -> None:
        name, seed = job
        if place(work, name, seed).with_suffix(".npz").exists():
            return
        started = time.monotonic()
        subprocess.run([sys.executable, __file__, work, "--one", name, str(seed)], check=True)
        print(f"{name}, seed {seed}: {time.monotonic() - started:.0f} s", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, order))


def place(work: Path, name: str, seed: int) -> Path:
    return work / f"seed{seed}/{name}.safetensors"


def train_one(work: Path, variant: Variant, seed: int) -> None:
    """Train a network, and keep the logits of its saved weights."""
    from gsm_bench.nets import load_checkpoint
    from gsm_bench.train import TrainConfig, train
    from gsm_bench.train.clips import load_split
    from gsm_bench.train.run import new_network, predict

    out = place(work, variant.name, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    config = TrainConfig(
        data=work / "data", out=out, seed=seed, threads=1, validate_every=5, force=True, **variant.settings
    )
    train(config)
    network, split = new_network(config), load_split(config.data, "val")
    load_checkpoint(network, out)
    written = aside(out.with_suffix(".npz"))
    with written.open("wb") as file:
        np.savez(
            file,
            labels=split.labels,
            logits=predict(network, split, config.frames),
            reversed=predict(network, split, config.frames, backwards=True),
        )
    commit(written, out.with_suffix(".npz"))


def results(work: Path) -> list[str]:
    """A Markdown table: top-1 per seed, their mean, the difference to the baseline, and top-1 with reversed frames."""
    events = pd.read_csv(clips_path(work / "data", "val"))["event"].to_numpy()
    found = {variant.name: _hits(work, variant.name) for variant in VARIANTS}
    lines = ["| network | seeds | top-1 | over `shapes_8f` | reversed frames |", "|---|---|---|---|---|"]
    for name, (forward, backward) in found.items():
        if not len(forward):
            continue
        over = "" if name == BASELINE else _text(_difference(forward, found[BASELINE][0], events), sign="+")
        each = ", ".join(f"{100 * one.mean():.2f}" for one in forward)
        own, reverse = (_text(_difference(hits, 0 * hits[:1], events)) for hits in (forward, backward))
        lines.append(f"| `{name}` | {each} | {own} | {over} | {reverse} |")
    return lines


def _hits(work: Path, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Float64 [S, N], 1 where a video is right, by seed: with frames in order, and reversed."""
    files = [place(work, name, seed).with_suffix(".npz") for seed in SEEDS]
    saved = [np.load(file) for file in files if file.exists()]
    forward, backward = (
        np.array([one[key].argmax(1) == one["labels"] for one in saved], dtype=np.float64)
        for key in ("logits", "reversed")
    )
    return forward, backward


def _difference(
    first: NDArray[np.float64], second: NDArray[np.float64], events: NDArray[np.int64]
) -> tuple[float, float]:
    """Difference of two mean accuracies and half the width of its 95% interval, over events and over seeds.

    Args:
        first, second: float64 [S, N] hits by seed and video; one row stands for a network without randomness.
        events: int64 [N], equal for the videos of an event; events have the same number of videos.
    """
    change = first.mean(0) - second.mean(0)
    per_event = pd.Series(change).groupby(events).mean().to_numpy()
    parts = [(per_event.var(ddof=1) / len(per_event), len(per_event) - 1)]
    parts += [(hits.mean(1).var(ddof=1) / len(hits), len(hits) - 1) for hits in (first, second) if len(hits) > 1]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return float(change.mean()), 0.0
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    return float(change.mean()), float(scipy.stats.t.ppf(0.975, freedom) * variance**0.5)


def _text(value: tuple[float, float], sign: str = "") -> str:
    return f"{100 * value[0]:{sign}.2f} ± {100 * value[1]:.2f}"


if __name__ == "__main__":
    sys.exit(main())
