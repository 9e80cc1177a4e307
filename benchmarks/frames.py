"""One frame of many score files, and the import of the package: seconds and memory of whole processes.

Makes 20 score files of 11,522 videos with 174 classes, as of Something-Something-V1, and asks for a row per video and file.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
VIDEOS, CLASSES, FILES, RUNS = 11_522, 174, 20, 5
MEASURE = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
import pandas, gsm_bench as gb
bench = gb.Bench(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
frame = bench.per_video(*sys.argv[3:])
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([len(frame), seconds, peak / 1024, (peak - before) / 1024, frame.memory_usage(deep=True).sum() / 2**20]))
"""


def make_files(folder):
    """Score files of random logits, with labels, written with the package."""
    import gsm_bench as gb

    rng = np.random.default_rng(0)
    ids, labels = np.arange(100_000, 100_000 + VIDEOS), rng.integers(0, CLASSES, VIDEOS)
    classes = [f"Doing something number {number} with something" for number in range(CLASSES)]
    for number in range(FILES):
        scores = rng.standard_normal((VIDEOS, CLASSES), np.float32)
        name = f"model_{number}"
        yield gb.from_arrays(ids, scores, labels, classes, model=name).save(folder / f"{name}.h5")


def import_seconds(code):
    """The median time of a process that runs a line, over RUNS."""
    seconds = []
    for _ in range(4 * RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main():
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        paths = [str(path) for path in make_files(folder)]
        runs = []
        for _ in range(RUNS):
            command = [sys.executable, "-c", MEASURE, str(ROOT), str(folder), *paths]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            runs.append(json.loads(ran.stdout))
    rows, seconds, peak, added, size = (statistics.median(values) for values in zip(*runs, strict=True))
    print(f"{rows:,.0f} rows of {FILES} score files: {seconds:.2f} s (bar 0.8), at most {peak:.0f} MB (bar 200)")
    print(f"  of it {added:.0f} MB beyond the imports; the frame itself {size:.0f} MB")
    bare, package = import_seconds("pass"), import_seconds("import gsm_bench")
    print(f"import gsm_bench: {1000 * (package - bare):.1f} ms beyond bare python's {1000 * bare:.1f} ms (bar 50)")


if __name__ == "__main__":
    main()
