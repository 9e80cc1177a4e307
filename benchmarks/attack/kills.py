"""Kill every writing command at its file events and at random times; run it again; compare with an undisturbed run."""

from __future__ import annotations

import random
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from attack.children import Ended, run
from attack.contents import contents, difference

SCORE = ["--quiet", "--threads", "1", "--workers", "1", "--device", "cpu", "--batch", "2"]
PLACE = ["--dataset", "toy", "--split", "val"]
READ_ONLY = ("data", "jpeg", "video", "tar", "zip", "pack")
"""Folders that no command writes into."""
LEVELS = ["--sls-pt", "1", "--sls-tl", "3", "--sls-td", "3"]
COMMANDS: dict[str, list[str]] = {
    "score": ["score", "--model", "net_4f", "--out", "new.h5", *SCORE],
    "score --fresh": ["score", "--models", "net_4f,net_6f", "--fresh", *SCORE],
    "score --cascade": ["score", "--cascade", "quick", *SCORE],
    "ensemble": ["ensemble", "--members", "a.h5,b.h5", "--out", "new.h5"],
    "import npz": ["import", "dump.npz", "--dataset", "toy", "--split", "val", "--out", "new.h5"],
    "import csv": ["import", "dump.csv", "--out", "new.h5"],
    "export csv": ["export", "a.h5", "--to", "csv", "--out", "new.csv"],
    "export npz": ["export", "a.h5", "--to", "npz", "--out", "new.npz"],
    "export parquet": ["export", "a.h5", "--to", "parquet", "--out", "new.parquet"],
    "submit epic100": ["submit", "epic100", *LEVELS],
    "submit epic": ["submit", "epic", "--split", "s1"],
    "submit log": ["submit", "log", "sent.zip", "--failed", "no answer"],
    "pack": ["pack", "data/toy/frames", "new.h5", "--workers", "1", "--quiet"],
    "pack video": ["pack", "video/frames", "new.h5", "--workers", "1", "--quiet"],
    "shapes make": ["shapes", "make", "new", "--videos", "6", "--seed", "3", "--workers", "1", "--quiet"],
    "train": ["train", "--data", "data/shapes", "--out", "new.safetensors", "--frames", "2", "--epochs", "1",
              "--width", "0.0625", "--batch", "7", "--threads", "1"],
    "models add": ["models", "add", "mine", "--like", "net_4f", "--checkpoint", "net_4f.safetensors"],
    "table --out": ["table", "--rows", "a.h5,b.h5", *PLACE, "--out", "new", "--format", "csv"],
    "evaluate --out": ["evaluate", "a.h5", "b.h5", "--per-class", "--out", "new", "--format", "md"],
    "compare --out": ["compare", "a.h5", "b.h5", "--out", "new", "--format", "json"],
    "calibrate --out": ["calibrate", "a.h5", "b.h5", "--reliability", "--out", "new", "--format", "csv"],
    "search --save": ["search", "net_4f,net_6f", *PLACE, "--save", "best", "--quiet"],
    "search --out": ["search", "net_4f,net_6f", *PLACE, "--out", "new", "--format", "csv", "--quiet"],
    "cascade --save": ["cascade", "net_4f,net_6f", *PLACE, "--save", "mine"],
    "figure": ["figure", "confusion", "a.h5", "--out", "new.pdf", "--numbers", "new.csv"],
    "figure all": ["figure", "all", *PLACE, "--format", "svg"],
    "report": ["report", "net_4f", "net_6f", *PLACE, "--thumbnails", "0"],
    "features": ["features", "--model", "net_4f", "--threads", "1", "--workers", "1", "--device", "cpu", "--quiet"],
    "doctor data": ["doctor", "data", *PLACE, "--out", "new.csv", "--workers", "1", "--quiet"],
    "trust allow": ["trust", "allow", "own"],
    "demo": ["demo", "--from-scores", "--dir", "new"],
}  # fmt: skip
SLOW = {"demo": 0.12, "figure all": 0.3, "train": 0.5, "report": 0.7}
"""Commands of seconds each get this share of the kills."""
DONE = ("exist", "empty directory")
"""Words of a command that refuses to do again what is done; its files must be those of an undisturbed run."""


@dataclass
class Killed:
    """Kills of one command.

    Attributes:
        events: file events of an undisturbed run.
        at_events, at_times: kills before such an event, and after a random time.
        survived: runs that ended before their time was over.
        faults: what was wrong, by words.
    """

    events: int = 0
    at_events: int = 0
    at_times: int = 0
    survived: int = 0
    faults: Counter[str] = field(default_factory=Counter)


