"""How score files are best stored: layout, compression and text type, by size, write and read time.

Run with ``python benchmarks/storage.py``; reads are warm, in blocks of the rows that fusion reads.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

CLIPS, VIEWS, CLASSES, ROWS, TURNS = 100_000, 2, 174, 512, 3
LAYOUTS = {
    "contiguous": {},
    "chunks of 64 rows": {"chunks": (64, VIEWS, CLASSES)},
    "chunks of 512 rows": {"chunks": (512, VIEWS, CLASSES)},
    "512 rows, lzf": {"chunks": (512, VIEWS, CLASSES), "compression": "lzf"},
    "512 rows, shuffle + lzf": {"chunks": (512, VIEWS, CLASSES), "compression": "lzf", "shuffle": True},
    "512 rows, gzip 4": {"chunks": (512, VIEWS, CLASSES), "compression": "gzip"},
    "512 rows, shuffle + gzip 4": {"chunks": (512, VIEWS, CLASSES), "compression": "gzip", "shuffle": True},
}


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def write_scores(path, scores, options):
    with h5py.File(path, "w") as file:
        file.create_dataset("scores", data=scores, **options)


def read_scores(path):
    with h5py.File(path, "r") as file:
        for start in range(0, CLIPS, ROWS):
            file["scores"][start : start + ROWS]


def read_texts(path):
    with h5py.File(path, "r") as file:
        b"\n".join(file["ids"][()].tolist()).decode().split("\n")


def main():
    scores = np.random.default_rng(0).standard_normal((CLIPS, VIEWS, CLASSES), np.float32)
    ids = [f"{100_000 + 7 * row}".encode() for row in range(CLIPS)]
    with tempfile.TemporaryDirectory() as folder:
        for name, options in LAYOUTS.items():
            path = Path(folder) / "x.h5"
            writing = timed(lambda path=path, options=options: write_scores(path, scores, options))
            reading = statistics.median(timed(lambda path=path: read_scores(path)) for _ in range(TURNS))
            rate = scores.nbytes / 1e9
            print(
                f"{name:<28} {path.stat().st_size / scores.nbytes:5.1%}  write {rate / writing:5.2f} GB/s  "
                f"read {rate / reading:5.2f} GB/s",
                flush=True,
            )
        for name, kind in (("fixed", h5py.string_dtype("utf-8", 7)), ("variable", h5py.string_dtype("utf-8"))):
            path = Path(folder) / "ids.h5"
            with h5py.File(path, "w") as file:
                file["ids"] = np.array(ids, dtype=kind)
            reading = statistics.median(timed(lambda path=path: read_texts(path)) for _ in range(TURNS))
            print(f"ids, {name:<23} {path.stat().st_size / 1e6:5.2f} MB  read {1000 * reading:.0f} ms", flush=True)


if __name__ == "__main__":
    sys.exit(main())
