"""Fusion: score files of four members with random scores, fused and evaluated, compared with h5py reading alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import h5py
import numpy as np

from gsm_bench.bench.interleaved_timing import StageRate, rates_in_turns
from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.evaluation.accuracies import accuracies_of
from gsm_bench.id_array import IdArray
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import ScoreHead, create, views_array

MEMBERS, VIEWS, CLASSES = 4, 2, 174
READ_ROWS = 4096
PLAIN_ROWS = 256


def measure_fusion(folder: Path, videos: int, seconds: float) -> StageRate:
    """Videos fused and evaluated per second, compared with h5py reading the same files, and with one video at a time."""
    labels = np.random.default_rng(0).integers(0, CLASSES, videos)
    paths = [_random_scores(folder / f"member{seed}.h5", labels, seed) for seed in range(MEMBERS)]
    specs = [MemberSpec(path.stem, path, VIEWS, 1.0) for path in paths]

    def ours() -> float:
        with open_members(specs) as members:
            accuracies_of(members, "action", "logits", labels)
        return videos

    def read() -> float:
        for path in paths:
            with h5py.File(path, "r") as file:
                scores = file["scores/action"]
                for start in range(0, videos, READ_ROWS):
                    scores[start : start + READ_ROWS]
        return videos

    with h5py.File(paths[0], "r") as file:
        some = file["scores/action"][:PLAIN_ROWS]
    rows = itertools.cycle(range(len(some)))

    def plain() -> float:
        for row in itertools.islice(rows, PLAIN_ROWS):
            score = sum(some[row].mean(axis=0) for _ in range(MEMBERS))
            order = np.argsort(-score, kind="stable")
            _ = order[0] == labels[row], labels[row] in order[:5]
        return PLAIN_ROWS

    rates = rates_in_turns({"ours": ours, "ceiling": read, "plain": plain}, seconds)
    ceiling_is = f"h5py reading alone of {MEMBERS} files of {VIEWS} x {CLASSES}, in the page cache"
    return StageRate(
        "fusion",
        "videos",
        rates["ours"],
        rates["ceiling"],
        ceiling_is,
        rates["plain"],
        "one video at a time, in memory",
    )


def _random_scores(path: Path, labels: np.ndarray, seed: int) -> Path:
    videos = len(labels)
    scores = np.random.default_rng(seed).standard_normal((videos, VIEWS, CLASSES), np.float32)
    scores[np.arange(videos), :, labels] += 2
    head = ScoreHead(
        ids=IdArray.of(map(str, range(videos))), kinds={"action": "logits"}, classes_per_task={"action": CLASSES},
        views=views_array((0.0, 0.5), 1), status=np.zeros(videos, np.uint8), provenance=Provenance(),
    )  # fmt: skip
    with create(path, head) as datasets:
        datasets["action"][...] = scores
    return path