def copy_of(workspace: Path, place: Path) -> Path:
    """A copy of the workspace at `place`; folders that no command writes into are links."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(workspace, place, ignore=lambda folder, _: READ_ONLY if folder == str(workspace) else ())
    for name in READ_ONLY:
        (place / name).symlink_to(workspace / name)
    return place


def undisturbed(workspace: Path, name: str, place: Path) -> tuple[dict[str, str], Ended]:
    """The content of a workspace after a command, and how the command ended."""
    root = copy_of(workspace, place)
    ended = run(COMMANDS[name], root)
    return contents(root), ended


@dataclass(frozen=True)
class Kill:
    """One kill: before the event `at`, or after `after_s` seconds."""

    command: str
    at: int | None
    after_s: float | None


def plan(name: str, events: int, seconds: float, kills: int, random_: random.Random) -> list[Kill]:
    """Kills of a command: three of four at events, all of them where there are not more, the others at random times."""
    timed = max(1, kills // 4)
    wanted = min(events, kills - timed)
    places = sorted({round(1 + step * (events - 1) / max(1, wanted - 1)) for step in range(wanted)})
    return [Kill(name, at, None) for at in places] + [
        Kill(name, None, random_.uniform(0.0, seconds)) for _ in range(timed)
    ]


def attempt(workspace: Path, kill: Kill, expected: dict[str, str], place: Path) -> tuple[bool, str]:
    """Kill a run and run it again; returns whether it was killed, and the fault."""
    root = copy_of(workspace, place)
    first = run(COMMANDS[kill.command], root, kill_at=kill.at, kill_after_s=kill.after_s)
    was_killed = first.status == -9
    if first.status not in (0, -9):
        return was_killed, f"the first run failed: {first.err[-300:]}"
    again = run(COMMANDS[kill.command], root)
    if again.crashed:
        return was_killed, f"{again.crashed}: {again.err[-300:]}"
    if again.status and not any(word in again.err for word in DONE):
        return was_killed, f"the second run failed: {again.err[-300:]}"
    wrong = difference(expected, contents(root))
    return was_killed, f"{wrong} (status {again.status})" if wrong else ""


def _baseline(job: tuple[Path, str, Path]) -> tuple[str, dict[str, str], int, float, str]:
    """A command, the workspace after it, its file events and seconds, and what is wrong with it undisturbed."""
    workspace, name, place = job
    folder = place / f"base-{zlib.crc32(name.encode())}"
    after, ended = undisturbed(workspace, name, folder)
    twice, _ = undisturbed(workspace, name, folder)
    problem = "" if ended.status == 0 else f"fails undisturbed: {ended.err[-500:]}"
    problem = problem or ("" if ended.events else "writes nothing") or difference(after, twice)
    shutil.rmtree(folder)
    return name, after, ended.events, ended.seconds, problem


def _attempt(job: tuple[Path, Kill, dict[str, str], Path]) -> tuple[Kill, bool, str]:
    import os

    workspace, kill, expected, place = job
    return kill, *attempt(workspace, kill, expected, place / f"lane-{os.getpid()}")


def attack(
    workspace: Path, kills: int, seed: int, lanes: int, say: Callable[[str], None], names: Sequence[str] = tuple(COMMANDS)
) -> dict[str, Killed]:  # fmt: skip
    """Kill all commands, together at least `kills` times."""
    results = {name: Killed() for name in names}
    shares = {name: SLOW.get(name, 1.0) for name in names}
    per_command = kills / sum(shares.values())
    with (
        tempfile.TemporaryDirectory(prefix="attack-") as folder,
        ProcessPoolExecutor(lanes, mp_context=get_context("fork")) as pool,
    ):
        place, random_, planned, expected = Path(folder).resolve(), random.Random(seed), [], {}
        for name, after, events, seconds, problem in pool.map(_baseline, [(workspace, name, place) for name in names]):
            results[name].events, expected[name] = events, after
            if problem:
                results[name].faults[problem] += 1
                say(f"  {name}: {problem}")
            planned += plan(name, events, seconds, max(2, round(per_command * shares[name]) + 1), random_)
        jobs = [(workspace, kill, expected[kill.command], place) for kill in planned]
        for kill, was_killed, fault in pool.map(_attempt, jobs):
            one = results[kill.command]
            one.at_events += was_killed and kill.at is not None
            one.at_times += was_killed and kill.at is None
            one.survived += not was_killed
            if fault:
                one.faults[fault] += 1
                say(f"  {kill.command}, {f'event {kill.at}' if kill.at else f'{kill.after_s:.3f} s'}: {fault}")
    return results
