"""Kill a training again and again, and compare its checkpoint with that of an undisturbed one.

python benchmarks/train_kills.py WORK [KILLS]: prints kills, differing bytes and the states that were gone on from.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

OPTIONS = (
    "train", "--like", "shapes_8f", "--frames", "2", "--epochs", "4", "--warmup", "1", "--batch", "6", "--threads", "1",
    "--validate-every", "2", "--save-every", "0", "--recipe", "released", "--workers", "1",
)  # fmt: skip


def command(work: Path, name: str) -> list[str]:
    out = work / f"{name}.safetensors"
    return [sys.executable, "-m", "gsm_bench", *OPTIONS, "--data", str(work / "data"), "--out", str(out)]


def digest(work: Path, name: str) -> str:
    files = (work / f"{name}.safetensors", work / f"{name}.best.safetensors")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def main() -> int:
    work, kills = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30
    for split, clips in (("train", 32), ("val", 14)):
        if not (work / "data" / f"{split}_videofolder.txt").exists():
            words = ["shapes", "make", str(work / "data"), "--split", split, "--clips", str(clips)]
            subprocess.run([sys.executable, "-m", "gsm_bench", *words], check=True, capture_output=True)
    started = time.monotonic()
    subprocess.run([*command(work, "whole"), "--force"], check=True, capture_output=True)
    whole, chance = time.monotonic() - started, random.Random(3)
    killed = rounds = differing = 0
    log = work / "stderr"
    while killed < kills:
        rounds += 1
        for left in (work / "killed.safetensors", work / "killed.safetensors.state"):
            left.unlink(missing_ok=True)
        while True:
            process = subprocess.Popen(command(work, "killed"), stdout=subprocess.DEVNULL, stderr=log.open("wb"))
            try:
                process.wait(timeout=chance.uniform(0.35 * whole, 0.9 * whole))
                assert process.returncode == 0, log.read_text()
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
        differing += digest(work, "killed") != digest(work, "whole")
        print(f"{killed} kills, {rounds} trainings, {differing} differ", flush=True)
    print(f"{killed} kills in {rounds} trainings: {differing} checkpoints differ from the undisturbed one")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
