"""Kill runs with changing numbers of processes, threads, readers and models, which share the chunks of one split."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gsm_bench.scorefile import content_hash
from gsm_bench.workspace import Workspace
from tests.conftest import TOY_MANIFEST
from tests.scoring.test_kills import Server
from tests.scoring.toys import make_checkpoint, make_clips

CLIPS, FINISH_EVERY = 352, 20
NAMES = ("toy_bninc", "toy_6f")
BOTH = ("--models", ",".join(NAMES))
CHOICES = (BOTH, BOTH, *(("--model", name) for name in NAMES))


@dataclass
class Shared:
    """Kills of runs, how often the finished files were compared, and what was wrong."""

    kills: int = 0
    comparisons: int = 0
    faults: list[str] = field(default_factory=list)


def _options(random_: random.Random) -> list[str]:
    return ["--workers", str(random_.randint(1, 4)), "--threads", str(random_.randint(1, 3))]


def torment(server: Any, folder: Path, kills: int, random_: random.Random, shared: Shared) -> None:
    """Kill runs until `kills` have died; now and then let them finish, and compare the files."""
    expected = {name: content_hash(folder / f"{name}.h5") for name in NAMES}
    scores, mine = folder / "scores/toy/val", []
    while shared.kills < kills:
        while len(mine) < random_.randint(1, 3):
            mine.append(server.start(*_options(random_), models=random_.choice(CHOICES)))
        time.sleep(random_.uniform(0.0, 0.6))
        victim = mine.pop(random_.randrange(len(mine)))
        if victim not in server.ended:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself just now
                os.kill(victim, signal.SIGKILL)
        shared.kills += server.wait(victim) == -signal.SIGKILL
        whole = all((scores / f"{name}.h5").exists() for name in NAMES)
        if whole or shared.kills // FINISH_EVERY > shared.comparisons or shared.kills == kills:
            statuses = [server.wait(pid) for pid in [*mine, server.start(*_options(random_), models=BOTH)]]
            actual = {name: content_hash(scores / f"{name}.h5") for name in NAMES}
            left = sorted(path.name for path in scores.iterdir())
            if any(statuses) or actual != expected or left != sorted(f"{name}.h5" for name in NAMES):
                shared.faults.append(
                    f"after {shared.kills} kills: statuses {statuses}, files {left}: {server.said[-300:]}"
                )
            for name in NAMES:
                (scores / f"{name}.h5").unlink()
            shared.comparisons, mine = shared.comparisons + 1, []


def attack(kills: int, seed: int, say: Callable[[str], None]) -> Shared:
    """Kill `kills` runs."""
    shared = Shared()
    with tempfile.TemporaryDirectory(prefix="attack-") as name:
        folder = Path(name).resolve()
        (folder / "manifests").mkdir()
        six = TOY_MANIFEST.replace("models.toy_bninc]", "models.toy_6f]").replace("toy_bninc.saf", "toy_6f.saf")
        entry = (
            six[six.index("[models.toy_6f]") :].replace("frames = 4", "frames = 6").replace("clips = 2", "clips = 1")
        )
        (folder / "manifests/toy.toml").write_text(TOY_MANIFEST.replace("width = 0.125", "width = 0.0625"))
        (folder / "manifests/six.toml").write_text(entry.replace("width = 0.125", "width = 0.0625"))
        workspace = Workspace.locate(folder)
        make_clips(workspace, CLIPS, lengths=(3, 9))
        for model in NAMES:
            make_checkpoint(workspace, model, seed=len(model))
        server = Server(workspace)
        for model in NAMES:
            status = server.wait(server.start("--out", f"{model}.h5", models=("--model", model)))
            if status:
                raise RuntimeError(server.said)
        torment(server, folder, kills, random.Random(seed), shared)
        server.process.stdin.close()
        server.process.wait()
    say(
        f"{'runs that share work':<20} {shared.kills} kills, {shared.comparisons} comparisons, {len(shared.faults)} faults"
    )
    for fault in shared.faults:
        say(f"  {fault}")
    return shared
