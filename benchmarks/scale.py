"""A million clips: `ensemble` of four score files and `evaluate` of one, beside h5py's raw read of the same files.

Four members x 1,000,000 x 2 x 174 float32 are 5.6 GB, written into a temporary directory and removed at the end. All
figures are of whole processes, start and imports with them, and taken in turns: cold (the files put out of the page
cache before each run) and warm (all read just before). Run with ``python benchmarks/scale.py [--clips N ..]``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
from run import CLASSES, gsmbench, timed  # noqa: E402

from gsm_bench.scorefile import ScoreHead, create, views_array  # noqa: E402
from gsm_bench.splits import ids_sha256  # noqa: E402

MEMBERS = ("m1", "m2", "m3", "m4")
VIEWS, WRITE_ROWS, READ_ROWS = 2, 8192, 4096
RAW = """
import sys, h5py
for path in sys.argv[1:]:
    with h5py.File(path, "r") as file:
        scores = file["scores/action"]
        for start in range(0, len(scores), {rows}):
            scores[start : start + {rows}]
""".replace("{rows}", str(READ_ROWS))


def write_inputs(folder, clips):
    """Four score files of noisy logits and their list, written in blocks."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, clips)
    ids = tuple(str(100_000 + 7 * row) for row in range(clips))
    data = folder / "data" / "something-v1"
    data.mkdir(parents=True)
    rows = zip(ids, rng.integers(20, 90, clips), labels, strict=True)
    (data / "val_videofolder.txt").write_text("".join(f"{name} {frames} {label}\n" for name, frames, label in rows))
    said = {"dataset": "something-v1", "split": "validation", "split_sha256": ids_sha256(ids)}
    head = ScoreHead(
        ids=ids, kinds={"action": "logits"}, classes_per_task={"action": CLASSES}, views=views_array((0.0, 0.5), 1),
        status=np.zeros(clips, np.uint8), provenance={**said, "sampling": {"frames": 8}},
    )  # fmt: skip
    paths = [folder / f"{name}.h5" for name in MEMBERS]
    for seed, path in enumerate(paths):
        drawn = np.random.default_rng(seed)
        with create(path, head) as datasets:
            for start in range(0, clips, WRITE_ROWS):
                wanted = labels[start : start + WRITE_ROWS]
                block = drawn.standard_normal((len(wanted), VIEWS, CLASSES), np.float32)
                block[np.arange(len(wanted)), :, wanted] += 2
                datasets["action"][start : start + len(wanted)] = block
    return paths


def put_out_of_cache(paths):
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_into_cache(paths):
    for path in paths:
        subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)


def measure(folder, paths, runs, prepare):
    """Median seconds and peak MB per command, the commands taking turns."""
    members = ",".join(f"{path}@{VIEWS}" for path in paths)
    commands = {
        "raw4": ([sys.executable, "-c", RAW, *map(str, paths)], paths),
        "ensemble": (gsmbench("ensemble", "--members", members), paths),
        "raw1": ([sys.executable, "-c", RAW, str(paths[0])], paths[:1]),
        "evaluate": (gsmbench("evaluate", str(paths[0])), paths[:1]),
        "evaluate4": (gsmbench("evaluate", *map(str, paths)), paths),
    }
    seen = {name: [] for name in commands}
    for turn in range(runs + 1):  # the first is not counted: it fills caches below the system's own
        for name, (command, touched) in commands.items():
            prepare(touched)
            found = timed(command, folder)
            if turn:
                seen[name].append(found)
    return {name: [statistics.median(values) for values in zip(*found, strict=True)] for name, found in seen.items()}


def report(clips, folder, paths, runs):
    size = clips * VIEWS * CLASSES * 4 / 1e9
    for state, prepare in (("cold", put_out_of_cache), ("warm", read_into_cache)):
        found = measure(folder, paths, runs, prepare)
        for name, raw, gigabytes in (
            ("ensemble", "raw4", 4 * size),
            ("evaluate4", "raw4", 4 * size),
            ("evaluate", "raw1", size),
        ):
            seconds, megabytes = found[name]
            yield {
                "clips": clips, "state": state, "command": name, "seconds": seconds, "peak_mb": megabytes,
                "gb_per_s": gigabytes / seconds, "h5py_gb_per_s": gigabytes / found[raw][0],
                "share": found[raw][0] / seconds, "h5py_peak_mb": found[raw][1],
            }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[250_000, 500_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where the files are written (default: the temporary directory)")
    parser.add_argument("--keep", action="store_true", help="leave the files there, and take those that are there")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    figures = []
    for clips in chosen.clips:
        folder = Path(tempfile.mkdtemp(dir=chosen.dir)) if not chosen.keep else chosen.dir / f"scale-{clips}"
        needed = len(MEMBERS) * clips * VIEWS * CLASSES * 4
        present = [folder / f"{name}.h5" for name in MEMBERS]
        try:
            if not all(path.is_file() for path in present):
                folder.mkdir(parents=True, exist_ok=True)
                if shutil.disk_usage(folder).free < 1.2 * needed:
                    sys.exit(f"{needed / 1e9:.1f} GB are needed in {folder}: name another place with --dir")
                write_inputs(folder, clips)
            for row in report(clips, folder, present, chosen.runs):
                figures.append(row)
                print(
                    f"{row['clips']:>9,} {row['command']:<9} {row['state']}: {row['seconds']:6.2f} s {row['peak_mb']:6.0f} MB"
                    f"  {row['gb_per_s']:.2f} GB/s; h5py {row['h5py_gb_per_s']:.2f} GB/s {row['h5py_peak_mb']:.0f} MB:"
                    f" {100 * row['share']:.0f}% of it",
                    flush=True,
                )
        finally:
            if not chosen.keep:
                shutil.rmtree(folder)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
