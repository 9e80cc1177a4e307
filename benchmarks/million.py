"""Fusing and evaluating a million clips: memory stays flat, and the files are read nearly as fast as h5py can.

Writes 4 members x N x 2 x 174 float32 (5.6 GB for a million) into a temporary folder. Time is compared with h5py
reading the same files block by block in the same run; the files are read once before, so that both find them equally
warm or cold.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
CLASSES, VIEWS, MEMBERS = 174, 2, ("a", "b", "c", "d")
MANIFEST = """
[datasets.million]
title = "A million clips"
layout = "list"
classes = 174
class_order = "file"
frame_pattern = "{id}/{frame:05d}.jpg"
splits = { val = { lists = ["val.txt"] } }
"""
RAW = """
import sys, h5py
for path in sys.argv[2:]:
    with h5py.File(path) as file:
        scores = file["scores/action"]
        for start in range(0, len(scores), int(sys.argv[1])):
            scores[start : start + int(sys.argv[1])]
"""


def write_members(folder, clips):
    from gsm_bench.scorefile import ScoreHead, create, views_array
    from gsm_bench.splits import ids_sha256

    rng = np.random.default_rng(0)
    ids = tuple(f"{row:09d}" for row in range(clips))
    labels = rng.integers(0, CLASSES, clips)
    data = folder / "data" / "million"
    data.mkdir(parents=True)
    (folder / "manifests").mkdir()
    (folder / "manifests/million.toml").write_text(MANIFEST)
    (data / "val.txt").write_text("".join(f"{name} 50 {label}\n" for name, label in zip(ids, labels, strict=True)))
    pool = rng.standard_normal((65_536, VIEWS, CLASSES)).astype(np.float32)
    said = {"dataset": "million", "split": "val", "split_sha256": ids_sha256(ids), "sampling": {"frames": 8}}
    for member in MEMBERS:
        head = ScoreHead(
            ids, {"action": "logits"}, {"action": CLASSES}, views_array((0.0, 0.5), 1), np.zeros(clips, np.uint8),
            {**said, "model": member},
        )  # fmt: skip
        with create(folder / f"{member}.h5", head) as datasets:
            for start in range(0, clips, len(pool)):
                block = np.roll(pool, int(rng.integers(len(pool))), axis=0)[: clips - start].copy()
                block[np.arange(len(block)), :, labels[start : start + len(block)]] += 2
                datasets["action"][start : start + len(block)] = block


def main():
    from run import alternate, gsmbench, timed

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where the files are written (default: the temporary folder)")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.dir) as name:
        folder = Path(name)
        write_members(folder, chosen.clips)
        files = [str(folder / f"{member}.h5") for member in MEMBERS]
        commands = {
            "raw": [sys.executable, "-c", RAW, "1024", *files],
            "raw, large blocks": [sys.executable, "-c", RAW, "65536", *files],
            "ensemble": gsmbench("ensemble", "--members", ",".join(f"{file}@2" for file in files)),
            "evaluate": gsmbench("evaluate", *files),
        }
        timed(commands["raw"], folder)
        found = alternate(
            chosen.turns, **{key: lambda command=command: timed(command, folder) for key, command in commands.items()}
        )
    size = 4 * chosen.clips * VIEWS * CLASSES * len(MEMBERS)
    figures = {
        key: {"s": s, "MB": mb, "MB/s": size / 1e6 / s, "of raw": found["raw"][0] / s} for key, (s, mb) in found.items()
    }
    for key, row in figures.items():
        print(
            f"{key:<18} {row['s']:7.2f} s  {row['MB/s']:7.0f} MB/s  {row['of raw']:5.0%} of raw  peak {row['MB']:6.0f} MB"
        )
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
