"""A hundred SIGKILLs at random moments of runs with changing numbers of processes, threads, readers and models.

Every now and then a run is left to finish; its files must have the content of an undisturbed one, bit by bit. Too long
for a test: run with ``make kills``, or ``python benchmarks/kills.py --kills 20 --seed 3``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT)]
CLIPS, FINISH_EVERY = 352, 20
BOTH = ("--models", "toy_4f,toy_6f")
CHOICES = (BOTH, BOTH, ("--model", "toy_4f"), ("--model", "toy_6f"))


def options(random_):
    return ["--workers", str(random_.randint(1, 4)), "--threads", str(random_.randint(1, 3))]


def torment(server, folder, kills, random_):
    """Kill runs until `kills` have died; returns how often the finished files were compared."""
    from gsm_bench.scorefile import content_hash

    expected = {name: content_hash(folder / f"{name}.h5") for name in ("toy_4f", "toy_6f")}
    scores, killed, compared, mine = folder / "scores/toy/val", 0, 0, []
    while killed < kills:
        while len(mine) < random_.randint(1, 3):
            mine.append(server.start(*options(random_), models=random_.choice(CHOICES)))
        time.sleep(random_.uniform(0.0, 0.6))
        victim = mine.pop(random_.randrange(len(mine)))
        if victim not in server.ended:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself just now
                os.kill(victim, signal.SIGKILL)
        killed += server.wait(victim) == -signal.SIGKILL
        whole = all((scores / f"{name}.h5").exists() for name in expected)
        if whole or killed // FINISH_EVERY > compared or killed == kills:
            assert all(server.wait(pid) == 0 for pid in mine), server.said
            assert server.wait(server.start(*options(random_), models=BOTH)) == 0, server.said
            assert {name: content_hash(scores / f"{name}.h5") for name in expected} == expected
            left = sorted(path.name for path in scores.iterdir())
            assert left == ["toy_4f.h5", "toy_6f.h5"], left
            for name in expected:
                (scores / f"{name}.h5").unlink()
            compared, mine = compared + 1, []
            print(f"{killed} kills: bit-equal", flush=True)
    return compared


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    from gsm_bench.workspace import Workspace
    from tests.conftest import TOY_MANIFEST, TOY_NETWORK, trust
    from tests.scoring.test_kills import Server
    from tests.scoring.test_together import add_model
    from tests.scoring.toys import make_checkpoint, make_clips

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifests").mkdir()
        (folder / "manifests/toy.toml").write_text(TOY_MANIFEST)
        (folder / "toynet.py").write_text(TOY_NETWORK)
        workspace = Workspace.locate(folder)
        os.environ["XDG_CONFIG_HOME"] = str(folder / "configuration")
        trust(workspace)
        make_clips(workspace, CLIPS, lengths=(3, 9))
        make_checkpoint(workspace)
        add_model(workspace, "toy_6f", 6, 24, 30, 1)
        server = Server(workspace)
        for model in ("toy_4f", "toy_6f"):
            assert server.wait(server.start("--out", f"{model}.h5", models=("--model", model))) == 0, server.said
        began = time.monotonic()
        compared = torment(server, folder, chosen.kills, random.Random(chosen.seed))
        print(f"{chosen.kills} kills, {compared} comparisons, {time.monotonic() - began:.0f} s: all bit-equal")
        server.process.stdin.close()
        server.process.wait()


if __name__ == "__main__":
    main()
